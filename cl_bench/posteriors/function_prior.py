"""A prior on a network's probabilities at a few remembered points of old tasks (FROMP).

    1/2 sum_c (m_c - m_old,c)^T (K_c + jitter I)^-1 (m_c - m_old,c)
    m_c = p_c(X),  K_c = G_c Sigma G_c^T,  row i of G_c = d p_c(x_i) / d theta = (Lambda(x_i) J(x_i))_c

for the M points X that are remembered of one task. m_old and K are those of the old weights; p is the
softmax of the task's head, J the Jacobian of its logits, Lambda = diag(p) - p p^T, and Sigma the diagonal
Laplace posterior of all tasks so far. Its gradient is taken through m alone; all of it is without units.

Source: Pan, Swaroop, Immer, Eschenhagen, Turner, Khan, "Continual Deep Learning by Functional Regularisation
of Memorable Past", NeurIPS 2020, arXiv 2004.14070, as in the authors' code (team-approx-bayes/fromp): classes
are independent of each other, and so are tasks; the most memorable points are those of the largest trace of
Lambda, equally many of each class; the jitter is a variance, whatever the kernel's scale. The terms of the
Gaussian's divergence that hold the present covariance are left out. Ours: the whitened form, which is never
negative, and products in double precision.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cl_bench.posteriors import buffers
from cl_bench.posteriors.per_example import single_gradients

CHUNK_ELEMENTS = 2**23  # gradients of a chunk of points, of one class: 64 MiB in double precision


class FunctionPrior(NamedTuple):
    """At the points of one task; with a leading axis [R, ...] for stacked seeds."""

    mean: Tensor  # m_old [M, C]
    whitening: Tensor  # L^-1 [C, M, M], with L L^T = K_c + jitter I


def uncertainty(logits: Tensor) -> Tensor:
    """The trace of Lambda, sum_c p_c (1 - p_c), of each example [B]: 0 where the network is sure."""
    probabilities = logits.softmax(dim=-1)
    return (probabilities * (1 - probabilities)).sum(dim=-1)


def most_memorable(scores: Tensor, labels: Tensor, size: int) -> Tensor:
    """Positions of the `size` examples (or all) of the highest scores, equally many of each class as far as
    it has them; int64 [min(size, N)].
    """
    return buffers.lowest(-scores, labels, size)


def kernels(model: nn.Module, images: Tensor, task: int, variance: Tensor) -> Tensor:
    """K_c of every class, double precision [C, M, M].

    Gradients of two chunks of points are held at a time, and computed again for each pair of chunks.

    Args:
        model: called as model(images, task), in eval mode.
        images: X, [M, ...].
        variance: the diagonal of Sigma, [P] in the order of `trainable(model)`.
    """
    gradients = single_gradients(model, (task,), lambda logits: logits.softmax(dim=-1))
    deviation = variance.sqrt().double()

    def scaled(part: Tensor, index: int) -> Tensor:
        """G Sigma^(1/2) of some points, [m, P]."""
        rows = [gradient.flatten(1) for gradient in gradients(part, index).values()]
        return torch.cat(rows, dim=1).double().mul_(deviation)

    with torch.no_grad():
        num_classes = model(images[:1], task).shape[-1]
    found = deviation.new_empty(num_classes, len(images), len(images))
    chunks = torch.arange(len(images), device=images.device).split(max(1, CHUNK_ELEMENTS // len(variance)))
    for index in range(num_classes):
        for number, rows in enumerate(chunks):
            left = scaled(images[rows], index)
            for columns in chunks[number:]:
                right = left if columns is rows else scaled(images[columns], index)
                block = left @ right.T
                found[index, rows[:, None], columns] = block
                found[index, columns[:, None], rows] = block.T
    return found


def whitening(kernel: Tensor, *, jitter: float) -> Tensor:
    """L^-1 with L L^T = kernel + jitter I, both [..., M, M].

    Raises:
        ValueError: where that is not positive definite.
    """
    identity = torch.eye(kernel.shape[-1], dtype=kernel.dtype, device=kernel.device)
    factor, failed = torch.linalg.cholesky_ex(kernel + jitter * identity)
    if bool(failed.any()):
        raise ValueError(
            "jitter must be large enough for a positive definite kernel of remembered points, "
            f"got {jitter=} and a kernel with largest value {float(kernel.abs().max()):.3g}: raise it"
        )
    return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)


def penalty(prior: FunctionPrior, mean: Tensor) -> Tensor:
    """1/2 sum_c |L_c^-1 (m_c - m_old,c)|^2, a scalar; the sum over stacked seeds. mean: m [M, C]."""
    difference = (mean - prior.mean).transpose(-2, -1).unsqueeze(-1)  # [C, M, 1]
    return (prior.whitening @ difference).square().sum() / 2
