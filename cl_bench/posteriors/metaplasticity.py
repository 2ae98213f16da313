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
    """1 - tanh^2(meta |h|), [P] in [0, 1]; `meta` is in units of 1 / h."""
    slope = torch.tanh(latent * meta)
    return 1 - slope * slope


def step(latent: Tensor, change: Tensor, *, meta: float) -> Tensor:
    """The new latent weights [P], of the optimizer's `change` [P] to them."""
    pushed_down = torch.sign(latent) * change < 0
    return latent + torch.where(pushed_down, change * plasticity(latent, meta=meta), change)
