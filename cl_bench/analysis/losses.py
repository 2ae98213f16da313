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
    """Mean over j of L[T, j]."""
    return metrics.average_accuracy(loss)


def forgetting_of_loss(loss: ArrayLike) -> float:
    """Mean over j < T of L[T, j] - (min over 1 <= t < T of L[t, j]): final minus best earlier loss."""
    return metrics.forgetting(_negative(loss))


def backward_transfer_of_loss(loss: ArrayLike) -> float:
    """Mean over j < T of L[j, j] - L[T, j]: what later tasks took off a task's loss since it was learned."""
    return metrics.backward_transfer(_negative(loss))


def forward_transfer_of_loss(loss: ArrayLike) -> float:
    """Mean over j > 1 of L[0, j] - L[j-1, j]: what earlier tasks took off the loss of a task not yet
    learned.
    """
    return metrics.forward_transfer(_negative(loss))


def learning_loss(loss: ArrayLike) -> float:
    """Mean over j of L[j, j]."""
    return metrics.learning_accuracy(loss)


def intransigence_of_loss(loss: ArrayLike, joint: ArrayLike) -> float:
    """Mean over j of L[j, j] - joint[j]; `joint`, [T], as in `metrics.intransigence`."""
    return metrics.intransigence(_negative(loss), -np.asarray(joint, dtype=float))


def average_anytime_loss(loss: ArrayLike) -> float:
    """Mean over t = 1..T of (mean over j <= t of L[t, j])."""
    return metrics.average_anytime_accuracy(loss)


def worst_task_loss(loss: ArrayLike) -> float:
    """Max over j of L[T, j]."""
    return -metrics.worst_task_accuracy(_negative(loss))


def metrics_of(column: str) -> dict[str, Callable[[ArrayLike], float]]:
    """Name -> metric of the matrix of this column of records: `metrics.METRICS` for accuracy, and for a loss
    the like, named after it: average_nll, forgetting_nll, ...

    Raises:
        ValueError: for a column of which it is not known whether low or high is better.
    """
    _check(column)
    if column == "accuracy":
        return {metric.name: metric.compute for metric in registered(MATRIX)}
    return {name_for(metric.name, column): _of_loss(metric) for metric in registered(MATRIX)}


def name_for(metric: str, column: str) -> str:
    """The name of a metric of accuracy where it is computed from another column: worst_task_nll.

    Raises:
        ValueError: as `metrics_of`.
    """
    _check(column)
    if column == "accuracy":
        return metric
    stem = metric.removesuffix("_accuracy")
    return f"{stem}_{column}"


def higher_is_better(name: str) -> bool:
    """Whether more of a metric of `metrics_of` or of intransigence is better; True for a name of neither."""
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
