"""Sufficient statistics of features and labels: what closed-form output layers need of the data.

Counts, sums and products add up over examples. So they are the same for every order and every split of the
data into tasks, up to rounding. They are of double precision, whatever the features are.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Statistics(NamedTuple):
    """What closed-form output layers keep of the examples seen so far.

        counts_k = sum_i [y_i = k],   sums_k = sum_i [y_i = k] x_i,   gram = sum_i x_i x_i^T

    Attributes:
        counts: of each class, float64 [..., K].
        sums: of the features of each class, float64 [..., K, F].
        gram: float64 [..., F, F]; or its trace alone, [..., 1, 1].

    Leading axes are those of seeds that are trained at once.

    >>> class_statistics.Statistics(
    ...     counts=torch.ones(2), sums=torch.eye(2), gram=torch.eye(2)
    ... ).counts
    tensor([1., 1.])
    """

    counts: Tensor
    sums: Tensor
    gram: Tensor


def init(
    num_classes: int,
    num_features: int,
    *,
    full: bool = True,
    shape: tuple[int, ...] = (),
    device: torch.device | str = "cpu",
) -> Statistics:
    """The statistics before any example: zeros.

    Args:
        full: keep all of the Gram matrix, or its trace alone.
        shape: of the leading axes.

    >>> state = class_statistics.init(3, 2, full=False)
    >>> state.sums.shape, state.gram.shape
    (torch.Size([3, 2]), torch.Size([1, 1]))
    """
    width = num_features if full else 1

    def zeros(*own: int) -> Tensor:
        return torch.zeros(*shape, *own, dtype=torch.float64, device=device)

    return Statistics(zeros(num_classes), zeros(num_classes, num_features), zeros(width, width))


def add(state: Statistics, features: Tensor, labels: Tensor, included: Tensor | None = None) -> Statistics:
    """The statistics with more examples.

    Args:
        features: x [..., B, F], of any precision.
        labels: int64 [..., B], from 0 to K - 1.
        included: bool [..., B], the examples that count; None: all.

    >>> state = class_statistics.init(2, 2)
    >>> state = class_statistics.add(
    ...     state, torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([1, 1])
    ... )
    >>> state.counts.tolist(), state.sums.tolist()
    ([0.0, 2.0], [[0.0, 0.0], [4.0, 2.0]])
    >>> state.gram.tolist()
    [[10.0, 2.0], [2.0, 4.0]]
    """
    x = features.to(torch.float64)
    classes = torch.arange(state.counts.shape[-1], device=labels.device)
    targets = (labels.unsqueeze(-1) == classes).to(torch.float64)
    if included is not None:
        targets = targets * included.unsqueeze(-1)
        x = x * included.unsqueeze(-1)
    is_full = state.gram.shape[-1] == x.shape[-1]
    gram = x.mT @ x if is_full else x.square().sum(dim=(-2, -1))[..., None, None]
    return Statistics(state.counts + targets.sum(dim=-2), state.sums + targets.mT @ x, state.gram + gram)


def merge(state: Statistics, other: Statistics) -> Statistics:
    """The statistics of two sets of examples together: the sum.

    >>> one = class_statistics.add(
    ...     class_statistics.init(2, 1), torch.tensor([[3.0]]), torch.tensor([0])
    ... )
    >>> class_statistics.merge(one, one).sums.tolist()
    [[6.0], [0.0]]
    """
    return Statistics(*(mine + yours for mine, yours in zip(state, other, strict=True)))


def means(state: Statistics) -> Tensor:
    """The mean of the features of each class, sums_k / counts_k; 0 for a class without examples.

    Returns:
        [..., K, F].

    >>> state = class_statistics.init(2, 1)
    >>> state = class_statistics.add(
    ...     state, torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0])
    ... )
    >>> class_statistics.means(state).tolist()
    [[2.0], [0.0]]
    """
    return state.sums / state.counts.clamp_min(1).unsqueeze(-1)


def scatter(state: Statistics) -> Tensor:
    """The scatter of features around the mean of their own class; its trace where that alone is kept.

        S = gram - sum_k counts_k mean_k mean_k^T

    Returns:
        [..., F, F], or the trace [..., 1, 1].

    >>> state = class_statistics.init(2, 1)
    >>> state = class_statistics.add(
    ...     state, torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1])
    ... )
    >>> class_statistics.scatter(state).tolist()  # (1 - 2)^2 + (3 - 2)^2
    [[2.0]]
    """
    mean = means(state)
    if state.gram.shape[-1] == mean.shape[-1]:
        return state.gram - state.sums.mT @ mean
    return state.gram - (state.sums * mean).sum(dim=(-2, -1))[..., None, None]
