"""Mean-field Bernoulli posterior over binary weights, learned by the Bayesian learning rule (BayesBiNN).

Source: Meng, Bachmann, Khan, "Training Binary Neural Networks using the Bayesian Learning Rule", ICML 2020,
sections 3.1 to 3.3 and the authors' optimizer.

A weight w in {-1, +1} has natural parameter lambda and mean mu = tanh(lambda); P(w = +1) = sigmoid(2 lambda).
The gradient g of the mean loss is taken at the relaxed weight (Gumbel-softmax trick, equation 8)

    w_r = tanh((lambda + delta) / tau),
    delta = logit(u) / 2,   u uniform on (0, 1),

and the natural parameter moves by (equations 9 and 10)

    lambda <- lambda - alpha [s g + k (lambda - lambda0)],
    s = N (1 - w_r^2 + e) / (tau (1 - mu^2 + e)),

with N the number of examples, k the weight of the KL divergence, and lambda0 the prior's natural parameter.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.straight_through import binarise

STABILISER = 1e-10  # e of the authors' code; in float32 it is the whole of 1 - mu^2 above |lambda| = 9.5


class Bernoulli(NamedTuple):
    """A factorised Bernoulli distribution over P binary weights, with the momentum of its learning rule.

        P(w = +1) = sigmoid(2 lambda),   mean tanh(lambda)

    Attributes:
        natural: lambda [P].
        previous: lambda one step ago [P]; the authors' code scales gradients by its mean.
        momentum: the running average of the natural gradients [P].
        correction: 1 - beta^n [P], what that average adds up to after the n steps that the weight has made.

    >>> natural = torch.tensor([0.0, -1.0])
    >>> none = torch.zeros(2)  # no step so far
    >>> state = bernoulli.Bernoulli(
    ...     natural, previous=natural, momentum=none, correction=none
    ... )
    >>> state.natural.tanh()
    tensor([ 0.0000, -0.7616])
    """

    natural: Tensor
    previous: Tensor
    momentum: Tensor
    correction: Tensor


def init(natural: Tensor) -> Bernoulli:
    """The state before the first step, with natural parameters `natural` [P] and no momentum.

    >>> bernoulli.init(torch.tensor([0.5])).momentum
    tensor([0.])
    """
    return Bernoulli(natural.clone(), natural.clone(), torch.zeros_like(natural), torch.zeros_like(natural))


def random_signs(uniform: Tensor, *, magnitude: float) -> Tensor:
    """Natural parameters of +magnitude or -magnitude, each with probability 1/2, as a start.

    Source: the authors' code of Meng et al. 2020, whose magnitude is 10.

    Args:
        uniform: draws from [0, 1), [P].

    >>> bernoulli.random_signs(torch.tensor([0.2, 0.7]), magnitude=10.0)
    tensor([ 10., -10.])
    """
    return torch.where(uniform < 0.5, magnitude, -magnitude).to(uniform)


def logistic_noise(uniform: Tensor) -> Tensor:
    """The noise of the relaxed weight: half a logistic variable, from uniform draws.

        delta = logit(u) / 2

    Source: Meng et al. 2020, equation 8. Float generators return u = 0, which is moved into (0, 1). (1 - u is
    exact for u on the generators' grid, so that log(u / (1 - u)) loses nothing.)

    Args:
        uniform: u [...].

    >>> bernoulli.logistic_noise(torch.tensor([0.5, 0.9]))
    tensor([0.0000, 1.0986])
    """
    return torch.logit(uniform, eps=torch.finfo(uniform.dtype).tiny).mul_(0.5)


def relax(natural: Tensor, noise: Tensor, *, temperature: float) -> Tensor:
    """The relaxed weight, a smooth stand-in for a draw of a binary weight.

        w_r = tanh((lambda + delta) / tau)

    Source: Meng et al. 2020, equation 8. At low temperature it is nearly a sign.

    Args:
        natural: lambda [P].
        noise: delta [P], by `logistic_noise`.
        temperature: tau.

    Returns:
        w_r [P], in [-1, 1].

    >>> natural, noise = torch.tensor([0.5]), torch.tensor([0.0])
    >>> [bernoulli.relax(natural, noise, temperature=tau) for tau in (1.0, 0.1)]
    [tensor([0.4621]), tensor([0.9999])]
    """
    return (natural + noise).div_(temperature).tanh_()


def published_scale(relaxed: Tensor, mean: Tensor, *, num_examples: float, temperature: float) -> Tensor:
    """The factor from a gradient at the relaxed weight to a natural gradient, as the authors compute it.

        s = N (1 - w_r^2 + e) / (tau (1 - mu^2 + e))

    Source: Meng et al. 2020, equation 9, with the rounding of the authors' code.

    Args:
        relaxed: w_r [P].
        mean: mu [P].
        num_examples: N.
        temperature: tau.

    >>> relaxed, mean = torch.tensor([0.5, 0.9]), torch.tensor([0.5, 0.5])
    >>> bernoulli.published_scale(relaxed, mean, num_examples=10, temperature=1.0)
    tensor([10.0000,  2.5333])
    """
    return num_examples * (1 - relaxed * relaxed + STABILISER) / temperature / (1 - mean * mean + STABILISER)


def log_sech_squared(x: Tensor) -> Tensor:
    """The logarithm of a binary weight's variance, exact where the variance itself rounds to 0.

        log(1 - tanh^2(x)) = 2 (log 2 - |x| - log(1 + exp(-2 |x|)))

    >>> x = torch.tensor([1.0, 100.0])
    >>> (1 - x.tanh() ** 2).log()
    tensor([-0.8676,    -inf])
    >>> bernoulli.log_sech_squared(x)
    tensor([  -0.8676, -198.6137])
    """
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
    """The factor s of `published_scale`, without cancellation and without a stabiliser.

        s = N r,   r = sech^2(x) / (tau sech^2(lambda)),   x = (lambda + delta) / tau
        sech^2(x) = (1 + |tanh x|)^2 exp(-2 |x|)

    The two exponentials of the ratio are taken as one, so that nothing cancels or vanishes. It is exact for
    every finite lambda. The form is ours; s is that of Meng et al. 2020, equation 9.

    Args:
        natural: lambda [P].
        noise: delta [P].
        relaxed: `relax(natural, noise, temperature)`, which is tanh(x).
        num_examples: N.
        temperature: tau.
        max_slope: the largest r; None for no limit. r = d w_r / d mu has mean 1 at low temperature, but a
            variance that grows as exp(2 |lambda|). Rare huge values throw confident weights about, and what
            old tasks taught them is lost. Cutting r off trades that variance for a bias: confident weights
            move less. (Ours.)

    >>> natural, noise = torch.tensor([0.5, 20.0]), torch.tensor([0.25, 0.25])
    >>> relaxed = bernoulli.relax(natural, noise, temperature=1.0)
    >>> bernoulli.sound_scale(
    ...     natural, noise, relaxed, num_examples=100, temperature=1.0
    ... ).round()
    tensor([76., 61.])
    >>> mean = natural.tanh()  # rounds to 1 in the second
    >>> bernoulli.published_scale(
    ...     relaxed, mean, num_examples=100, temperature=1.0
    ... ).round()
    tensor([ 76., 100.])
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
    """One step of the Bayesian learning rule on binary weights.

        d <- beta d + (1 - beta) [s g + k (lambda - lambda0)]
        lambda <- lambda - alpha d / (1 - beta^n)   at the weight's n-th step

    Source: Meng et al. 2020, equations 9 and 10; momentum as in the authors' code.

    Args:
        gradient: the scaled gradient s g [P], averaged over weight samples.
        prior: lambda0 [P].
        step_size: alpha.
        kl_weight: k.
        momentum: beta; the average of natural gradients, the KL's part included, is corrected for its start
            at 0, as in Adam. 0 is no momentum.
        active: 1 for the weights that move, 0 for those that stay as they are; None for all. Only steps that
            a weight makes are counted, so that a head which joins late begins as one that is there from the
            start. (Ours; the authors have one head, and count all steps.)

    >>> state = bernoulli.init(torch.tensor([1.0, 1.0]))
    >>> gradient, prior = torch.tensor([0.0, 2.0]), torch.zeros(2)
    >>> state = bernoulli.step(
    ...     state, gradient, prior, step_size=0.1, kl_weight=1.0, momentum=0.0
    ... )
    >>> state.natural  # the prior draws both weights to 0, the loss the second one
    tensor([0.9000, 0.7000])
    """
    direction = (state.natural - prior).mul_(kl_weight).add_(gradient)
    average, correction = state.momentum, state.correction
    if momentum > 0:
        average = momentum * state.momentum + (1 - momentum) * direction
        correction = momentum * state.correction + (1 - momentum)
        direction = average / correction
    if active is not None:
        direction = direction * active
        if momentum > 0:
            average = torch.where(active > 0, average, state.momentum)
            correction = torch.where(active > 0, correction, state.correction)
    natural = torch.sub(state.natural, direction, alpha=step_size)
    return Bernoulli(natural, state.natural, average, correction)


def minus_probability(natural: Tensor) -> Tensor:
    """The probability that a binary weight is -1.

        P(w = -1) = sigmoid(-2 lambda)

    Args:
        natural: lambda [P].

    >>> bernoulli.minus_probability(torch.tensor([0.0, 1.0]))
    tensor([0.5000, 0.1192])
    """
    return torch.sigmoid(-2 * natural)


def sample(minus_probability: Tensor, uniform: Tensor) -> Tensor:
    """A draw of each binary weight: +1 where the uniform draw is at least P(w = -1).

    It is sign(lambda + delta), the limit of `relax` at temperature 0, for the same u.

    Args:
        minus_probability: P(w = -1) [P].
        uniform: u [P].

    Returns:
        Weights of -1 and +1, [P].

    >>> bernoulli.sample(torch.tensor([0.1, 0.9]), uniform=torch.tensor([0.5, 0.5]))
    tensor([ 1., -1.])
    """
    return (uniform >= minus_probability).to(uniform.dtype).mul_(2).sub_(1)


def mode(natural: Tensor) -> Tensor:
    """The most probable value of each binary weight.

        sign(lambda),   with sign(0) = +1

    Args:
        natural: lambda [P].

    >>> bernoulli.mode(torch.tensor([-0.3, 0.0, 2.0]))
    tensor([-1.,  1.,  1.])
    """
    return binarise(natural)


def kl_by_weight(natural: Tensor, prior: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of each binary weight from its prior, in nats.

        KL(q || p) = mu (lambda - lambda0) - log cosh(lambda) + log cosh(lambda0)
        mu = tanh(lambda)

    Args:
        natural, prior: lambda and lambda0, [P].

    >>> bernoulli.kl_by_weight(
    ...     torch.tensor([1.0, 1.0]), prior=torch.tensor([1.0, 0.0])
    ... )
    tensor([0.0000, 0.3278])
    """
    difference = torch.tanh(natural) * (natural - prior)
    return difference + log_sech_squared(natural) / 2 - log_sech_squared(prior) / 2


def kl_divergence(natural: Tensor, prior: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of all binary weights from their prior, in nats.

        KL(q || p) = sum_i KL(q_i || p_i)

    Args:
        natural, prior: lambda and lambda0, [P].

    Returns:
        A scalar, the sum of `kl_by_weight`.

    >>> bernoulli.kl_divergence(torch.tensor([1.0, 1.0]), prior=torch.zeros(2))
    tensor(0.6556)
    """
    return kl_by_weight(natural, prior).sum()
