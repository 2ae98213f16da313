"""Quadratic penalties around earlier solutions (elastic weight consolidation, EWC) as one Gaussian.

Sources: Kirkpatrick et al., PNAS 2017, equation 3 (one penalty a task, `separate`); Schwarz et al., "Progress
and Compress", ICML 2018, section 4 (one running penalty at the newest solution, `online`, decay gamma).

A sum of quadratics sum_k F_k (theta - theta_k)^2 is one quadratic with precision sum_k F_k around the
precision-weighted mean, plus a constant: so both forms cost two vectors, however many tasks there are.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Quadratic(NamedTuple):
    """The penalty (strength / 2) sum_i precision_i (theta_i - centre_i)^2."""

    centre: Tensor  # [P]
    precision: Tensor  # [P], >= 0; 0 leaves a weight free


def init(weights: Tensor) -> Quadratic:
    """No penalty yet."""
    return Quadratic(weights.clone(), torch.zeros_like(weights))


def prior(weights: Tensor, precision: float) -> Quadratic:
    """The Gaussian prior N(0, 1/precision)."""
    return Quadratic(torch.zeros_like(weights), torch.full_like(weights, precision))


def add_likelihood(state: Quadratic, weights: Tensor, curvature: Tensor, trained: Tensor) -> Quadratic:
    """The Laplace approximation after one more task, whose posterior was the prior before.

    Ritter, Botev, Barber, NeurIPS 2018, section 2: precision <- precision + the curvature of the sum (not the
    mean) of the task's negative log-likelihoods, around the mode. Weights that the task could not train
    (`trained` is 0) keep their centre.
    """
    return Quadratic(torch.where(trained > 0, weights, state.centre), state.precision + curvature)


def add_separate(state: Quadratic, weights: Tensor, fisher: Tensor) -> Quadratic:
    """Add fisher (theta - weights)^2 to the sum, exactly (up to a constant that has no gradient)."""
    precision = state.precision + fisher
    share = torch.where(precision > 0, fisher / precision.clamp_min(torch.finfo(fisher.dtype).tiny), 1.0)
    return Quadratic(torch.lerp(state.centre, weights, share), precision)


def add_online(state: Quadratic, weights: Tensor, fisher: Tensor, *, decay: float) -> Quadratic:
    """Decay the old precision by gamma, add the new one, and move the centre to the newest weights."""
    return Quadratic(weights.clone(), decay * state.precision + fisher)


def add_anchor(state: Quadratic, weights: Tensor, trained: Tensor) -> Quadratic:
    """Precision 1 for every weight that a task has trained so far, around the newest weights.

    trained: 1 for the weights that the task just learnt has trained, 0 for those it could not use.
    """
    return Quadratic(weights.clone(), torch.maximum(state.precision, trained))


def penalty(state: Quadratic, weights: Tensor, *, strength: float) -> Tensor:
    """(strength / 2) sum_i precision_i (theta_i - centre_i)^2, a scalar."""
    return strength / 2 * (state.precision * (weights - state.centre) ** 2).sum()


def penalty_gradient(state: Quadratic, weights: Tensor, *, strength: float) -> Tensor:
    """strength * precision (theta - centre), [P]."""
    return (weights - state.centre).mul_(state.precision).mul_(strength)
