"""All parameters of a network as one vector."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class FlatParameters:
    """Parameters laid out one after another in one vector of values and one of gradients, both [P].

    The parameters become views: a write to `values` is a write to the network, and backward passes add into
    `gradients`. One vector makes a step a handful of operations, whatever the number of layers.

    Args:
        parameters: of the network.
        num_seeds: for parameters with a leading seed axis, [R, ...]: its length R. Values and gradients are
            then [R, P]. None without such an axis.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], num_seeds: int | None = None) -> None:
        self.parameters = list(parameters)
        self._lead = () if num_seeds is None else (num_seeds,)
        with torch.no_grad():
            rows = [parameter.reshape(*self._lead, -1) for parameter in self.parameters]
            self.values = nn.Parameter(torch.cat(rows, dim=-1))
        self.gradients = torch.zeros_like(self.values)
        self.values.grad = self.gradients  # what an optimizer of [values] reads
        self._parts: dict[nn.Parameter, slice] = {}
        start = 0
        for parameter, row in zip(self.parameters, rows, strict=True):
            part = slice(start, start + row.shape[-1])
            parameter.data = self.values.data[..., part].view(parameter.shape)
            parameter.grad = self.gradients[..., part].view(parameter.shape)
            self._parts[parameter] = part
            start = part.stop

    def __len__(self) -> int:
        """P, the number of weights of one network."""
        return self.values.shape[-1]

    def zero_gradients(self) -> None:
        self.gradients.zero_()

    def set(self, values: Tensor) -> None:
        """Overwrite the values in place, so that every view sees it."""
        self.values.data.copy_(values)

    def mask(self, parts: Iterable[tuple[nn.Parameter, slice]]) -> Tensor:
        """1 everywhere but in the given rows of parameters, where it is 0; [P]."""
        mask = torch.ones_like(self.values.data[0] if self._lead else self.values.data)
        for parameter, rows in parts:
            mask[self._parts[parameter]].view(parameter.shape[len(self._lead) :])[rows] = 0
        return mask
