"""Synaptic metaplasticity: binary weights whose latent weights resist a change of sign the more, the larger
they are.

Source: Laborieux, Ernoult, Hirtzlin, Querlioz, "Synaptic metaplasticity in binarized neural networks", Nature
Communications 2021 (arXiv 2003.03533), equation 1 and the authors' code. The network runs with sign(h), the
gradient at sign(h) makes an optimizer's change D of h (Adam's: D = -step m / (sqrt(v) + e)), and

    h <- h + f D,   f = 1 - tanh^2(meta |h|) where D pushes |h| down, 1 elsewhere.

The paper's: all of it. Unlike straight_through.py, nothing clips h or its gradient, neither in the paper nor
here: |h| is what a weight remembers.
"""

import torch
from torch import Tensor


def plasticity(latent: Tensor, *, meta: float) -> Tensor:
    """How freely each latent weight moves towards a change of sign: the larger it is, the less.

        f = 1 - tanh^2(meta |h|)

    Source: Laborieux et al. 2021, equation 1.

    Args:
        latent: h [P].
        meta: in units of 1 / h.

    Returns:
        f [P], in [0, 1].

    >>> metaplasticity.plasticity(torch.tensor([0.0, 1.0, -3.0]), meta=1.0)
    tensor([1.0000, 0.4200, 0.0099])
    """
    slope = torch.tanh(latent * meta)
    return 1 - slope * slope


def step(latent: Tensor, change: Tensor, *, meta: float) -> Tensor:
    """The latent weights after an optimizer's change, damped where it pushes them towards a change of sign.

        h <- h + f D,   f = `plasticity` where D pushes |h| down, 1 elsewhere

    Source: Laborieux et al. 2021, equation 1.

    Args:
        latent: h [P].
        change: D [P].

    Returns:
        The new h [P].

    >>> latent = torch.tensor([1.0, 1.0])
    >>> metaplasticity.step(latent, change=torch.tensor([-0.5, 0.5]), meta=1.0)
    tensor([0.7900, 1.5000])
    """
    pushed_down = torch.sign(latent) * change < 0
    return latent + torch.where(pushed_down, change * plasticity(latent, meta=meta), change)
