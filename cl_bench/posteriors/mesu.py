"""Gaussian weights with metaplasticity from synaptic uncertainty (MESU).

Source: Bonnet, Cottart, Hirtzlin, Januel, Dalgaty, Vianello, Querlioz, "Bayesian continual learning and
forgetting in neural networks", Nature Communications 2025. A weight is w = m + s e with standard normal e, so
that its gradient g gives g_m = g and g_s = g e. With prior (m0, s0) and a memory of N steps

    m <- m + eta_m     [-s^2 g_m + s^2 (m0 - m)   / (N s0^2)],
    s <- s + eta_s / 2 [-s^2 g_s + s (s0^2 - s^2) / (N s0^2)].

s is the weight's learning rate: what the data say shrinks it, which protects the weight, and the prior's part
lets it grow back within the window. There are no task boundaries. Gradients may be cut to +-clip / s.

The paper's: all of the rule, for one example a step. Ours: a floor under s, which a step without `clip` could
make negative; see strategies/mesu.py for batches.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SMALLEST_DEVIATION = 1e-6


class Synapses(NamedTuple):
    """A factorised Gaussian over P weights, by mean and standard deviation.

    Attributes:
        mean: m [P], in units of the weights.
        deviation: s [P], positive, in units of the weights.

    >>> mesu.Synapses(
    ...     mean=torch.zeros(2), deviation=torch.full((2,), 0.5)
    ... ).deviation
    tensor([0.5000, 0.5000])
    """

    mean: Tensor
    deviation: Tensor


def sample(state: Synapses, noise: Tensor) -> Tensor:
    """Weights drawn from the posterior, by standard normal noise.

        w = m + s e

    Args:
        noise: e [P].

    Returns:
        w [P].

    >>> state = mesu.Synapses(
    ...     mean=torch.ones(2), deviation=torch.tensor([0.5, 0.0])
    ... )
    >>> # the second weight is certain
    >>> mesu.sample(state, noise=torch.tensor([2.0, 2.0]))
    tensor([2., 1.])
    """
    return torch.addcmul(state.mean, state.deviation, noise)


def gradients(gradient: Tensor, noise: Tensor) -> Tensor:
    """The gradients by mean and deviation, of that at drawn weights.

        g_m = g,   g_s = g e

    Args:
        gradient: g [P], at `sample(state, noise)`.
        noise: e [P].

    Returns:
        g_m and g_s, [2, P].

    >>> mesu.gradients(torch.tensor([3.0]), noise=torch.tensor([-0.5]))
    tensor([[ 3.0000],
            [-1.5000]])
    """
    return torch.stack([gradient, gradient * noise])


def step(
    state: Synapses,
    by_mean: Tensor,
    by_deviation: Tensor,
    *,
    mean_rate: float,
    deviation_rate: float,
    prior_mean: float | Tensor,
    prior_deviation: float,
    memory_window: float,
    clip: float | None,
    active: Tensor | None = None,
) -> Synapses:
    """One step of the MESU rule, in which the variance of a weight is its learning rate.

        m <- m + eta_m     [-s^2 g_m + s^2 (m0 - m)   / (N s0^2)]
        s <- s + eta_s / 2 [-s^2 g_s + s (s0^2 - s^2) / (N s0^2)]

    Source: Bonnet et al. 2025; the floor under s is ours.

    Args:
        by_mean, by_deviation: g_m and g_s [P], averaged over weight samples.
        mean_rate, deviation_rate: eta_m and eta_s, without unit.
        prior_mean, prior_deviation: m0, one for all weights or [P], and s0.
        memory_window: N, in steps.
        clip: gradients are cut to +-clip / s; None does not cut.
        active: 1 for the weights that may move, 0 for those that stay as they are; None for all.

    >>> state = mesu.Synapses(
    ...     mean=torch.ones(2), deviation=torch.tensor([1.0, 0.5])
    ... )
    >>> settings = dict(
    ...     mean_rate=1.0,
    ...     deviation_rate=1.0,
    ...     prior_mean=0.0,
    ...     prior_deviation=1.0,
    ...     clip=None,
    ... )
    >>> gradient, none = torch.full((2,), 0.5), torch.zeros(2)
    >>> # the surer one moves less
    >>> mesu.step(state, gradient, none, memory_window=1e9, **settings).mean
    tensor([0.5000, 0.8750])
    >>> # without data, a deviation grows back to the prior's
    >>> mesu.step(state, none, none, memory_window=1, **settings).deviation
    tensor([1.0000, 0.6875])
    """
    mean, deviation = state
    if clip is not None:
        limit = clip / deviation
        by_mean, by_deviation = by_mean.clamp(-limit, limit), by_deviation.clamp(-limit, limit)
    variance = deviation * deviation
    prior_variance = prior_deviation**2
    precision = 1 / (memory_window * prior_variance)
    mean_change = (prior_mean - mean).mul_(precision).sub_(by_mean).mul_(variance)
    deviation_change = (
        (prior_variance - variance).mul_(deviation * precision).addcmul_(variance, by_deviation, value=-1)
    )
    if active is not None:
        mean_change, deviation_change = mean_change * active, deviation_change * active
    return Synapses(
        torch.add(mean, mean_change, alpha=mean_rate),
        torch.add(deviation, deviation_change, alpha=deviation_rate / 2).clamp_min_(SMALLEST_DEVIATION),
    )
