"""Which parts of a network are in training mode, and which in eval mode."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def modes_restored(network: nn.Module) -> Iterator[None]:
    """Put the mode of each part of a network back after the block."""
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
