"""Mean-field Bernoulli posterior over binary weights, learned by the Bayesian learning rule (BayesBiNN).

Source: Meng, Bachmann, Khan, "Training Binary Neural Networks using the Bayesian Learning Rule", ICML 2020,
sections 3.1 to 3.3 and the authors' optimizer.

A weight w in {-1, +1} has natural parameter lambda and mean mu = tanh(lambda); P(w = +1) = sigmoid(2 lambda).
The gradient g of the mean loss is taken at the relaxed weight (Gumbel-softmax trick, equation 8)

    w_r = tanh((lambda + delta) / tau),   delta = logit(u) / 2,   u uniform on (0, 1),

and the natural parameter moves by (equations 9 and 10)

    lambda <- lambda - alpha [s g + k (lambda - lambda0)],
    s = N (1 - w_r^2 + e) / (tau (1 - mu^2 + e)),

with N the number of examples, k the weight of the KL divergence, and lambda0 the prior's natural parameter.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

STABILISER = 1e-10  # e of the authors' code; in float32 it is the whole of 1 - mu^2 above |lambda| = 9.5


class Bernoulli(NamedTuple):
    """A factorised Bernoulli distribution over P binary weights and the momentum of its learning rule."""

    natural: Tensor  # lambda [P]; tanh(natural) is the mean weight
    mean: Tensor  # mu [P] as the next gradient scale uses it: current, or one step old in the authors' code
    momentum: Tensor  # running average of the natural gradients [P]
    num_steps: int = 0


def init(natural: Tensor) -> Bernoulli:
    """Start at `natural` [P]."""
    return Bernoulli(natural.clone(), torch.tanh(natural), torch.zeros_like(natural))


def random_signs(num_weights: int, *, magnitude: float, generator: torch.Generator, like: Tensor) -> Tensor:
    """A start of +magnitude or -magnitude with equal probability, [P]."""
    positive = torch.rand(num_weights, generator=generator, device=like.device) < 0.5
    return torch.where(positive, magnitude, -magnitude).to(like)


def logistic_noise(uniform: Tensor) -> Tensor:
    """delta = logit(u) / 2 of uniform draws; u = 0, which float generators return, is moved into (0, 1)."""
    tiny = torch.finfo(uniform.dtype).tiny
    return (torch.log(uniform.clamp_min(tiny)) - torch.log1p(-uniform)) / 2


def relax(natural: Tensor, noise: Tensor, *, temperature: float) -> Tensor:
    """The relaxed weight tanh((lambda + delta) / tau), [P] in [-1, 1]."""
    return torch.tanh((natural + noise) / temperature)


def published_scale(relaxed: Tensor, mean: Tensor, *, num_examples: float, temperature: float) -> Tensor:
    """s exactly as the authors compute it, from w_r and mu, with their rounding."""
    return num_examples * (1 - relaxed * relaxed + STABILISER) / temperature / (1 - mean * mean + STABILISER)


def log_sech_squared(x: Tensor) -> Tensor:
    """log(1 - tanh(x)^2) = 2 (log 2 - |x| - log(1 + exp(-2 |x|))), exact where 1 - tanh(x)^2 rounds to 0."""
    magnitude = x.abs()
    return 2 * (math.log(2) - magnitude - torch.log1p(torch.exp(-2 * magnitude)))


def sound_scale(
    natural: Tensor, noise: Tensor, *, num_examples: float, temperature: float, max_slope: float | None = None
) -> Tensor:
    """s = N r without cancellation, where r = sech^2((lambda + delta) / tau) / (tau sech^2(lambda)).

    The ratio is formed in the logarithm, so that no stabiliser is needed: exact for every finite lambda.

    Args:
        max_slope: the largest r; None for no limit. r = d w_r / d mu has mean 1 at low temperature, but a
            variance that grows as exp(2 |lambda|): rare huge values throw confident weights about, and what
            old tasks taught them is lost. Cutting r off trades that variance for a bias: confident weights
            move less. (Ours.)
    """
    ratio = log_sech_squared((natural + noise) / temperature) - log_sech_squared(natural)
    slope = torch.exp(ratio) / temperature
    return num_examples * (slope if max_slope is None else slope.clamp_max(max_slope))


def step(
    state: Bernoulli,
    gradient: Tensor,
    prior: Tensor,
    *,
    step_size: float,
    kl_weight: float,
    momentum: float,
    stale_mean: bool,
) -> Bernoulli:
    """One step of the Bayesian learning rule.

    Args:
        gradient: the scaled gradient s g [P], averaged over weight samples.
        prior: lambda0 [P].
        momentum: beta; the average of natural gradients, the KL's part included, is corrected for its start
            at 0, as in Adam. 0 is no momentum.
        stale_mean: keep mu of before this step for the next one's scale, as the authors' code does.
    """
    num_steps = state.num_steps + 1
    direction = gradient + kl_weight * (state.natural - prior)
    velocity = direction
    if momentum > 0:
        velocity = momentum * state.momentum + (1 - momentum) * direction
        direction = velocity / (1 - momentum**num_steps)
    natural = state.natural - step_size * direction
    mean = torch.tanh(state.natural) if stale_mean else torch.tanh(natural)
    return Bernoulli(natural, mean, velocity, num_steps)


def sample(natural: Tensor, noise: Tensor) -> Tensor:
    """A binary weight: sign(lambda + delta), the limit of `relax` at temperature 0. [P] of -1 and +1."""
    return torch.where(natural + noise >= 0, 1.0, -1.0).to(natural)


def mode(natural: Tensor) -> Tensor:
    """The most probable binary weights, sign(lambda), [P]."""
    return torch.where(natural >= 0, 1.0, -1.0).to(natural)


def kl_divergence(natural: Tensor, prior: Tensor) -> Tensor:
    """KL(q || p) in nats, a scalar: sum of mu (lambda - lambda0) - log cosh(lambda) + log cosh(lambda0)."""
    difference = torch.tanh(natural) * (natural - prior)
    return (difference + log_sech_squared(natural) / 2 - log_sech_squared(prior) / 2).sum()
