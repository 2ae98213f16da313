"""A prior on a network's probabilities at a few remembered points of old tasks (FROMP).

    1/2 sum_c (m_c - m_old,c)^T (K_c + jitter I)^-1 (m_c - m_old,c)
    m_c = p_c(X),   K_c = G_c Sigma G_c^T
    row i of G_c = d p_c(x_i) / d theta = (Lambda(x_i) J(x_i))_c

X are the M points that are remembered of one task. m_old and K are those of the old weights. The vector p is
the softmax of the task's head, J the Jacobian of its logits, and Lambda = diag(p) - p p^T. Sigma is the
diagonal Laplace posterior of all tasks so far. The penalty's gradient is taken through m alone; all of it is
without units.

Source: Pan, Swaroop, Immer, Eschenhagen, Turner, Khan, "Continual Deep Learning by Functional Regularisation
of Memorable Past", NeurIPS 2020, arXiv 2004.14070. Four things are as in the authors' code
(team-approx-bayes/fromp). Classes are independent of each other, and so are tasks. The most memorable points
are those of the largest trace of Lambda, equally many of each class. The jitter is a variance, whatever the
kernel's scale. The terms of the Gaussian's divergence that hold the present covariance are left out.

Ours: the whitened form, which is never
negative, and products in double precision.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cl_bench.posteriors import buffers
from cl_bench.posteriors.per_example import single_gradients

CHUNK_ELEMENTS = 2**23  # gradients of a chunk of points, of one class: 64 MiB in double precision


class FunctionPrior(NamedTuple):
    """The prior on a network's probabilities at the remembered points of one task.

    Stacked seeds have a leading axis [R, ...].

    Attributes:
        mean: m_old [M, C], the probabilities of the old weights.
        whitening: L^-1 [C, M, M], with L L^T = K_c + jitter I.

    >>> kernel = torch.tensor([[[3.0]]])  # one point, one class
    >>> whitening = function_prior.whitening(kernel, jitter=1.0)
    >>> function_prior.FunctionPrior(
    ...     mean=torch.tensor([[0.5]]), whitening=whitening
    ... ).whitening
    tensor([[[0.5000]]])
    """

    mean: Tensor
    whitening: Tensor


def uncertainty(logits: Tensor) -> Tensor:
    """How unsure a prediction is, by which memorable points are chosen: 0 where the network is sure.

        trace(Lambda) = sum_c p_c (1 - p_c),   Lambda = diag(p) - p p^T

    Source: Pan et al. 2020, as in the authors' code.

    Args:
        logits: [B, C].

    Returns:
        [B], in [0, 1).

    >>> function_prior.uncertainty(torch.tensor([[0.5, 0.5], [0.9, 0.1]]).log())
    tensor([0.5000, 0.1800])
    """
    probabilities = logits.softmax(dim=-1)
    return (probabilities * (1 - probabilities)).sum(dim=-1)


def most_memorable(scores: Tensor, labels: Tensor, size: int) -> Tensor:
    """Positions of the examples of the highest scores, equally many of each class as far as it has them.

    Source: Pan et al. 2020, whose score is `uncertainty`.

    Args:
        scores: [N].
        labels: int64 [N].
        size: how many to take; all, where there are fewer.

    Returns:
        int64 [min(size, N)].

    >>> scores = torch.tensor([0.1, 0.5, 0.4, 0.2])
    >>> labels = torch.tensor([0, 0, 1, 1])
    >>> function_prior.most_memorable(scores, labels, size=2)  # one of each class
    tensor([1, 2])
    """
    return buffers.lowest(-scores, labels, size)


def kernels(model: nn.Module, images: Tensor, task: int, variance: Tensor) -> Tensor:
    """The covariance of each class's probabilities at the remembered points, under a Gaussian posterior.

        K_c = G_c Sigma G_c^T,   row i of G_c = d p_c(x_i) / d theta

    Source: Pan et al. 2020. Gradients of two chunks of points are held at a time, and computed again for each
    pair of chunks.

    Args:
        model: called as model(images, task), in eval mode.
        images: X, [M, ...].
        variance: the diagonal of Sigma, [P] in the order of `trainable(model)`.

    Returns:
        K, double precision [C, M, M].

    >>> from cl_bench.models import Heads
    >>> network = Heads(in_features=1, num_classes=2, num_heads=1, bias=False)
    >>> # so that d p_0 / d theta = (x / 4, -x / 4)
    >>> _ = torch.nn.init.zeros_(network.linear.weight)
    >>> images = torch.tensor([[1.0], [2.0]])
    >>> function_prior.kernels(network, images, task=0, variance=torch.ones(2))[0]
    tensor([[0.1250, 0.2500],
            [0.2500, 0.5000]], dtype=torch.float64)
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
    """The matrix that makes differences of a given covariance independent, with variance 1.

        L^-1,   L L^T = kernel + jitter I   (Cholesky)

    Args:
        kernel: [..., M, M].
        jitter: a variance.

    Returns:
        [..., M, M], lower triangular.

    Raises:
        ValueError: where kernel + jitter I is not positive definite.

    >>> # 1 / sqrt(3 + 1)
    >>> function_prior.whitening(torch.tensor([[3.0]]), jitter=1.0)
    tensor([[0.5000]])
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
    """The penalty on probabilities that have moved at the remembered points of one task.

        1/2 sum_c (m_c - m_old,c)^T (K_c + jitter I)^-1 (m_c - m_old,c)
        = 1/2 sum_c |L_c^-1 (m_c - m_old,c)|^2

    Source: Pan et al. 2020; the whitened form is ours.

    Args:
        mean: m [M, C].

    Returns:
        A scalar; the sum over stacked seeds.

    >>> # a deviation of 0.1
    >>> old, whitening = torch.tensor([[0.5]]), torch.tensor([[[10.0]]])
    >>> prior = function_prior.FunctionPrior(old, whitening)
    >>> function_prior.penalty(prior, old)
    tensor(0.)
    >>> function_prior.penalty(prior, torch.tensor([[0.7]]))  # 2^2 / 2
    tensor(2.0000)
    """
    difference = (mean - prior.mean).transpose(-2, -1).unsqueeze(-1)  # [C, M, 1]
    return (prior.whitening @ difference).square().sum() / 2
