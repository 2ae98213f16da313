"""Random tensors from one generator, or from one for each of several seeds trained at once."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Noise:
    """Random tensors like given ones.

    With stacked seeds the first axis is the seed's, and each seed's part comes from its own generator. So
    what a seed draws does not depend on the seeds beside it.

    Args:
        generators: one for each seed, on the device of what they draw.
        stacked: whether tensors have a leading seed axis; otherwise there is one generator.
    """

    def __init__(self, generators: Sequence[torch.Generator], *, stacked: bool = False) -> None:
        if not stacked and len(generators) != 1:
            raise ValueError(
                f"tensors without a seed axis cannot come from {len(generators)} generators: give one "
                "generator, or set stacked=True"
            )
        self.generators = list(generators)
        self.stacked = stacked

    def uniform_like(self, tensor: Tensor) -> Tensor:
        """Numbers uniform on [0, 1) in a tensor of this shape."""
        return self._draw(torch.rand, tensor)

    def normal_like(self, tensor: Tensor) -> Tensor:
        """Standard normal numbers in a tensor of this shape."""
        return self._draw(torch.randn, tensor)

    def state(self) -> list[Tensor]:
        """The place at which each generator stands."""
        return [generator.get_state() for generator in self.generators]

    def restore(self, state: Sequence[Tensor]) -> None:
        """Put the generators back to where they stood."""
        for generator, before in zip(self.generators, state, strict=True):
            generator.set_state(before)

    def _draw(self, function: Callable[..., Tensor], tensor: Tensor) -> Tensor:
        kind = {"dtype": tensor.dtype, "device": tensor.device}
        if not self.stacked:
            return function(tensor.shape, generator=self.generators[0], **kind)
        number, shape = len(self.generators), tuple(tensor.shape)
        if len(tensor) != number:
            raise ValueError(
                f"a generator for each of {number} seeds cannot fill a tensor of shape {shape}: "
                f"give one whose first axis is the seed's, of length {number}"
            )
        drawn = [function(tensor.shape[1:], generator=each, **kind) for each in self.generators]
        return torch.stack(drawn)
