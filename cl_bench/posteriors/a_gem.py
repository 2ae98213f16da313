"""The projection of averaged gradient episodic memory (A-GEM).

A step shall not raise the loss of remembered examples, to first order: its gradient must not point against
that of a batch from the memory. It is the gradient nearest to the batch's own that does not:

    minimise |z - g|^2 / 2   subject to   z . g_ref >= 0

Source: Chaudhry, Ranzato, Rohrbach, Elhoseiny, "Efficient Lifelong Learning with A-GEM", ICLR 2019 (arXiv
1812.00420), equation 11. Read were the abstract and implementations of others, not the paper's text. GEM
(Lopez-Paz, Ranzato 2017) has one constraint for each old task. This has one in all.
"""

import torch
from torch import Tensor


def project(gradient: Tensor, reference: Tensor) -> Tensor:
    """The gradient nearest to the given one that does not point against the reference.

        z = g - (g . g_ref / g_ref . g_ref) g_ref   where g . g_ref < 0,   else g

    Where it does not, nothing changes, bit for bit; so with a reference of 0.

    Source: Chaudhry et al. 2019, equation 11.

    Args:
        gradient: g, [..., P]; leading axes are projections of their own, such as seeds.
        reference: g_ref, [..., P].

    Returns:
        z, [..., P].

    >>> reference = torch.tensor([0.0, 2.0])
    >>> a_gem.project(torch.tensor([1.0, -3.0]), reference)
    tensor([1., 0.])
    >>> a_gem.project(torch.tensor([1.0, 3.0]), reference)
    tensor([1., 3.])
    """
    along = (gradient * reference).sum(dim=-1, keepdim=True)
    square = reference.square().sum(dim=-1, keepdim=True)
    against = (along < 0) & (square > 0)
    return gradient - torch.where(against, along / square, 0.0) * reference
