"""The shape that every network of the suite has: images -> body -> features -> heads -> logits."""

from torch import Tensor, nn

from cl_bench.models.asked import check_axes
from cl_bench.models.heads import Heads, Task


class Network(nn.Module):
    """A body shared by all tasks and the heads on top of it."""

    def __init__(self, body: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.input_shape: tuple[int, ...] | None = None  # of an image of the stream that it was built for
        self.body = body
        self.heads = heads

    def forward(self, images: Tensor, task: Task | None = None) -> Tensor:
        """Return logits [B, num_classes] of images [B, C, H, W]; task as in `Heads`, and needed with several.

        Raises:
            ValueError: without a task where there are several heads.
        """
        if task is None:
            if self.heads.num_heads > 1:
                raise ValueError(
                    f"a network of {self.heads.num_heads} heads must be told the task, got none; call it as "
                    "model(images, task). Code that cannot, such as an Avalanche plugin that calls the "
                    "model, needs one head (benchmark.scenario=domain or class) or strategy=avalanche"
                )
            task = 0
        check_axes(images, self.input_shape)
        return self.heads(self.body(images), task)
