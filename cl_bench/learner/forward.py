"""How a network is called: plain or compiled, in which precision."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cl_bench.models import Network, Task

PRECISIONS = ("float32", "tf32", "bfloat16")
ONE_EXAMPLE = "Expected more than 1 value per channel"  # torch's words
ALONE = (
    "batch normalisation learns from two examples or more, and got one: set a larger training.batch_size (or "
    "size of what the method draws from its memory), or model.normalisation=layer"
)


class Forward:
    """Logits of a network: forward(images, task) -> float32 [B, K].

    Args:
        network: called as network(images, task); its own hooks and gradients are as ever.
        count: told how many images a call had whose gradient can be taken.
        compile: run its body through `torch.compile`, with CUDA graphs on a GPU.
        precision: `bfloat16` runs it under autocast, weights stay float32; `tf32` is a setting of the process
            (see `prepare_process`), and the same as `float32` here.
        channels_last: lay images out with their channels last, as many convolutions are fastest.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        compile: bool,
        precision: str,
        device: torch.device,
        channels_last: bool = False,
        count: Callable[[int], None] | None = None,
    ) -> None:
        self.network, self.device_type, self.channels_last = network, device.type, channels_last
        self._count = count
        self.half = precision == "bfloat16"
        self._call: Callable[..., Tensor] = network
        if compile:
            self._call = self._compiled("reduce-overhead" if device.type == "cuda" else None)

    def __call__(self, images: Tensor, task: Task) -> Tensor:
        if self.channels_last and images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        if self._count is not None and torch.is_grad_enabled():
            self._count(len(images))
        try:
            if not self.half:
                return self._call(images, task)
            with torch.autocast(self.device_type, torch.bfloat16):
                return self._call(images, task).float()
        except ValueError as error:
            if ONE_EXAMPLE in str(error):
                raise ValueError(ALONE) from error
            raise

    def _compiled(self, mode: str | None) -> Callable[..., Tensor]:
        if not isinstance(self.network, Network):
            whole = torch.compile(self.network, dynamic=False, mode=mode)
            return lambda images, task: whole(images, task).clone()  # a CUDA graph writes there again
        # the body alone: another head must not compile the network anew
        body, heads = torch.compile(self.network.body, dynamic=False, mode=mode), self.network.heads
        return lambda images, task: heads(body(images), task)
