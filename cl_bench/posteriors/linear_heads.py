"""Linear output layers with an exact answer: nearest class mean, discriminant analysis, ridge regression.

Each is a function of the statistics of posteriors/class_statistics.py, so that it does not depend on the
order of the data. Logits are weight x + bias.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.class_statistics import Statistics, means, scatter

ABSENT = -1e4  # from the mean logit to that of a class without examples: probability 0, a finite logarithm
SMALLEST_VARIANCE = 1e-12  # where all features equal their class's mean
SHRINK_TO = ("identity", "mean_variance")
CLASS_PRIORS = ("uniform", "counts")


class Layer(NamedTuple):
    """An output layer: logits are weight x + bias.

    Attributes:
        weight: float64 [..., K, F].
        bias: float64 [..., K].

    >>> linear_heads.Layer(weight=torch.eye(2), bias=torch.zeros(2)).bias
    tensor([0., 0.])
    """

    weight: Tensor
    bias: Tensor


def nearest_mean(state: Statistics) -> Layer:
    """The layer that chooses the class whose mean is nearest.

        logit_k = -|x - mean_k|^2 / (2 s^2),   s^2 = tr(S) / (N F)

    Up to what all classes share. S is the scatter within classes. So probabilities are those of Gaussians of
    one variance s^2 around the means, all classes alike. A class without examples has probability 0.

    Args:
        state: the trace of the Gram matrix is enough.

    >>> from cl_bench.posteriors import class_statistics
    >>> state = class_statistics.init(2, 1, full=False)
    >>> x, y = torch.tensor([[0.0], [2.0], [4.0], [6.0]]), torch.tensor([0, 0, 1, 1])
    >>> layer = linear_heads.nearest_mean(class_statistics.add(state, x, y))
    >>> # halfway between means of 1 and 5
    >>> ((layer.weight * 3.0).flatten() + layer.bias).softmax(dim=0)
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    spread = scatter(state).diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    size = state.counts.sum(dim=-1).clamp_min(1) * state.sums.shape[-1]
    variance = (spread / size).clamp_min(SMALLEST_VARIANCE)
    return _of_gaussians(state, lambda centred: centred / variance[..., None, None])


