"""The metrics of `metrics` for what is better low: nll, ece and the like.

`loss` has shape [1 + T, T], L[t, j] being the loss on task j after training on tasks 1..t, row 0 the
untrained network. Levels (average, learning, anytime, worst) are in the loss's own unit, lower is better.
Changes keep the sign they have for accuracy: forgetting is positive where something got worse, transfer where
it got better.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cl_bench.analysis import metrics
from cl_bench.analysis.registry import MATRIX, WITH_REFERENCE, Metric, registered

LOWER_IS_BETTER = ("nll", "ece", "brier")  # columns of records that are losses


def average_loss(loss: ArrayLike) -> float:
    """The mean of the final losses, over all tasks (that are tested).

        1/T sum_j L[T, j]

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(average_loss(L), 4)
    0.6333
    """
    return metrics.average_accuracy(loss)


def forgetting_of_loss(loss: ArrayLike) -> float:
    """How much a task's loss is above its best earlier one in the end, on average over all but the last.

        1/(T-1) sum_{j<T} (L[T, j] - min_{1<=t<T} L[t, j])

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(forgetting_of_loss(L), 4)  # of 0.9 - 0.4 and 0.7 - 0.5
    0.35
    """
    return metrics.forgetting(_negative(loss))


def backward_transfer_of_loss(loss: ArrayLike) -> float:
    """What later tasks took off a task's loss since it was learned, on average over all but the last.

        1/(T-1) sum_{j<T} (L[j, j] - L[T, j])

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(backward_transfer_of_loss(L), 4)  # of 0.5 - 0.9 and 0.5 - 0.7
    -0.3
    """
    return metrics.backward_transfer(_negative(loss))


def forward_transfer_of_loss(loss: ArrayLike) -> float:
    """What earlier tasks took off the loss of a task not yet learned, on average over all but the first.

        1/(T-1) sum_{j>1} (L[0, j] - L[j-1, j])

    It has a meaning where `forward_transfer` has one, in the scenario `domain`.

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(forward_transfer_of_loss(L), 4)  # of 2.3 - 2.0 and 2.3 - 1.8
    0.4
    """
    return metrics.forward_transfer(_negative(loss))


def learning_loss(loss: ArrayLike) -> float:
    """The loss on each task just after it was learned, on average.

        1/T sum_j L[j, j]

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(learning_loss(L), 4)  # of 0.5, 0.5 and 0.3
    0.4333
    """
    return metrics.learning_accuracy(loss)


def intransigence_of_loss(loss: ArrayLike, joint: ArrayLike) -> float:
    """What a task's loss gains by being learned in a stream, against a reference, on average.

        1/T sum_j (L[j, j] - L*[j])

    Args:
        loss: L [1 + T, T].
        joint: L* [T], as in `intransigence`.

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(intransigence_of_loss(L, joint=[0.5, 0.4, 0.2]), 4)
    0.0667
    """
    return metrics.intransigence(_negative(loss), -np.asarray(joint, dtype=float))


def average_anytime_loss(loss: ArrayLike) -> float:
    """The mean loss on the tasks seen so far, on average over the whole stream.

        1/T sum_t 1/t sum_{j<=t} L[t, j]

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> round(average_anytime_loss(L), 4)  # of 0.5, 0.45 and 0.6333
    0.5278
    """
    return metrics.average_anytime_accuracy(loss)


def worst_task_loss(loss: ArrayLike) -> float:
    """The final loss on the task where it is highest.

        max_j L[T, j]

    Args:
        loss: L [1 + T, T].

    >>> L = [[2.3, 2.3, 2.3], [0.5, 2.0, 2.3], [0.4, 0.5, 1.8], [0.9, 0.7, 0.3]]
    >>> worst_task_loss(L)
    0.9
    """
    return -metrics.worst_task_accuracy(_negative(loss))


def metrics_of(column: str) -> dict[str, Callable[[ArrayLike], float]]:
    """The metrics of the matrix of a column of records, by name.

    For accuracy they are `METRICS`. For a loss they are the like, named after it: average_nll,
    forgetting_nll, ...

    Args:
        column: accuracy, nll, ece or brier.

    Raises:
        ValueError: for a column of which it is not known whether low or high is better.

    >>> list(metrics_of("nll"))[:2]
    ['average_nll', 'forgetting_nll']
    >>> metrics_of("nll")["average_nll"]([[2.3], [0.4]])
    0.4
    """
    _check(column)
    if column == "accuracy":
        return {metric.name: metric.compute for metric in registered(MATRIX)}
    return {name_for(metric.name, column): _of_loss(metric) for metric in registered(MATRIX)}


def name_for(metric: str, column: str) -> str:
    """The name of a metric of accuracy where it is computed from another column.

    Raises:
        ValueError: as `metrics_of`.

    >>> name_for("worst_task_accuracy", "nll"), name_for("forgetting", "ece")
    ('worst_task_nll', 'forgetting_ece')
    """
    _check(column)
    if column == "accuracy":
        return metric
    stem = metric.removesuffix("_accuracy")
    return f"{stem}_{column}"


def higher_is_better(name: str) -> bool:
    """Whether more of a metric of `metrics_of` or of intransigence is better; True for a name of neither.

    >>> [higher_is_better(name) for name in ("average_accuracy", "average_nll", "forgetting")]
    [True, False, False]
    """
    for column in ("accuracy", *LOWER_IS_BETTER):
        for metric in registered(MATRIX, WITH_REFERENCE):
            if name == name_for(metric.name, column):
                is_loss = column != "accuracy" and not metric.is_change
                return (metric.better == "lower") == is_loss
    return True


def _check(column: str) -> None:
    if column != "accuracy" and column not in LOWER_IS_BETTER:
        known = ", ".join(("accuracy", *LOWER_IS_BETTER))
        raise ValueError(f"metrics are known for the columns {known}, got {column=}")


def _of_loss(metric: Metric) -> Callable[[ArrayLike], float]:
    """The metric of the negative: a change stands as it is, a level is turned back into a loss."""

    def of_loss(loss: ArrayLike) -> float:
        value = float(metric.compute(_negative(loss)))
        return value if metric.is_change else -value

    return of_loss


def _negative(loss: ArrayLike) -> np.ndarray:
    return -np.ma.asarray(loss, dtype=float)
