"""Importance as the sensitivity of a network's output to each weight (memory aware synapses, MAS).

    Omega_i = 1/N sum_n |d ||f(x_n)||^2 / d theta_i|,    f the logits

Source: Aljundi, Babiloni, Elhoseiny, Rohrbach, Tuytelaars, "Memory Aware Synapses: Learning what (not) to
forget", ECCV 2018, section 4.1. It is a mean over data points of the gradient's magnitude. The squared length
of the output stands for all outputs. It needs no labels. The authors' published code takes the magnitude of a
batch's summed gradient instead, so that examples cancel and the batch size matters; here it does not.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from cl_bench.posteriors import per_example


def importance(model: nn.Module, batches: Iterable[Sequence]) -> Tensor:
    """How much each weight matters to the output: the mean magnitude of the squared length's gradient.

        Omega_i = 1/N sum_n |d ||f(x_n)||^2 / d theta_i|

    Source: Aljundi et al. 2018, section 4.1.

    Args:
        model: called as model(images, task), in eval mode.
        batches: (images, labels, task) with an int task, whose head's logits are meant.

    Returns:
        Omega at the present weights, [P] in the order of `trainable(model)`.

    Raises:
        ValueError: for an empty data set.

    >>> from cl_bench.models import Heads
    >>> network = Heads(in_features=1, num_classes=2, num_heads=1, bias=False)
    >>> # the second output is 0
    >>> _ = network.linear.weight.data.copy_(torch.tensor([[1.0], [0.0]]))
    >>> images, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1])
    >>> # the mean of 2 w x^2
    >>> sensitivity.importance(network, [(images, labels, 0)])
    tensor([10.,  0.])
    """
    return per_example.mean(
        model,
        batches,
        scalars=squared_length,
        weigh=lambda logits, labels: torch.ones_like(logits[:, :1]),
        magnitude=torch.abs,
    )


def squared_length(logits: Tensor) -> Tensor:
    """The squared length of each example's logits.

        ||f||^2 = sum_k f_k^2

    Args:
        logits: f [B, K].

    Returns:
        [B, 1].

    >>> sensitivity.squared_length(torch.tensor([[3.0, 4.0]]))
    tensor([[25.]])
    """
    return logits.square().sum(dim=-1, keepdim=True)
