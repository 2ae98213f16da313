"""All parameters of a network as one vector."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class FlatParameters:
    """Parameters laid out one after another in one vector of values and one of gradients, both [P].

    The parameters become views: a write to `values` is a write to the network, and backward passes add into
    `gradients`. One vector makes a step a handful of operations, whatever the number of layers.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        with torch.no_grad():
            self.values = nn.Parameter(torch.cat([parameter.reshape(-1) for parameter in self.parameters]))
        self.gradients = torch.zeros_like(self.values)
        self.values.grad = self.gradients  # what an optimizer of [values] reads
        start = 0
        for parameter in self.parameters:
            part = slice(start, start + parameter.numel())
            parameter.data = self.values.data[part].view_as(parameter)
            parameter.grad = self.gradients[part].view_as(parameter)
            start = part.stop

    def __len__(self) -> int:
        return self.values.numel()

    def zero_gradients(self) -> None:
        self.gradients.zero_()

    def set(self, values: Tensor) -> None:
        """Overwrite the values in place, so that every view sees it."""
        self.values.data.copy_(values)

    def mask(self, parts: Iterable[tuple[nn.Parameter, slice]]) -> Tensor:
        """1 everywhere but in the given rows of parameters, where it is 0; [P]."""
        mask = torch.ones_like(self.values.data)
        starts, start = {}, 0
        for parameter in self.parameters:
            starts[parameter] = start
            start += parameter.numel()
        for parameter, rows in parts:
            first = starts[parameter]
            mask[first : first + parameter.numel()].view_as(parameter)[rows] = 0
        return mask
