"""Sign units over sums of many inputs, and outputs of which the largest is the class: evidences and slopes.

A unit x = sign(z) gets a sum z that is taken as Gaussian, of mean omega and variance V. A field is half the
log odds: P(x) is proportional to exp(field x). With u = omega / sqrt(V) the sum sends up the field

    a = 1/2 log(Phi(u) / Phi(-u)),

and with b, the field that comes down to the unit, the log evidence and its derivatives by omega are

    log Z = log(exp(b) Phi(u) + exp(-b) Phi(-u)),   g = d log Z / d omega,   Gamma = -d^2 log Z / d omega^2.

Source: Lucibello, Pittorino, Perugini, Zecchina 2021, arXiv 2110.14583, appendices A.2, A.8 and A.9.
posteriors/message_passing.py sends these through a network, and says what was read.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-8  # of a sum's variance, as in the authors' code


class Moments(NamedTuple):
    """Mean and variance of independent variables: weights, units, or the sums that units get.

    >>> known = sign_units.Moments(torch.tensor([1.0, -1.0]), torch.zeros(2))
    >>> known.variance
    tensor([0., 0.])
    """

    mean: Tensor
    variance: Tensor


def binary(field: Tensor) -> Moments:
    """The moments of variables of -1 and +1 with P(w) proportional to exp(field w).

        m = tanh(field),   s = 1 - m^2

    >>> sign_units.binary(torch.tensor([0.0, 20.0])).mean
    tensor([0., 1.])
    """
    mean = field.tanh()
    return Moments(mean, 1 - mean * mean)


def sums(weights: Moments, inputs: Moments) -> Moments:
    """The moments of sums of products of independent weights and inputs.

        omega_k = sum_i m_ki x_i
        V_k = sum_i m_ki^2 d_i + s_ki x_i^2 + s_ki d_i

    Source: Lucibello et al. 2021, equations 32 and 33. Both are exact, whatever the distributions.

    Args:
        weights: m and s [K, N].
        inputs: x and d [B, N].

    Returns:
        [B, K].

    >>> certain = sign_units.Moments(torch.ones(1, 2), torch.zeros(1, 2))
    >>> sign_units.sums(sign_units.binary(torch.zeros(1, 2)), certain)
    Moments(mean=tensor([[0.]]), variance=tensor([[2.]]))
    """
    mean = inputs.mean @ weights.mean.mT
    variance = inputs.mean.square() @ weights.variance.mT
    variance += inputs.variance @ (weights.mean.square() + weights.variance).mT
    return Moments(mean.to(inputs.mean.dtype), variance.to(inputs.mean.dtype).clamp_min_(0).add_(FLOOR))


def upward(total: Moments) -> Tensor:
    """The field of a unit from below: half the log odds that its sum is positive.

        a = 1/2 log(Phi(u) / Phi(-u)),   u = omega / sqrt(V)

    Source: Lucibello et al. 2021, equations 119 and 120.

    Args:
        total: omega and V [...].

    >>> total = sign_units.Moments(torch.tensor([0.0, 2.0]), torch.ones(2))
    >>> sign_units.upward(total).tanh()  # 2 Phi(u) - 1
    tensor([0.0000, 0.9545])
    """
    u = total.mean * total.variance.rsqrt()
    return (torch.special.log_ndtr(u) - torch.special.log_ndtr(-u)) / 2


def hazard(x: Tensor) -> Tensor:
    """The hazard of a standard normal variable.

        N(x) / Phi(-x)

    >>> sign_units.hazard(torch.tensor([0.0, 100.0]))
    tensor([  0.7979, 100.0100])
    """
    return math.sqrt(2 / math.pi) / torch.special.erfcx(x * math.sqrt(0.5))


def slope(down: Tensor, total: Moments) -> Tensor:
    """The slope of a sign unit's log evidence by the mean of its sum.

        g = d/d omega log(exp(b) Phi(u) + exp(-b) Phi(-u)),   u = omega / sqrt(V)

    Source: Lucibello et al. 2021, equations 37 and 119. The form is ours. With v = sign(b) u it is
    g sqrt(V) = sign(b) (1 - exp(-2 |b|)) hazard(-v) sigmoid(2 a(v) + 2 |b|). It neither cancels nor vanishes.

    Args:
        down: b [...], the field of the unit from above.
        total: omega and V [...].

    >>> total = sign_units.Moments(torch.zeros(2), torch.ones(2))
    >>> sign_units.slope(torch.tensor([0.0, 9.0]), total)
    tensor([0.0000, 0.7979])
    """
    inverse = total.variance.rsqrt()
    towards, certainty = down.sign(), down.abs().mul_(2)
    v = towards * total.mean * inverse
    odds = torch.special.log_ndtr(v) - torch.special.log_ndtr(-v)
    return -torch.expm1(-certainty) * hazard(-v) * torch.sigmoid(odds + certainty) * towards * inverse


def curvature(g: Tensor, total: Moments) -> Tensor:
    """The curvature of a sign unit's log evidence by the mean of its sum.

        Gamma = -d^2 log Z / d omega^2 = g (g + omega / V)

    Source: Lucibello et al. 2021, equation 38, and the authors' code. It holds for every sign unit.

    >>> total = sign_units.Moments(torch.zeros(1), torch.ones(1))
    >>> sign_units.curvature(torch.tensor([0.5]), total)
    tensor([0.2500])
    """
    return g * (g + total.mean / total.variance)


def class_scores(total: Moments, present: Tensor | None = None) -> Tensor:
    """The log evidence of each class, that its output is the largest.

        phi_k = sum_{j != k} log Phi((omega_k - omega_j) / sqrt(V_k + V_j))

    Source: Lucibello et al. 2021, equation 132, the second of their approximations, which their code has. For
    two classes it is exact, and exp(phi) adds up to 1.

    Args:
        total: omega and V [B, K].
        present: bool [K], the classes that there are; None for all. Others get what would be theirs.

    Returns:
        [B, K].

    >>> total = sign_units.Moments(torch.tensor([[2.0, 0.0]]), torch.full((1, 2), 2.0))
    >>> sign_units.class_scores(total).exp()
    tensor([[0.8413, 0.1587]])
    """
    difference = total.mean.unsqueeze(-1) - total.mean.unsqueeze(-2)
    spread = total.variance.unsqueeze(-1) + total.variance.unsqueeze(-2)
    pairs = torch.special.log_ndtr(difference * spread.rsqrt())
    others = ~torch.eye(pairs.shape[-1], dtype=torch.bool, device=pairs.device)
    return (pairs * (others if present is None else others & present)).sum(dim=-1)


def class_slope(total: Moments, labels: Tensor, present: Tensor | None = None) -> Tensor:
    """The slope of the label's log evidence by the means of outputs.

        g_k = -hazard((omega_k - omega_y) / r) / r,   r = sqrt(V_k + V_y),   for k other than y
        g_y = -sum_k g_k

    Source: Lucibello et al. 2021, equation 133.

    Args:
        total: omega and V [B, K].
        labels: y [B].
        present: as for `class_scores`.

    Returns:
        [B, K].

    >>> total = sign_units.Moments(torch.tensor([[2.0, 0.0]]), torch.ones(1, 2))
    >>> sign_units.class_slope(total, torch.tensor([0]))
    tensor([[ 0.1126, -0.1126]])
    """
    own = labels.unsqueeze(-1)
    mean, variance = total.mean.gather(-1, own), total.variance.gather(-1, own)
    inverse = (total.variance + variance).rsqrt_()
    g = -hazard((total.mean - mean) * inverse) * inverse
    if present is not None:
        g = g * present
    g = g.scatter(-1, own, 0.0)
    return g.scatter(-1, own, -g.sum(dim=-1, keepdim=True))
