"""The seeds that one training has: one, or several side by side along a leading axis."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import Seeds
from cl_bench.models.stacked import StackedNetwork


class SeedStack:
    """The seeds of one training, and the axis along which their tensors are stacked.

    One network that is no `StackedNetwork` is a stack of one seed whose tensors have no such axis.

    Args:
        network: one network, or a `StackedNetwork` of R.
        seeds: one `Seeds` for each network.

    Attributes:
        shape: of the seed axis, which stands in front of a stacked tensor's own shape: (R,), or () without
            that axis.

    Raises:
        ValueError: for another number of seeds than networks.
    """

    def __init__(self, network: nn.Module, seeds: Seeds | Sequence[Seeds]) -> None:
        self.shape = (network.num_seeds,) if isinstance(network, StackedNetwork) else ()
        self.seeds = [seeds] if isinstance(seeds, Seeds) else list(seeds)
        if len(self.seeds) != math.prod(self.shape):
            raise ValueError(
                f"a {type(network).__name__} cannot be trained with {len(self.seeds)} Seeds: a network takes "
                "one, a StackedNetwork one for each of its networks"
            )

    def __len__(self) -> int:
        """The number of seeds R, from 1."""
        return len(self.seeds)

    def noise(self, purpose: str, device: torch.device | str) -> Noise:
        """Random tensors for a purpose (see `Seeds`), from the start of its random stream."""
        generators = [seeds.generator(purpose, device) for seeds in self.seeds]
        return Noise(generators, stacked=bool(self.shape))

    def join(self, results: Sequence[Tensor]) -> Tensor:
        """One result a seed, each [...], as one tensor: [R, ...], or [...] without a seed axis."""
        return torch.stack(list(results)) if self.shape else results[0]

    def split(self, tensor: Tensor) -> Tensor:
        """What `join` made, with a seed axis in any case: [R, ...]."""
        return tensor if self.shape else tensor[None]


def each_network(network: nn.Module) -> Iterator[nn.Module]:
    """The network itself, or a copy of each one of a stack."""
    if isinstance(network, StackedNetwork):
        yield from map(network.one, range(network.num_seeds))
    else:
        yield network


def template_of(network: nn.Module) -> nn.Module:
    """The network itself; of a stack the one network whose tensors are stacked."""
    return network.template if isinstance(network, StackedNetwork) else network
