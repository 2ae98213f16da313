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
    """A factorised Gaussian over P weights.

    Attributes:
        mean: m [P].
        log_variance: log v [P], natural logarithm.

    >>> gaussian.Gaussian(
    ...     mean=torch.zeros(2), log_variance=torch.full((2,), 0.25).log()
    ... )
    Gaussian(mean=tensor([0., 0.]), log_variance=tensor([-1.3863, -1.3863]))
    """

    mean: Tensor
    log_variance: Tensor


def truncated_normal(uniform: Tensor, *, deviation: float, cut: float = 2.0) -> Tensor:
    """Draws of N(0, deviation^2) given that they lie within `cut` deviations, from uniform draws.

        deviation Phi^-1(Phi(-cut) + u (Phi(cut) - Phi(-cut)))

    Phi is the standard normal distribution function.

    Args:
        uniform: u [...], in [0, 1].

    Returns:
        [...], in the unit of `deviation`.

    >>> gaussian.truncated_normal(torch.tensor([0.0, 0.75, 1.0]), deviation=0.1)
    tensor([-0.2000,  0.0639,  0.2000])
    """
    low = torch.special.ndtr(torch.tensor(-cut, dtype=torch.float64)).item()
    return torch.special.ndtri(uniform * (1 - 2 * low) + low) * deviation


def kl_divergence(posterior: Gaussian, prior: Gaussian) -> Tensor:
    """The Kullback-Leibler divergence of each weight's Gaussian from its prior, in nats.

        KL(q || p) = (log v0 - log v + v / v0 + (m - m0)^2 / v0 - 1) / 2

    Source: the second term of Nguyen et al. 2018, equation 4, for factorised Gaussians.

    Args:
        posterior, prior: q = N(m, v) and p = N(m0, v0), [P].

    Returns:
        [P]; the sum is the divergence of all weights.

    >>> prior = gaussian.Gaussian(mean=torch.zeros(2), log_variance=torch.zeros(2))
    >>> posterior = gaussian.Gaussian(
    ...     mean=torch.tensor([0.0, 1.0]), log_variance=torch.zeros(2)
    ... )
    >>> gaussian.kl_divergence(posterior, prior)
    tensor([0.0000, 0.5000])
    """
    log_ratio = posterior.log_variance - prior.log_variance
    distance = (posterior.mean - prior.mean) ** 2 / prior.log_variance.exp()
    return (log_ratio.exp() - log_ratio + distance - 1) / 2


def precision(prior: Gaussian) -> Tensor:
    """The reciprocal of each weight's variance.

        1 / v = exp(-log v)

    Returns:
        [P].

    >>> gaussian.precision(
    ...     gaussian.Gaussian(torch.zeros(1), torch.tensor([0.25]).log())
    ... )
    tensor([4.])
    """
    return torch.exp(-prior.log_variance)


def kl_gradient(posterior: Gaussian, prior: Gaussian, prior_precision: Tensor | None = None) -> Gaussian:
    """The gradient of `kl_divergence` by the posterior's mean and log-variance.

        (m - m0) / v0 by m,   (v / v0 - 1) / 2 by log v

    Args:
        posterior, prior: q = N(m, v) and p = N(m0, v0), [P].
        prior_precision: of the prior, where it is known from an earlier step.

    Returns:
        The two gradients in the places of what they are by, [P] each.

    >>> prior = gaussian.Gaussian(mean=torch.zeros(2), log_variance=torch.zeros(2))
    >>> posterior = gaussian.Gaussian(
    ...     torch.tensor([0.0, 1.0]), torch.tensor([0.25, 1.0]).log()
    ... )
    >>> # widen the first weight, pull back the second
    >>> gaussian.kl_gradient(posterior, prior)
    Gaussian(mean=tensor([0., 1.]), log_variance=tensor([-0.3750,  0.0000]))
    """
    if prior_precision is None:
        prior_precision = precision(prior)
    by_mean = (posterior.mean - prior.mean).mul_(prior_precision)
    # expm1 would cost seven times as much, for digits that matter only where the gradient is 0 to rounding
    by_log_variance = (posterior.log_variance - prior.log_variance).exp_().sub_(1).mul_(0.5)
    return Gaussian(by_mean, by_log_variance)


def deviation(posterior: Gaussian) -> Tensor:
    """The standard deviation of each weight.

        s = exp(log v / 2)

    Returns:
        [P].

    >>> gaussian.deviation(
    ...     gaussian.Gaussian(torch.zeros(1), torch.tensor([0.25]).log())
    ... )
    tensor([0.5000])
    """
    return torch.exp(posterior.log_variance / 2)


def sample(posterior: Gaussian, noise: Tensor) -> Tensor:
    """Weights drawn from the posterior, by standard normal noise.

        w = m + s eps

    Args:
        noise: eps [P].

    Returns:
        w [P].

    >>> posterior = gaussian.Gaussian(torch.ones(2), torch.full((2,), 0.25).log())
    >>> gaussian.sample(posterior, noise=torch.tensor([-1.0, 2.0]))
    tensor([0.5000, 2.0000])
    """
    return posterior.mean + deviation(posterior) * noise


def local_reparameterisation(
    linear_map: Callable[[Tensor, Weights], Tensor],
    inputs: Tensor,
    mean: Weights,
    variance: Weights,
    draw: Callable[[Tensor], Tensor],
) -> Tensor:
    """The output of a linear map with independent Gaussian weights, drawn per output instead of per weight.

        f(x, m) + sqrt(f(x^2, v)) eps

    Each output has the mean and variance that drawn weights give it. Outputs that share weights would covary,
    and are drawn independently. So it is exact for a dense layer, example by example. For a convolution it is
    another posterior: noises of P places average out, and the deviation of their mean is up to sqrt(P) times
    too small. Source: Kingma, Salimans, Welling 2015, section 2.3.

    Args:
        linear_map: f(inputs, weights), linear in both.
        inputs: x.
        mean, variance: m and v of the weights, as `linear_map` takes them.
        draw: standard normal noise eps of the shape of its argument.

    Returns:
        What f returns, such as [B, O].

    >>> inputs = torch.tensor([[3.0, 4.0]])
    >>> mean = torch.ones(1, 2)
    >>> variance = torch.full((1, 2), 0.25)
    >>> linear = torch.nn.functional.linear
    >>> gaussian.local_reparameterisation(
    ...     linear, inputs, mean, variance, draw=torch.zeros_like
    ... )
    tensor([[7.]])
    >>> # one deviation more, which is sqrt((9 + 16) / 4)
    >>> gaussian.local_reparameterisation(
    ...     linear, inputs, mean, variance, draw=torch.ones_like
    ... )
    tensor([[9.5000]])
    """
    centre = linear_map(inputs, mean)
    spread = linear_map(inputs * inputs, variance)
    # rounding can leave a variance of -0.0 or a hair below; the square root's slope at 0 is infinite
    return centre + spread.clamp_min(1e-16).sqrt() * draw(centre)
