"""Bop: binary weights without latent weights, flipped by a running average of gradients.

Source: Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, "Latent weights do not exist: rethinking
binarized neural network optimization", NeurIPS 2019, algorithm 1. For a weight w of -1 or +1 with gradient g

    m <- (1 - gamma) m + gamma g,
    w <- -w where |m| >= threshold and sign(m) = sign(w).

The paper's: all of it. Ours: `active`, and that m goes on from task to task, as the paper has one task.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Flips(NamedTuple):
    """Binary weights and the running average of gradients that flips them.

    Attributes:
        weights: w [P], -1 or +1.
        momentum: m [P], in units of the gradient.

    >>> bop.Flips(
    ...     weights=torch.tensor([1.0, -1.0]), momentum=torch.zeros(2)
    ... ).weights
    tensor([ 1., -1.])
    """

    weights: Tensor
    momentum: Tensor


def init(weights: Tensor) -> Flips:
    """The state before the first step: binary weights [P], and an average m of 0.

    >>> bop.init(torch.tensor([1.0, -1.0])).momentum
    tensor([0., 0.])
    """
    return Flips(weights, torch.zeros_like(weights))


def step(
    state: Flips, gradient: Tensor, *, adaptivity: float, threshold: float, active: Tensor | None = None
) -> Flips:
    """One step of Bop: a weight flips where the average gradient has long spoken against it.

        m <- (1 - gamma) m + gamma g
        w <- -w where |m| >= threshold and sign(m) = sign(w)

    Source: Helwegen et al. 2019, algorithm 1.

    Args:
        gradient: g [P], at w.
        adaptivity: gamma, in (0, 1].
        threshold: in units of the gradient; 0 flips every weight that m speaks against.
        active: 1 for the weights that may move, 0 for those that stay as they are, with m; None for all.

    >>> state = bop.init(torch.tensor([1.0, 1.0, 1.0]))
    >>> gradient = torch.tensor([4.0, -4.0, 0.1])  # against, for, hardly against
    >>> bop.step(state, gradient, adaptivity=0.5, threshold=1.0).weights
    tensor([-1.,  1.,  1.])
    """
    momentum = torch.lerp(state.momentum, gradient, adaptivity)
    if active is not None:
        momentum = torch.where(active > 0, momentum, state.momentum)
    flips = (momentum.abs() >= threshold) & (momentum * state.weights > 0)
    if active is not None:
        flips &= active > 0
    return Flips(torch.where(flips, -state.weights, state.weights), momentum)
