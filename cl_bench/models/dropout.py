"""Dropout whose masks come from a named generator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Draw = Callable[[Tensor], Tensor]  # a tensor -> numbers uniform on [0, 1) of its shape, precision and place


class Dropout(nn.Module):
    """Each element is 0 with probability p in training, and divided by 1 - p otherwise; tests have none.

        y = x m / (1 - p)
        m ~ Bernoulli(1 - p), independent for each element

    A learner sets `draw`, so that masks come from a generator of its seed `noise`. A run that was stopped
    resumes with the same ones, and a seed that is trained with others has those it has alone. Before that
    masks come from torch's global generator, as those of `torch.nn.Dropout`. Source: Srivastava et al. 2014.

    Args:
        p: in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_dropout(p)
        self.p = p
        self.draw: Draw = torch.rand_like

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the like of inputs of any shape."""
        if not self.training or self.p == 0:
            return inputs
        # in float32: at half precision p would be rounded
        kept = self.draw(inputs.detach().float()) >= self.p
        return inputs * kept.to(inputs.dtype) / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p:.4g}"


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless it is the probability of a mask that leaves something."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout=}")


def dropout_layers(dropout: float) -> list[nn.Module]:
    """Return a layer of dropout, and none where it is 0, so that networks without it are what they were."""
    check_dropout(dropout)
    return [Dropout(dropout)] if dropout else []
