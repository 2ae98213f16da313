"""Continual-learning metrics: pure functions on one run's accuracy matrix.

`accuracy` has shape [1 + T, T] and holds fractions. Row t, column j - 1 is R[t, j], the accuracy on task j
after training on tasks 1..t; row 0 is the untrained network. Tasks count from 1 in the formulas. A mean over
no task (the transfer and the forgetting of a stream of one task) is nan: there is nothing to measure, which
is not the same as 0. A nan in the matrix (a run cut short) makes every metric that needs the entry nan.

Where only the last k tasks were tested after each task (`training.test_last`), `accuracy` is a masked array,
and every mean and maximum is over the entries that are not masked: average accuracy is the mean of R[T, j]
over the last k tasks; forgetting and backward transfer are means over those of them that came before the last
task, the best earlier accuracy being over those t at which the task was tested; learning accuracy is the same
as ever; forward transfer, which needs tests before a task is learned, is nan.

What other libraries compute under the same names is in `others`; the same metrics of a loss are in `losses`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cl_bench.analysis.registry import LATEX, MATRIX, PAGE, PLACES, TEXT, WITH_REFERENCE, metric, registered


@metric("average accuracy", better="higher", meaning="mean of R[T, j]", places=PLACES)
def average_accuracy(accuracy: ArrayLike) -> float:
    """ACC = mean over j of R[T, j]: how well all tasks (that are tested) are known in the end."""
    return _mean(_checked(accuracy)[-1])


@metric(
    "forgetting",
    better="lower",
    meaning="mean over j < T of max over 1 ≤ t < T of R[t, j] - R[T, j]",
    places=PLACES,
    is_change=True,
)
def forgetting(accuracy: ArrayLike) -> float:
    """Mean over j < T of (max over 1 <= t < T of R[t, j]) - R[T, j]: best earlier minus final accuracy.

    The final accuracy is not among the earlier ones, so a task that is known best in the end counts negative.
    The untrained network (t = 0) has learned nothing that it could forget.
    """
    matrix = _checked(accuracy)
    if matrix.shape[1] == 1:
        return float("nan")
    best_earlier = matrix[1:-1, :-1].max(axis=0)
    return _mean(best_earlier - matrix[-1, :-1])


@metric(
    "backward transfer",
    better="higher",
    meaning="mean over j < T of R[T, j] - R[j, j]",
    places=(TEXT, PAGE, LATEX),
    is_change=True,
)
def backward_transfer(accuracy: ArrayLike) -> float:
    """BWT = mean over j < T of R[T, j] - R[j, j]: what later tasks did to a task since it was learned."""
    matrix = _checked(accuracy)
    return _mean(matrix[-1, :-1] - _when_learned(matrix)[:-1])


@metric("forward transfer", better="higher", meaning="mean over j > 1 of R[j-1, j] - R[0, j]", is_change=True)
def forward_transfer(accuracy: ArrayLike) -> float:
    """FWT = mean over j > 1 of R[j-1, j] - R[0, j]: what earlier tasks did for a task not yet learned."""
    matrix = _checked(accuracy)
    just_before = matrix.diagonal()  # row j - 1, column j - 1: R[j-1, j]
    return _mean(just_before[1:] - matrix[0, 1:])


@metric("learning accuracy", better="higher", meaning="mean of R[j, j]")
def learning_accuracy(accuracy: ArrayLike) -> float:
    """Mean over j of R[j, j]: how well each task is known just after it was learned."""
    return _mean(_when_learned(_checked(accuracy)))


@metric(
    "intransigence",
    of=WITH_REFERENCE,
    better="lower",
    meaning="accuracy on each task when it was learned, how far below that of `joint` with the same seed",
    is_change=True,
)
def intransigence(accuracy: ArrayLike, joint: ArrayLike) -> float:
    """Mean over j of joint[j] - R[j, j]: what a task loses by being learned in a stream.

    `joint`, [T], is the accuracy on task j of a reference trained on tasks 1..j together: `when_learned` of
    its matrix. Negative when the stream beats the reference.
    """
    learned = _when_learned(_checked(accuracy))
    reference = np.asarray(joint, dtype=float)
    if reference.shape != learned.shape:
        raise ValueError(f"joint must have one accuracy a task, [{len(learned)}], got {reference.shape}")
    return _mean(reference - learned)


@metric("anytime accuracy", better="higher", meaning="mean over t of the mean over j ≤ t of R[t, j]")
def average_anytime_accuracy(accuracy: ArrayLike) -> float:
    """AAA = mean over t = 1..T of (mean over j <= t of R[t, j]): how well seen tasks are known all along.

    Source: Caccia et al. 2020, "Online Fast Adaptation and Knowledge Accumulation"; also known as average
    incremental accuracy (Rebuffi et al. 2017, iCaRL).
    """
    return float(average_seen(accuracy).mean())


@metric("worst task", better="higher", meaning="least R[T, j]")
def worst_task_accuracy(accuracy: ArrayLike) -> float:
    """Min over j of R[T, j]: how well the task that is known worst (of those tested) is known in the end."""
    final = _checked(accuracy)[-1]
    return float(_known(final).min())


def average_seen(accuracy: ArrayLike) -> np.ndarray:
    """[T]: for t = 1..T the mean over j <= t of R[t, j], the accuracy on all tasks seen (that are tested)."""
    after = _checked(accuracy)[1:]
    seen = np.tril(~np.ma.getmaskarray(after))
    return np.where(seen, np.ma.getdata(after), 0).sum(axis=1) / seen.sum(axis=1)


def when_learned(accuracy: ArrayLike) -> np.ndarray:
    """[T]: R[j, j], the accuracy on each task just after it was learned."""
    return np.ma.filled(_when_learned(_checked(accuracy)).copy(), np.nan)


# The suite's own metrics of the matrix alone.
METRICS: dict[str, Callable[[ArrayLike], float]] = {each.name: each.compute for each in registered(MATRIX)}


def _checked(accuracy: ArrayLike) -> np.ndarray:
    matrix = _floats(accuracy)
    if matrix.ndim != 2 or matrix.shape[1] == 0 or matrix.shape[0] != 1 + matrix.shape[1]:
        raise ValueError(f"accuracy must have shape [1 + num_tasks, num_tasks], got {matrix.shape}")
    return matrix


def _floats(values: ArrayLike) -> np.ndarray:
    """Masked where they are; numpy is twenty times slower with masks, which few matrices have."""
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.asarray(values, dtype=float)
    return np.asarray(values, dtype=float)


def _when_learned(matrix: np.ndarray) -> np.ndarray:
    return matrix.diagonal(offset=-1)


def _known(values: np.ndarray) -> np.ndarray:
    """What is not masked."""
    return values.compressed() if isinstance(values, np.ma.MaskedArray) else values


def _mean(values: np.ndarray) -> float:
    """Of what is not masked; nan where that is nothing."""
    known = _known(values)
    return float(known.mean()) if known.size else float("nan")
