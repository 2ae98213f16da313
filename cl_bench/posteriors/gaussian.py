"""Mean-field Gaussian posterior (variational continual learning, VCL).

Source: Nguyen, Li, Bui, Turner, "Variational Continual Learning", ICLR 2018, equation 4 and section 3:
the objective for task t is the expected mean log-likelihood minus KL(q_t || q_{t-1}) / N_t.
Local reparameterisation: Kingma, Salimans, Welling, NeurIPS 2015, section 2.3.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Weights = TypeVar("Weights")  # a tensor, or tensors such as a matrix and a bias


class Gaussian(NamedTuple):
    """A factorised Gaussian over P weights."""

    mean: Tensor  # [P]
    log_variance: Tensor  # [P], natural logarithm


def truncated_normal(uniform: Tensor, *, deviation: float, cut: float = 2.0) -> Tensor:
    """Draws of N(0, deviation^2) given that they lie within `cut` deviations, from uniform draws.

    deviation Phi^-1(Phi(-cut) + u (Phi(cut) - Phi(-cut))), Phi being the standard normal distribution
    function; of the shape of `uniform`.
    """
    low = torch.special.ndtr(torch.tensor(-cut, dtype=torch.float64)).item()
    return torch.special.ndtri(uniform * (1 - 2 * low) + low) * deviation


def kl_divergence(posterior: Gaussian, prior: Gaussian) -> Tensor:
    """KL(q || p) in nats for each weight, [P]:

    (log v0 - log v + v / v0 + (m - m0)^2 / v0 - 1) / 2.
    """
    log_ratio = posterior.log_variance - prior.log_variance
    distance = (posterior.mean - prior.mean) ** 2 / prior.log_variance.exp()
    return (log_ratio.exp() - log_ratio + distance - 1) / 2


def precision(prior: Gaussian) -> Tensor:
    """The reciprocal of each weight's variance, [P]."""
    return torch.exp(-prior.log_variance)


def kl_gradient(posterior: Gaussian, prior: Gaussian, prior_precision: Tensor | None = None) -> Gaussian:
    """The gradient of `kl_divergence`: (m - m0) / v0 by the mean, (v / v0 - 1) / 2 by the log-variance.

    Args:
        prior_precision: of the prior, where it is known from an earlier step.
    """
    if prior_precision is None:
        prior_precision = precision(prior)
    by_mean = (posterior.mean - prior.mean).mul_(prior_precision)
    # expm1 would cost seven times as much, for digits that matter only where the gradient is 0 to rounding
    by_log_variance = (posterior.log_variance - prior.log_variance).exp_().sub_(1).mul_(0.5)
    return Gaussian(by_mean, by_log_variance)


def deviation(posterior: Gaussian) -> Tensor:
    """The standard deviations, [P]."""
    return torch.exp(posterior.log_variance / 2)


def sample(posterior: Gaussian, noise: Tensor) -> Tensor:
    """Weights m + s eps for standard normal noise [P]."""
    return posterior.mean + deviation(posterior) * noise


def local_reparameterisation(
    linear_map: Callable[[Tensor, Weights], Tensor],
    inputs: Tensor,
    mean: Weights,
    variance: Weights,
    draw: Callable[[Tensor], Tensor],
) -> Tensor:
    """The output of a linear map with independent Gaussian weights, drawn per output instead of per weight.

    The output has mean f(x, m) and variance f(x^2, v): exact for a dense layer and a single example; outputs
    of a convolution that share weights are drawn independently (the usual approximation).

    Args:
        linear_map: f(inputs, weights), linear in both.
        draw: standard normal noise of the shape of its argument.
    """
    centre = linear_map(inputs, mean)
    spread = linear_map(inputs * inputs, variance)
    # rounding can leave a variance of -0.0 or a hair below; the square root's slope at 0 is infinite
    return centre + spread.clamp_min(1e-16).sqrt() * draw(centre)
