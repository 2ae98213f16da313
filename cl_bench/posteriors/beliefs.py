"""What a posterior says of each weight: how far it moved, and which weights are frozen.

Every posterior here is a product over weights, so that KL(q || p) is a sum over them. A weight counts as
frozen when its standard deviation is below FROZEN_RATIO times the one that the first prior gave it. Binary
weights have a first prior of deviation 1: frozen is sqrt(1 - mu^2) < 0.1, or |tanh(lambda)| > 0.995. For
Gaussian weights it is a precision that has grown a hundred times. A posterior that starts narrower than its
prior is compared with its start. (The definition is ours.)
"""

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from cl_bench.posteriors import bernoulli, gaussian
from cl_bench.posteriors.gaussian import Gaussian

FROZEN_RATIO = 0.1


class BinaryWeights(NamedTuple):
    """Independent weights of -1 and +1, each by its natural parameter lambda.

        P(w = +1) = sigmoid(2 lambda)
        mean tanh(lambda),   variance 1 - tanh^2(lambda)

    Attributes:
        natural: lambda [..., P].

    >>> belief = beliefs.BinaryWeights(torch.tensor([0.0, 3.0]))
    >>> # the mean weights: one undecided, one nearly sure of +1
    >>> belief.natural.tanh()
    tensor([0.0000, 0.9951])
    """

    natural: Tensor


Belief: TypeAlias = BinaryWeights | Gaussian


def deviation(belief: Belief) -> Tensor:
    """The standard deviation of each weight under a posterior.

        sqrt(v) of Gaussian weights,   sqrt(1 - tanh^2(lambda)) of binary ones

    Returns:
        [..., P], in the unit of the weights.

    >>> beliefs.deviation(beliefs.BinaryWeights(torch.tensor([0.0, 3.0])))
    tensor([1.0000, 0.0993])
    """
    if isinstance(belief, Gaussian):
        return gaussian.deviation(belief)
    return (bernoulli.log_sech_squared(belief.natural) / 2).exp()


def frozen_share(belief: Belief, first_prior: Belief) -> Tensor:
    """The share of weights that are frozen: those much surer than under the first prior.

        1/P sum_i [deviation_i < 0.1 first_deviation_i]

    The definition is ours; 0.1 is `FROZEN_RATIO`.

    Returns:
        [...], in [0, 1].

    >>> first_prior = beliefs.BinaryWeights(torch.zeros(4))
    >>> beliefs.frozen_share(
    ...     beliefs.BinaryWeights(torch.tensor([0.0, 1.0, 5.0, -5.0])), first_prior
    ... )
    tensor(0.5000, dtype=torch.float64)
    """
    return (deviation(belief) < FROZEN_RATIO * deviation(first_prior)).double().mean(dim=-1)


def divergence(belief: Belief, before: Belief) -> Tensor:
    """The Kullback-Leibler divergence of two posteriors of one kind, in nats.

        KL(belief || before) = sum_i KL(belief_i || before_i)

    The formulas are `gaussian.kl_divergence` and `bernoulli.kl_by_weight`. Rounding below 0 is cut off.

    Returns:
        [...], the sum over weights.

    Raises:
        TypeError: for a Gaussian posterior and a binary one.

    >>> undecided, sure = (
    ...     beliefs.BinaryWeights(torch.tensor([x, 0.0])) for x in (0.0, 20.0)
    ... )
    >>> beliefs.divergence(undecided, undecided)  # nothing was learned
    tensor(0.)
    >>> # one weight was decided, which is worth log 2
    >>> beliefs.divergence(sure, undecided)
    tensor(0.6931)
    """
    if isinstance(belief, Gaussian) and isinstance(before, Gaussian):
        by_weight = gaussian.kl_divergence(belief, before)
    elif isinstance(belief, BinaryWeights) and isinstance(before, BinaryWeights):
        by_weight = bernoulli.kl_by_weight(belief.natural, before.natural)
    else:
        raise TypeError(f"beliefs must be of one kind, got {type(belief).__name__}, {type(before).__name__}")
    return by_weight.sum(dim=-1).clamp_min(0)


def in_double(belief: Belief) -> Belief:
    """A copy of a posterior in double precision.

    In single precision a sum over a million weights that hardly moved is all rounding.

    >>> beliefs.in_double(beliefs.BinaryWeights(torch.tensor([0.5])))
    BinaryWeights(natural=tensor([0.5000], dtype=torch.float64))
    """
    return type(belief)(*(part.to(torch.float64, copy=True) for part in belief))


def where_moved(belief: Belief, start: Belief, prior: Belief) -> Belief:
    """The posterior of the weights that moved, and the prior for the others.

    Of a weight that stands where it started, bit for bit, nothing was learned. Such are the head of a task
    that has not come, and the weights of a pixel that is always black. (Ours.)

    Args:
        belief, start, prior: posteriors of one kind over the same weights, [..., P].

    >>> start = beliefs.BinaryWeights(torch.full((2,), 10.0))
    >>> prior = beliefs.BinaryWeights(torch.zeros(2))
    >>> beliefs.where_moved(
    ...     beliefs.BinaryWeights(torch.tensor([9.0, 10.0])), start, prior
    ... )
    BinaryWeights(natural=tensor([9., 0.]))
    """
    moved = torch.stack([now != before for now, before in zip(belief, start, strict=True)]).any(dim=0)
    parts = zip(belief, prior, strict=True)
    return type(belief)(*(torch.where(moved, now, first) for now, first in parts))
