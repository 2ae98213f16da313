"""Quadratic penalties around earlier solutions (elastic weight consolidation, EWC) as one Gaussian.

`separate` has one penalty a task: Kirkpatrick et al., PNAS 2017, equation 3. `online` has one running penalty
at the newest solution, with decay gamma: Schwarz et al., "Progress and Compress", ICML 2018, section 4.

A sum of quadratics sum_k F_k (theta - theta_k)^2 is one quadratic plus a constant. Its precision is
sum_k F_k, and its centre the precision-weighted mean. So both forms cost two vectors for any number of tasks.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Quadratic(NamedTuple):
    """A quadratic penalty on weights, which is the negative logarithm of a Gaussian.

        (strength / 2) sum_i precision_i (theta_i - centre_i)^2

    Attributes:
        centre: [P].
        precision: [P], >= 0; 0 leaves a weight free.

    >>> quadratic_penalty.Quadratic(
    ...     centre=torch.tensor([1.0]), precision=torch.tensor([4.0])
    ... ).centre
    tensor([1.])
    """

    centre: Tensor
    precision: Tensor


def init(weights: Tensor) -> Quadratic:
    """The penalty before the first task: none, as its precision is 0.

    Args:
        weights: theta [P].

    >>> quadratic_penalty.init(torch.tensor([0.5])).precision
    tensor([0.])
    """
    return Quadratic(weights.clone(), torch.zeros_like(weights))


def prior(mean: Tensor, precision: float) -> Quadratic:
    """The penalty that is a Gaussian prior N(mean, 1 / precision) on every weight.

    Args:
        mean: [P].

    >>> quadratic_penalty.prior(torch.tensor([0.0, 1.0]), precision=10.0)
    Quadratic(centre=tensor([0., 1.]), precision=tensor([10., 10.]))
    """
    return Quadratic(mean.clone(), torch.full_like(mean, precision))


def add_likelihood(state: Quadratic, weights: Tensor, curvature: Tensor, trained: Tensor) -> Quadratic:
    """The Laplace approximation after one more task, whose posterior was the prior before.

        precision <- precision + curvature,   centre <- weights

    The curvature is of the sum (not the mean) of the task's negative log-likelihoods, at the mode. Weights
    that the task could not train keep their centre. Source: Ritter, Botev, Barber 2018, section 2.

    Args:
        weights: the mode, [P].
        curvature: [P].
        trained: 1 for the weights that the task trained, 0 for the others, [P].

    >>> state = quadratic_penalty.prior(torch.zeros(2), precision=1.0)
    >>> # the task said nothing of the second weight
    >>> curvature = torch.tensor([9.0, 0.0])
    >>> quadratic_penalty.add_likelihood(
    ...     state, torch.ones(2), curvature, trained=torch.tensor([1.0, 0.0])
    ... )
    Quadratic(centre=tensor([1., 0.]), precision=tensor([10.,  1.]))
    """
    return Quadratic(torch.where(trained > 0, weights, state.centre), state.precision + curvature)


def add_separate(state: Quadratic, weights: Tensor, fisher: Tensor) -> Quadratic:
    """The penalty with one more term for one more task, exactly, up to a constant that has no gradient.

        precision' = precision + fisher
        centre' = (precision centre + fisher weights) / precision'

    Source: Kirkpatrick et al. 2017, equation 3, with its sum over tasks as one quadratic.

    Args:
        weights: the task's solution, [P].
        fisher: its diagonal Fisher information, [P].

    >>> state = quadratic_penalty.init(torch.zeros(1))
    >>> state = quadratic_penalty.add_separate(
    ...     state, torch.tensor([0.0]), fisher=torch.tensor([1.0])
    ... )
    >>> quadratic_penalty.add_separate(
    ...     state, torch.tensor([4.0]), fisher=torch.tensor([3.0])
    ... )
    Quadratic(centre=tensor([3.]), precision=tensor([4.]))
    """
    precision = state.precision + fisher
    share = torch.where(precision > 0, fisher / precision.clamp_min(torch.finfo(fisher.dtype).tiny), 1.0)
    return Quadratic(torch.lerp(state.centre, weights, share), precision)


def add_online(state: Quadratic, weights: Tensor, fisher: Tensor, *, decay: float) -> Quadratic:
    """The running penalty after one more task, around the newest weights: what is old decays.

        precision <- gamma precision + fisher,   centre <- weights

    Source: Schwarz et al. 2018, section 4. There gamma multiplies the newest Fisher information, too, so that
    their penalty is gamma times this one. The constant is absorbed by the strength: theirs is ours / gamma.

    Args:
        weights: the task's solution, [P].
        fisher: its diagonal Fisher information, [P].
        decay: gamma, in [0, 1].

    >>> state = quadratic_penalty.Quadratic(
    ...     centre=torch.tensor([0.0]), precision=torch.tensor([2.0])
    ... )
    >>> quadratic_penalty.add_online(
    ...     state, torch.tensor([4.0]), fisher=torch.tensor([3.0]), decay=0.5
    ... )
    Quadratic(centre=tensor([4.]), precision=tensor([4.]))
    """
    return Quadratic(weights.clone(), decay * state.precision + fisher)


def add_anchor(state: Quadratic, weights: Tensor, trained: Tensor) -> Quadratic:
    """The penalty that holds all weights trained so far at their newest values, equally strongly.

        precision <- max(precision, trained),   centre <- weights

    Args:
        weights: the task's solution, [P].
        trained: 1 for the weights that the task just learnt has trained, 0 for those it could not use.

    >>> state = quadratic_penalty.init(torch.zeros(2))
    >>> quadratic_penalty.add_anchor(
    ...     state, torch.ones(2), trained=torch.tensor([1.0, 0.0])
    ... )
    Quadratic(centre=tensor([1., 1.]), precision=tensor([1., 0.]))
    """
    return Quadratic(weights.clone(), torch.maximum(state.precision, trained))


def penalty(state: Quadratic, weights: Tensor, *, strength: float) -> Tensor:
    """The value of the penalty at given weights.

        (strength / 2) sum_i precision_i (theta_i - centre_i)^2

    Args:
        weights: theta [P].

    Returns:
        A scalar, in units of the loss.

    >>> state = quadratic_penalty.Quadratic(
    ...     centre=torch.zeros(2), precision=torch.tensor([4.0, 0.0])
    ... )
    >>> # the second is free
    >>> quadratic_penalty.penalty(state, torch.tensor([1.0, 100.0]), strength=3.0)
    tensor(6.)
    """
    return strength / 2 * (state.precision * (weights - state.centre) ** 2).sum()


def penalty_gradient(state: Quadratic, weights: Tensor, *, strength: float) -> Tensor:
    """The gradient of the penalty by the weights.

        strength precision_i (theta_i - centre_i)

    Args:
        weights: theta [P].

    Returns:
        [P].

    >>> state = quadratic_penalty.Quadratic(
    ...     centre=torch.zeros(2), precision=torch.tensor([4.0, 0.0])
    ... )
    >>> quadratic_penalty.penalty_gradient(
    ...     state, torch.tensor([1.0, 100.0]), strength=3.0
    ... )
    tensor([12.,  0.])
    """
    return (weights - state.centre).mul_(state.precision).mul_(strength)
