"""AdaSTE: an adaptive straight-through estimator for binary weights.

Source: Le, Hoier, Lin, Zach, "AdaSTE: An Adaptive Straight-Through Estimator to Train Binary Neural
Networks", CVPR 2022 (arXiv 2112.02880), and the authors' code, in its form FenBP. A latent weight theta has
the weight

    w = clip((theta + b (1 + a) sign(theta)) / (1 + b), -1, 1),

which is +-1 for every theta where a b >= 1. The gradient g at w is multiplied by a factor before it moves
theta. Fully binary, a b >= 1:

    0                                            where theta and g have opposite signs,
    clip(1 / |theta|, 0, 1/2)                    where they have the same sign,
    1                                            where either is about 0.

Else, a b < 1:

    0                                            opposite signs, |theta| > 1 - a b,
    clip((1 + 2b + ab) / ((1 + b) |theta|), 0, 1/2)           same sign, |theta| > 1 - a b,
    clip((2b (1 + a) - theta) / ((1 + b) |theta|), 0, 1/2)    same sign, nearer to 0,
    1 / (1 + b)                                  elsewhere.

The first numerator is the fall of w from theta to the far side of 0. (So derived, the second were
2b (1 + a) + |theta|; the authors' code has - theta, and so have we.) b grows in training: the map is nearly
linear at first and binary at last.

The paper's: the weight and the factors, `SMALL_LATENT` and the authors' 1e-3 for `small_gradient`. Ours: the
schedule of b (the authors multiply it by 1.05 every so many steps, up to 1/a + 100), and that an optimizer
takes the scaled gradient (theirs: gradient descent on theta with decay).
"""

import torch
from torch import Tensor

SMALL_LATENT = {False: 1e-6, True: 1e-3}  # by whether the weights are fully binary


def sharpness(progress: float, *, initial: float, final: float) -> float:
    """b at `progress` in [0, 1] of a training: geometric from `initial` to `final`."""
    return initial * (final / initial) ** progress


def _sign(latent: Tensor) -> Tensor:
    return torch.where(latent >= 0, 1.0, -1.0).to(latent)


def weight(latent: Tensor, *, a: float, b: float) -> Tensor:
    """w of theta, [P] in [-1, 1]; sign(0) is +1 (ours)."""
    return latent.add(_sign(latent), alpha=b * (1 + a)).div_(1 + b).clamp_(-1, 1)


def gradient_factor(latent: Tensor, gradient: Tensor, *, a: float, b: float, small_gradient: float) -> Tensor:
    """The factor of the gradient g at `weight(theta)`, [P] in [0, 1].

    Args:
        small_gradient: a gradient of this magnitude or less is about 0.
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
