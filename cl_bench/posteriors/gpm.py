"""Gradient projection memory (GPM): no step within the span of what a layer was given by old tasks.

A linear layer's output for an input x is W x. A step D of its weights changes that by D x, which is 0 for all
old inputs where each row of D is orthogonal to them. So gradients are projected, layer by layer:

    G <- G - G M,   M = B B^T the projector on the span of kept directions B

After a task the inputs of the layer, as columns of R [Q, n], are split into what M has already and the rest,
(I - M) R. Of the rest the leading left singular vectors are kept, as many as it takes for

    |M R|^2 + sum_i s_i^2 >= threshold |R|^2

An input of a convolution is a patch. A bias is the weight of one more input, which is always 1.

Source: Saha, Garg, Roy, "Gradient Projection Memory for Continual Learning", ICLR 2021 (arXiv 2103.09762),
equations 5 to 9, as the authors' code names them (sahagobinda/GPM). Read were the abstract and that code,
not the paper's text. The authors' networks have no biases; the input of 1 is ours. So are two matters of
arithmetic. Singular vectors are found as eigenvectors of R R^T, in double precision. M is kept in the place
of B. It has one size, whatever its rank. So nothing waits for a rank, and stacked seeds have one shape.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDING = torch.finfo(torch.float64).eps


def inputs_of(layer: Any, given: Tensor, *, with_one: bool) -> Tensor:
    """The inputs on which a layer's weight acts, one a row: its output is a matrix product with them.

    Those of a convolution are the patches of all places; where it has groups, the patches of each group.

    Args:
        layer: a Linear or Conv2d.
        given: what came into the layer, [..., Q] or [B, C, H, W].
        with_one: whether each gets a last number 1, whose weight is the bias.

    Returns:
        [n, Q], or [n, Q + 1] with the 1; Q numbers as a row of the weight has them.

    >>> layer = torch.nn.Conv2d(1, 1, kernel_size=2)
    >>> image = torch.arange(6.0).view(1, 1, 2, 3)
    >>> gpm.inputs_of(layer, image, with_one=True)
    tensor([[0., 1., 3., 4., 1.],
            [1., 2., 4., 5., 1.]])
    """
    if isinstance(layer, torch.nn.Conv2d):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        padded = F.pad(given, layer._reversed_padding_repeated_twice, mode=mode)
        patches = F.unfold(padded, layer.kernel_size, layer.dilation, 0, layer.stride)  # [B, C k k, P]
        rows = patches.unflatten(1, (layer.groups, -1)).movedim(-1, 1).flatten(0, 2)
    else:
        rows = given.flatten(0, -2)
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1) if with_one else rows


def directions(projector: Tensor, moment: Tensor, *, threshold: float) -> Tensor:
    """The directions that a task's inputs add to those kept, orthonormal and orthogonal to them.

    They are eigenvectors of (I - M) C (I - M), largest eigenvalues first, until the energy tr(M C) plus
    their eigenvalues is at least threshold tr C. What is below rounding is no direction.

    Source: Saha et al. 2021, equations 8 and 9.

    Args:
        projector: M [..., Q, Q], on what is kept; 0 at first.
        moment: C = R R^T [..., Q, Q], the sum of x x^T over the inputs of the task.
        threshold: the share of energy to be kept, in [0, 1].

    Returns:
        [..., Q, Q], float64: directions as columns, and columns of 0 in the place of those not needed.

    >>> nothing, moment = torch.zeros(2, 2), torch.diag(torch.tensor([1.0, 9.0]))
    >>> gpm.directions(nothing, moment, threshold=0.9).abs()
    tensor([[0., 0.],
            [1., 0.]], dtype=torch.float64)
    >>> gpm.directions(nothing, moment, threshold=1.0).abs()
    tensor([[0., 1.],
            [1., 0.]], dtype=torch.float64)
    """
    smallest = max(torch.finfo(projector.dtype).eps ** 2, ROUNDING) * projector.shape[-1]
    moment = moment.double()
    total = _trace(moment)
    rest = complement(complement(moment, projector).mT, projector)
    values, vectors = torch.linalg.eigh((rest + rest.mT) / 2)
    values, vectors = values.flip(-1).clamp_min(0), vectors.flip(-1)
    energy = (total - _trace(rest)).unsqueeze(-1) + values.cumsum(dim=-1) - values  # without this one
    needed = (energy < threshold * total.unsqueeze(-1)) & (values > smallest * total.unsqueeze(-1))
    return vectors * needed.unsqueeze(-2)


def extended(projector: Tensor, moment: Tensor, *, threshold: float) -> Tensor:
    """The projector with what a task's inputs add to it.

        M <- M + V V^T,   V = `directions(M, C)`

    Args:
        projector, moment, threshold: as `directions` has them.

    Returns:
        M [..., Q, Q], in the precision it had; its trace is the number of directions kept.

    >>> moment = torch.diag(torch.tensor([1.0, 9.0]))
    >>> gpm.extended(torch.zeros(2, 2), moment, threshold=0.9)
    tensor([[0., 0.],
            [0., 1.]])
    """
    new = directions(projector, moment, threshold=threshold)
    return (projector.double() + new @ new.mT).to(projector.dtype)


def complement(gradient: Tensor, projector: Tensor) -> Tensor:
    """The part of each row of a gradient that is orthogonal to what is kept.

        G - G M

    Source: Saha et al. 2021, equations 6 and 7.

    Args:
        gradient: G [..., O, Q].
        projector: M [..., Q, Q].

    Returns:
        [..., O, Q].

    >>> kept = torch.diag(torch.tensor([0.0, 1.0]))
    >>> gpm.complement(torch.tensor([[3.0, 4.0]]), kept)
    tensor([[3., 0.]])
    """
    return gradient - gradient @ projector.to(gradient.dtype)


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
