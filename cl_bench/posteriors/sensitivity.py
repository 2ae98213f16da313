"""Importance as the sensitivity of a network's output to each weight (memory aware synapses, MAS).

    Omega_i = 1/N sum_n |d ||f(x_n)||^2 / d theta_i|,    f the logits

Source: Aljundi, Babiloni, Elhoseiny, Rohrbach, Tuytelaars, "Memory Aware Synapses: Learning what (not) to
forget", ECCV 2018, section 4.1 (a mean over data points of the gradient's magnitude; the squared length of
the output stands for all outputs). It needs no labels. The authors' published code takes the magnitude of a
batch's summed gradient instead, so that examples cancel and the batch size matters; here it does not.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from cl_bench.posteriors import per_example


def importance(model: nn.Module, batches: Iterable[Sequence]) -> Tensor:
    """Omega at the present weights, [P] in the order of `trainable(model)`; model in eval mode.

    batches: (images, labels, task) with an int task, whose head's logits are meant.
    """
    return per_example.mean(
        model,
        batches,
        scalars=squared_length,
        weigh=lambda logits, labels: torch.ones_like(logits[:, :1]),
        magnitude=torch.abs,
    )


def squared_length(logits: Tensor) -> Tensor:
    """||f||^2 of each example, [B, 1]."""
    return logits.square().sum(dim=-1, keepdim=True)