def discriminant(
    state: Statistics, *, shrinkage: float, shrink_to: str = "identity", class_priors: str = "uniform"
) -> Layer:
    """The layer of linear discriminant analysis with a covariance that all classes share.

        logit_k = mean_k^T C x - mean_k^T C mean_k / 2 + log prior_k
        C = ((1 - shrinkage) S / N + shrinkage T)^-1

    Up to what all classes share. S is the scatter within classes, over all N examples. A class without
    examples has probability 0.

    Source: Hayes and Kanan 2020, "Lifelong Machine Learning with Deep Streaming Linear Discriminant
    Analysis", and the authors' code. There T is the identity, shrinkage 1e-4, and classes are alike. Their
    covariance begins with an estimate on base classes. It then takes each example around the mean that its
    class has before, with weight t / (t + 1) for example t, so that it depends on the order. S here is exact.

    Args:
        shrinkage: in (0, 1).
        shrink_to: T, the `identity`, or `mean_variance`: tr(S) / (N F) times the identity.
        class_priors: `uniform` over classes with examples, or by their `counts`. With `mean_variance` and
            `counts` it is scikit-learn's LinearDiscriminantAnalysis (lsqr, the same shrinkage).

    >>> from cl_bench.posteriors import class_statistics
    >>> state = class_statistics.init(2, 1)
    >>> x, y = torch.tensor([[0.0], [2.0], [4.0], [6.0]]), torch.tensor([0, 0, 1, 1])
    >>> layer = linear_heads.discriminant(
    ...     class_statistics.add(state, x, y), shrinkage=0.5
    ... )
    >>> ((layer.weight * 3.0).flatten() + layer.bias).softmax(dim=0)
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    num_features = state.sums.shape[-1]
    covariance = scatter(state) / state.counts.sum(dim=-1).clamp_min(1)[..., None, None]
    target = torch.eye(num_features, dtype=covariance.dtype, device=covariance.device)
    if shrink_to == "mean_variance":
        variance = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp_min(SMALLEST_VARIANCE)
        target = variance[..., None, None] * target
    shrunk = (1 - shrinkage) * covariance + shrinkage * target
    layer = _of_gaussians(state, lambda centred: _solve(shrunk, centred.mT).mT)
    if class_priors == "uniform":
        return layer
    share = state.counts / state.counts.sum(dim=-1, keepdim=True).clamp_min(1)
    return layer._replace(bias=layer.bias + torch.where(share > 0, share, 1.0).log())


def ridge(state: Statistics, penalty: float | Tensor) -> Tensor:
    """The weights of ridge regression on one-hot labels, without a bias.

        W = sums (gram + penalty I)^-1,   the minimum of sum_i |y_i - W x_i|^2 + penalty |W|^2

    Args:
        penalty: above 0; a number, or one for each seed, [...].

    Returns:
        [..., K, F].

    >>> from cl_bench.posteriors import class_statistics
    >>> state = class_statistics.init(2, 1)
    >>> state = class_statistics.add(state, torch.tensor([[2.0]]), torch.tensor([1]))
    >>> linear_heads.ridge(state, 1.0).tolist()  # 2 / (4 + 1)
    [[0.0], [0.4]]
    """
    return _solve(_shifted(state.gram, penalty), state.sums.mT).mT


def squared_error(state: Statistics, weight: Tensor) -> Tensor:
    """The mean squared error of weights on the one-hot labels of examples, from their statistics.

        sum_i |y_i - W x_i|^2 / (N K) = (N - 2 tr(W sums^T) + tr(W gram W^T)) / (N K)

    Args:
        weight: W [..., K, F].

    Returns:
        [...]; 0 without examples.

    >>> from cl_bench.posteriors import class_statistics
    >>> state = class_statistics.init(2, 1)
    >>> state = class_statistics.add(state, torch.tensor([[2.0]]), torch.tensor([1]))
    >>> linear_heads.squared_error(state, torch.tensor([[0.0], [0.4]]).double())
    tensor(0.0200, dtype=torch.float64)
    """
    number = state.counts.sum(dim=-1)
    crossed = (weight * state.sums).sum(dim=(-2, -1))
    squared = (weight @ state.gram * weight).sum(dim=(-2, -1))
    return (number - 2 * crossed + squared) / (number.clamp_min(1) * weight.shape[-2])


def best_penalty(fitted: Statistics, held_out: Statistics, penalties: Tensor) -> Tensor:
    """The penalty of ridge regression on one part of the data whose error on the other part is lowest.

    Source: McDonnell et al. 2023, "RanPAC", and the authors' code: of 1e-8, 1e-7, ..., 1e8, on the last fifth
    of a task's examples.

    Args:
        penalties: [P], above 0.

    Returns:
        One of them for each seed, [...].

    >>> from cl_bench.posteriors import class_statistics
    >>> state, x, y = class_statistics.init(2, 1), torch.ones(2, 1), torch.tensor([0, 1])
    >>> one = class_statistics.add(state, x, y)
    >>> linear_heads.best_penalty(one, one, torch.tensor([1e-2, 1.0, 1e2]).double())
    tensor(0.0100, dtype=torch.float64)
    """
    errors = [squared_error(held_out, ridge(fitted, penalty)) for penalty in penalties.unbind()]
    # a matrix that cannot be inverted gives nan, which is no minimum
    return penalties.take(torch.stack(errors, dim=-1).nan_to_num(nan=torch.inf).argmin(dim=-1))


def left_out_error(state: Statistics, weight: Tensor, penalty: float | Tensor) -> Tensor:
    """The mean squared error of ridge regression on examples that it has not seen, from those it has.

        V = squared_error / (1 - tr(H) / N)^2,   tr(H) = F - penalty tr((gram + penalty I)^-1)

    Source: Golub, Heath and Wahba 1979, "Generalized Cross-Validation as a Method for Choosing a Good Ridge
    Parameter" (known from textbooks, not read). The divisor is at least 1 / N^2 here.

    Args:
        weight: of `ridge` with this penalty, [..., K, F].
        penalty: above 0; a number, or one for each seed, [...].

    Returns:
        [...], above 0.

    >>> from cl_bench.posteriors import class_statistics
    >>> state = class_statistics.init(2, 1)
    >>> x, y = torch.tensor([[2.0], [2.0]]), torch.tensor([1, 1])
    >>> state = class_statistics.add(state, x, y)
    >>> weight = linear_heads.ridge(state, 1.0)  # an error of 1 / 162, and tr(H) = 8 / 9
    >>> linear_heads.left_out_error(state, weight, 1.0)
    tensor(0.0200, dtype=torch.float64)
    """
    number = state.counts.sum(dim=-1).clamp_min(1)
    inverse = torch.linalg.inv_ex(_shifted(state.gram, penalty), check_errors=False).inverse
    trace = inverse.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    free = 1 - (state.gram.shape[-1] - penalty * trace) / number
    return (squared_error(state, weight) / free.maximum(1 / number) ** 2).clamp_min(SMALLEST_VARIANCE)


def _shifted(gram: Tensor, penalty: float | Tensor) -> Tensor:
    """The matrix gram + penalty I."""
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return gram + (penalty[..., None, None] if isinstance(penalty, Tensor) else penalty) * identity


def _of_gaussians(state: Statistics, apply_precision: Callable[[Tensor], Tensor]) -> Layer:
    """The layer of Gaussians of one covariance: log densities up to what all classes share.

    Means are taken around their own mean, which leaves few digits to cancel. So weights have the mean 0. A
    class without examples has the mean logit of the others, less 10,000: below the largest one at every x.
    """
    seen = state.counts > 0
    mean = means(state)
    number = seen.sum(dim=-1, keepdim=True).clamp_min(1)
    centre = mean.sum(dim=-2, keepdim=True) / number.unsqueeze(-1)
    centred = torch.where(seen.unsqueeze(-1), mean - centre, 0.0)
    weight = apply_precision(centred)
    bias = -(weight * (centre + centred / 2)).sum(dim=-1)
    none_yet = ~seen.any(dim=-1, keepdim=True)
    absent = torch.where(seen, bias, 0.0).sum(dim=-1, keepdim=True) / number + ABSENT
    return Layer(weight, torch.where(seen | none_yet, bias, absent))


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve without asking the device whether it could: there would be nan, which training finds."""
    return torch.linalg.solve_ex(matrix, right, check_errors=False).result
