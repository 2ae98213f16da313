"""Posteriors as what they say of each weight: how far they moved, and which weights they have frozen.

Every posterior here is a product over weights, so that KL(q || p) is a sum over them. A weight counts as
frozen when its standard deviation is below FROZEN_RATIO times the one that the first prior gave it: for
binary weights, whose first prior has deviation 1, that is sqrt(1 - mu^2) < 0.1, or |tanh(lambda)| > 0.995;
for Gaussian ones a precision that has grown a hundred times. A posterior that starts narrower than its prior
is compared with its start. (The definition is ours.)
"""

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from cl_bench.posteriors import bernoulli, gaussian
from cl_bench.posteriors.gaussian import Gaussian

FROZEN_RATIO = 0.1


class BinaryWeights(NamedTuple):
    """Independent weights of -1 and +1."""

    natural: Tensor  # lambda [..., P]; tanh(lambda) is the mean


Belief: TypeAlias = BinaryWeights | Gaussian


def deviation(belief: Belief) -> Tensor:
    """The standard deviation of each weight, [..., P]; of binary ones sqrt(1 - tanh(lambda)^2)."""
    if isinstance(belief, Gaussian):
        return gaussian.deviation(belief)
    return (bernoulli.log_sech_squared(belief.natural) / 2).exp()


def frozen_share(belief: Belief, first_prior: Belief) -> Tensor:
    """The share of frozen weights, [...] in [0, 1]."""
    return (deviation(belief) < FROZEN_RATIO * deviation(first_prior)).double().mean(dim=-1)


def divergence(belief: Belief, before: Belief) -> Tensor:
    """KL(belief || before) of two beliefs of one kind, nats [...]; rounding below 0 is cut off."""
    if isinstance(belief, Gaussian) and isinstance(before, Gaussian):
        by_weight = gaussian.kl_divergence(belief, before)
    elif isinstance(belief, BinaryWeights) and isinstance(before, BinaryWeights):
        by_weight = bernoulli.kl_by_weight(belief.natural, before.natural)
    else:
        raise TypeError(f"beliefs must be of one kind, got {type(belief).__name__}, {type(before).__name__}")
    return by_weight.sum(dim=-1).clamp_min(0)


def in_double(belief: Belief) -> Belief:
    """A copy in double precision: a sum over a million weights that hardly moved is rounding in single."""
    return type(belief)(*(part.to(torch.float64, copy=True) for part in belief))


def where_moved(belief: Belief, start: Belief, prior: Belief) -> Belief:
    """The belief, but the prior for weights that stand where they started, bit for bit: nothing was learned
    of them (the head of a task that has not come, the pixel that is always black).
    """
    moved = torch.stack([now != before for now, before in zip(belief, start, strict=True)]).any(dim=0)
    parts = zip(belief, prior, strict=True)
    return type(belief)(*(torch.where(moved, now, first) for now, first in parts))
