"""AdaSTE: an adaptive straight-through estimator for binary weights.

Source: Le, Hoier, Lin, Zach, "AdaSTE: An Adaptive Straight-Through Estimator to Train Binary Neural
Networks", CVPR 2022 (arXiv 2112.02880), and the authors' code, in its form FenBP. A latent weight theta has
the weight

    w = clip((theta + b (1 + a) sign(theta)) / (1 + b), -1, 1),

which is +-1 for every theta where a b >= 1. The gradient g at w is multiplied by a factor before it moves
theta. Fully binary, a b >= 1:

    0                            where theta and g have opposite signs,
    clip(1 / |theta|, 0, 1/2)    where they have the same sign,
    1                            where either is about 0.

Else, a b < 1:

    0                     opposite signs, |theta| > 1 - a b,
    clip(f, 0, 1/2)       same sign, |theta| > 1 - a b,
                          f = (1 + 2b + a b) / ((1 + b) |theta|),
    clip(f, 0, 1/2)       same sign, nearer to 0,
                          f = (2b (1 + a) - theta) / ((1 + b) |theta|),
    1 / (1 + b)           elsewhere.

The first numerator is the fall of w from theta to the far side of 0. The second, derived in the same way,
would be 2b (1 + a) + |theta|. The authors' code has - theta in its place, and so have we. In a training b
grows, so that the map is nearly linear at first and binary at last.

The paper's: the weight and the factors, `SMALL_LATENT` and the authors' 1e-3 for `small_gradient`. Ours: the
schedule of b, which the authors multiply by 1.05 every so many steps, up to 1/a + 100. Ours as well: an
optimizer takes the scaled gradient; theirs is gradient descent on theta with decay.
"""

import torch
from torch import Tensor

from cl_bench.posteriors.straight_through import binarise

SMALL_LATENT = {False: 1e-6, True: 1e-3}  # by whether the weights are fully binary


def sharpness(progress: float, *, initial: float, final: float) -> float:
    """The sharpness b of the weight map, which grows geometrically from `initial` to `final` in a training.

        b = initial (final / initial)^progress

    The schedule is ours: Le et al. 2022 multiply b by a constant every so many steps.

    Args:
        progress: the share of the training that is done, in [0, 1].

    >>> adaste.sharpness(0.5, initial=1.0, final=100.0)  # half-way
    10.0
    """
    return initial * (final / initial) ** progress


def weight(latent: Tensor, *, a: float, b: float) -> Tensor:
    """The network's weight for each latent weight: nearly linear where b is small, a sign where a b >= 1.

        w = clip((theta + b (1 + a) sign(theta)) / (1 + b), -1, 1)

    Source: Le et al. 2022; that sign(0) is +1 is ours.

    Args:
        latent: theta [P].

    Returns:
        w [P], in [-1, 1].

    >>> latent = torch.tensor([-0.5, 0.1, 0.2])
    >>> adaste.weight(latent, a=0.1, b=0.0)  # the latent weights themselves
    tensor([-0.5000,  0.1000,  0.2000])
    >>> adaste.weight(latent, a=0.1, b=10.0)  # their signs
    tensor([-1.,  1.,  1.])
    """
    return latent.add(binarise(latent), alpha=b * (1 + a)).div_(1 + b).clamp_(-1, 1)


def gradient_factor(latent: Tensor, gradient: Tensor, *, a: float, b: float, small_gradient: float) -> Tensor:
    """The factor that the gradient at a weight is multiplied by before it moves the latent weight.

    The cases are at the top of this file. A gradient that pushes a binary weight further out has no effect.
    Source: Le et al. 2022, with the constants of the authors' code.

    Args:
        latent: theta [P].
        gradient: g [P], at `weight(theta)`.
        small_gradient: a gradient of this magnitude or less is about 0.

    Returns:
        The factor [P], in [0, 1].

    >>> latent = torch.tensor([4.0, 4.0, 0.0])
    >>> gradient = torch.tensor([1.0, -1.0, 1.0])
    >>> adaste.gradient_factor(latent, gradient, a=0.1, b=10.0, small_gradient=1e-3)
    tensor([0.2500, 0.0000, 1.0000])
    """
    binary = a * b >= 1
    magnitude = latent.abs()
    clear = (magnitude > SMALL_LATENT[binary]) & (gradient.abs() > small_gradient)
    same, opposite = clear & (latent * gradient > 0), clear & (latent * gradient < 0)
    if binary:
        factor = torch.where(same, (1 / magnitude).clamp_(0, 0.5), 1.0)
        return factor.masked_fill_(opposite, 0)
    saturated = magnitude > 1 - a * b
    rise = torch.where(saturated, 1 + 2 * b + a * b, 2 * b * (1 + a) - latent)
    factor = torch.where(same, (rise / ((1 + b) * magnitude)).clamp_(0, 0.5), 1 / (1 + b))
    return factor.masked_fill_(opposite & saturated, 0)
