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
    previous: Tensor  # lambda one step ago [P]: the authors' code scales gradients by its mean
    momentum: Tensor  # running average of the natural gradients [P]
    num_steps: int = 0


def init(natural: Tensor) -> Bernoulli:
    """Start at `natural` [P]."""
    return Bernoulli(natural.clone(), natural.clone(), torch.zeros_like(natural))


def random_signs(uniform: Tensor, *, magnitude: float) -> Tensor:
    """A start of +magnitude or -magnitude with equal probability, [P], from uniform draws [P]."""
    return torch.where(uniform < 0.5, magnitude, -magnitude).to(uniform)


def logistic_noise(uniform: Tensor) -> Tensor:
    """delta = logit(u) / 2 of uniform draws; u = 0, which float generators return, is moved into (0, 1).

    (1 - u is exact for u on the generators' grid, so that log(u / (1 - u)) loses nothing.)
    """
    return torch.logit(uniform, eps=torch.finfo(uniform.dtype).tiny).mul_(0.5)


def relax(natural: Tensor, noise: Tensor, *, temperature: float) -> Tensor:
    """The relaxed weight tanh((lambda + delta) / tau), [P] in [-1, 1]."""
    return (natural + noise).div_(temperature).tanh_()


def published_scale(relaxed: Tensor, mean: Tensor, *, num_examples: float, temperature: float) -> Tensor:
    """s exactly as the authors compute it, from w_r and mu, with their rounding."""
    return num_examples * (1 - relaxed * relaxed + STABILISER) / temperature / (1 - mean * mean + STABILISER)


def log_sech_squared(x: Tensor) -> Tensor:
    """log(1 - tanh(x)^2) = 2 (log 2 - |x| - log(1 + exp(-2 |x|))), exact where 1 - tanh(x)^2 rounds to 0."""
    magnitude = x.abs()
    return 2 * (math.log(2) - magnitude - torch.log1p(torch.exp(-2 * magnitude)))


def sound_scale(
    natural: Tensor,
    noise: Tensor,
    relaxed: Tensor,
    *,
    num_examples: float,
    temperature: float,
    max_slope: float | None = None,
) -> Tensor:
    """s = N r without cancellation: r = sech^2(x) / (tau sech^2(lambda)), x = (lambda + delta) / tau.

    sech^2(x) = (1 + |tanh x|)^2 exp(-2 |x|), and the two exponentials of the ratio are taken as one: nothing
    cancels or vanishes, and no stabiliser is needed. Exact for every finite lambda.

    Args:
        relaxed: `relax(natural, noise, temperature)`, which is tanh(x).
        max_slope: the largest r; None for no limit. r = d w_r / d mu has mean 1 at low temperature, but a
            variance that grows as exp(2 |lambda|): rare huge values throw confident weights about, and what
            old tasks taught them is lost. Cutting r off trades that variance for a bias: confident weights
            move less. (Ours.)
    """
    magnitude = natural.abs()
    # in place wherever the tensor is ours: each new one of a network's size is a walk through memory
    ratio = (natural + noise).abs_().sub_(magnitude, alpha=temperature).mul_(-2 / temperature).exp_()
    inverse = magnitude.mul_(-2).exp_().add_(1)  # 2 / (1 + |mu|)
    slope = relaxed.abs().add_(1).mul_(inverse).square_().mul_(ratio).div_(4 * temperature)
    return (slope if max_slope is None else slope.clamp_max_(max_slope)).mul_(num_examples)


def step(
    state: Bernoulli,
    gradient: Tensor,
    prior: Tensor,
    *,
    step_size: float,
    kl_weight: float,
    momentum: float,
    active: Tensor | None = None,
) -> Bernoulli:
    """One step of the Bayesian learning rule.

    Args:
        gradient: the scaled gradient s g [P], averaged over weight samples.
        prior: lambda0 [P].
        momentum: beta; the average of natural gradients, the KL's part included, is corrected for its start
            at 0, as in Adam. 0 is no momentum.
        active: 1 for the weights that move, 0 for those that stay as they are; None for all.
    """
    num_steps = state.num_steps + 1
    direction = (state.natural - prior).mul_(kl_weight).add_(gradient)
    velocity = state.momentum
    if momentum > 0:
        velocity = momentum * state.momentum + (1 - momentum) * direction
        direction = velocity / (1 - momentum**num_steps)
    if active is not None:
        direction = direction * active
        velocity = torch.where(active > 0, velocity, state.momentum) if momentum > 0 else velocity
    natural = torch.sub(state.natural, direction, alpha=step_size)
    return Bernoulli(natural, state.natural, velocity, num_steps)


def minus_probability(natural: Tensor) -> Tensor:
    """P(w = -1) = sigmoid(-2 lambda), [P]."""
    return torch.sigmoid(-2 * natural)


def sample(minus_probability: Tensor, uniform: Tensor) -> Tensor:
    """A binary weight of uniform draws, +1 where u >= P(w = -1); [P] of -1 and +1.

    It is sign(lambda + delta), the limit of `relax` at temperature 0, for the same u.
    """
    return (uniform >= minus_probability).to(uniform.dtype).mul_(2).sub_(1)


def mode(natural: Tensor) -> Tensor:
    """The most probable binary weights, sign(lambda), [P]."""
    return (natural >= 0).to(natural.dtype).mul_(2).sub_(1)


def kl_by_weight(natural: Tensor, prior: Tensor) -> Tensor:
    """KL(q || p) of each weight, nats [P]: mu (lambda - lambda0) - log cosh(lambda) + log cosh(lambda0)."""
    difference = torch.tanh(natural) * (natural - prior)
    return difference + log_sech_squared(natural) / 2 - log_sech_squared(prior) / 2


def kl_divergence(natural: Tensor, prior: Tensor) -> Tensor:
    """KL(q || p) in nats, a scalar: the sum of `kl_by_weight`."""
    return kl_by_weight(natural, prior).sum()
