"""Random tensors inside a network, also where several seeds go through it at once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.learner.noise import Noise
from cl_bench.models.dropout import Dropout


class DrawnLike(torch.autograd.Function):
    """Random numbers like a tensor under `vmap` over stacked seeds, a constant for gradients: each seed's
    come from its own generator.
    """

    @staticmethod
    def forward(like: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        return draw(like)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple, like: Tensor, draw: Callable[[Tensor], Tensor]) -> tuple[Tensor, int]:
        return DrawnLike.apply(like.movedim(in_dims[0], 0), draw), 0


class Masks:
    """What dropout draws: numbers uniform on [0, 1) from a learner's noise, shared by copies of a layer."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise

    def __call__(self, like: Tensor) -> Tensor:
        draw = self._noise.uniform_like
        return DrawnLike.apply(like, draw) if self._noise.stacked else draw(like)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Masks":
        return self


def masks_of(network: nn.Module, make: Callable[[], Noise]) -> Noise | None:
    """Let every dropout of ours in a network draw its masks from a new `Noise`; None where there is none."""
    layers = [each for each in network.modules() if isinstance(each, Dropout)]
    if not layers:
        return None
    noise = make()
    for layer in layers:
        layer.draw = Masks(noise)
    return noise
