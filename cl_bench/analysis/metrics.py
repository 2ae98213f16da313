"""Continual-learning metrics: pure functions on one run's accuracy matrix.

`accuracy` has shape [1 + T, T] and holds fractions. Row t, column j - 1 is R[t, j], the accuracy on task j
after training on tasks 1..t; row 0 is the untrained network. Tasks count from 1 in the formulas. A mean over
no task (the transfer and the forgetting of a stream of one task) is nan: there is nothing to measure, which
is not the same as 0. A nan in the matrix (a run cut short) makes every metric that needs the entry nan.

Where only the last k tasks were tested after each task (`training.test_last`), `accuracy` is a masked array.
Every mean and maximum is then over the entries that are not masked. Average accuracy is the mean of R[T, j]
over the last k tasks. Forgetting and backward transfer are means over those of them that came before the last
task; the best earlier accuracy is over those t at which the task was tested. Learning accuracy is the same as
ever. Forward transfer, which needs tests before a task is learned, is nan.

What other libraries compute under the same names is in `other_definitions`. The same metrics of a loss are
in `losses`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cl_bench.analysis.registry import (
    FIRST,
    LATEX,
    MATRIX,
    PAGE,
    PLACES,
    TEXT,
    WITH_REFERENCE,
    metric,
    registered,
)
from cl_bench.records.protocol import CLASS, TASK


@metric("average accuracy", better="higher", meaning="mean of R[T, j]", places=PLACES)
def average_accuracy(accuracy: ArrayLike) -> float:
    """How well all tasks (that are tested) are known in the end: the mean of the final accuracies.

        ACC = 1/T sum_j R[T, j]

    Source: Lopez-Paz, Ranzato 2017.

    Args:
        accuracy: R [1 + T, T].

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(average_accuracy(R), 4)  # of the last row
    0.7333
    """
    return _mean(_checked(accuracy)[-1])


@metric(
    "forgetting",
    better="lower",
    meaning="mean over j < T of max over 1 ≤ t < T of R[t, j] - R[T, j]",
    places=PLACES,
    is_change=True,
)
def forgetting(accuracy: ArrayLike) -> float:
    """How much of its best earlier accuracy a task has lost in the end, on average over all but the last.

        F = 1/(T-1) sum_{j<T} (max_{1<=t<T} R[t, j] - R[T, j])

    The final accuracy is not among the earlier ones, so a task that is known best in the end counts negative.
    The untrained network (t = 0) has learned nothing that it could forget.

    Args:
        accuracy: R [1 + T, T].

    Returns:
        A fraction; nan with one task.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(forgetting(R), 4)  # of 0.9 - 0.6 and 0.8 - 0.7
    0.2
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
    """What later tasks did to a task since it was learned, on average over all but the last.

        BWT = 1/(T-1) sum_{j<T} (R[T, j] - R[j, j])

    Source: Lopez-Paz, Ranzato 2017, equation 3.

    Args:
        accuracy: R [1 + T, T].

    Returns:
        A fraction, negative where tasks were forgotten; nan with one task.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(backward_transfer(R), 4)  # of 0.6 - 0.8 and 0.7 - 0.8
    -0.15
    """
    matrix = _checked(accuracy)
    return _mean(matrix[-1, :-1] - _when_learned(matrix)[:-1])


@metric(
    "forward transfer",
    better="higher",
    meaning="mean over j > 1 of R[j-1, j] - R[0, j]; in the scenario `domain` only",
    is_change=True,
    undefined_in=(TASK, CLASS),
)
def forward_transfer(accuracy: ArrayLike) -> float:
    """What earlier tasks did for a task not yet learned, on average over all but the first.

        FWT = 1/(T-1) sum_{j>1} (R[j-1, j] - R[0, j])

    It needs outputs that mean something before their task comes. Of runs in the scenario `task`, where that
    test goes through an untrained head, summaries have nan. So they have in `class`, where it is 0 minus
    chance, whatever the method: no class to come is ever predicted.

    Source: Lopez-Paz, Ranzato 2017, equation 4.

    Args:
        accuracy: R [1 + T, T].

    Returns:
        A fraction; nan with one task.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(forward_transfer(R), 4)  # of 0.2 - 0.1 and 0.3 - 0.1
    0.15
    """
    matrix = _checked(accuracy)
    just_before = matrix.diagonal()  # row j - 1, column j - 1: R[j-1, j]
    return _mean(just_before[1:] - matrix[0, 1:])


@metric("learning accuracy", better="higher", meaning="mean of R[j, j]", places=(PAGE, FIRST))
def learning_accuracy(accuracy: ArrayLike) -> float:
    """How well each task is known just after it was learned, on average.

        LA = 1/T sum_j R[j, j]

    Source: Riemer et al. 2019.

    Args:
        accuracy: R [1 + T, T].

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(learning_accuracy(R), 4)  # of 0.8, 0.8 and 0.9
    0.8333
    """
    return _mean(_when_learned(_checked(accuracy)))


@metric(
    "intransigence",
    of=WITH_REFERENCE,
    better="lower",
    meaning="accuracy on each task when it was learned, how far below that of `joint` with the same seed",
    is_change=True,
)
def intransigence(accuracy: ArrayLike, joint: ArrayLike) -> float:
    """What a task loses by being learned in a stream, against a reference, on average.

        I = 1/T sum_j (R*[j] - R[j, j])

    Source: Chaudhry et al. 2018. It is negative where the stream beats the reference.

    Args:
        accuracy: R [1 + T, T].
        joint: R* [T], the accuracy on task j of a reference trained on tasks 1..j together: `when_learned` of
            its matrix.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(intransigence(R, joint=[0.8, 0.9, 1.0]), 4)
    0.0667
    """
    learned = _when_learned(_checked(accuracy))
    reference = np.asarray(joint, dtype=float)
    if reference.shape != learned.shape:
        raise ValueError(f"joint must have one accuracy a task, [{len(learned)}], got {reference.shape}")
    return _mean(reference - learned)


@metric("anytime accuracy", better="higher", meaning="mean over t of the mean over j ≤ t of R[t, j]")
def average_anytime_accuracy(accuracy: ArrayLike) -> float:
    """How well the tasks seen so far are known, on average over the whole stream.

        AAA = 1/T sum_t 1/t sum_{j<=t} R[t, j]

    Source: Caccia et al. 2020, "Online Fast Adaptation and Knowledge Accumulation"; also known as average
    incremental accuracy (Rebuffi et al. 2017, iCaRL).

    Args:
        accuracy: R [1 + T, T].

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(average_anytime_accuracy(R), 4)  # of 0.8, 0.85 and 0.7333
    0.7944
    """
    return float(average_seen(accuracy).mean())


@metric("worst task", better="higher", meaning="least R[T, j]")
def worst_task_accuracy(accuracy: ArrayLike) -> float:
    """How well the task that is known worst (of those tested) is known in the end.

        W = min_j R[T, j]

    Args:
        accuracy: R [1 + T, T].

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> worst_task_accuracy(R)
    0.6
    """
    final = _checked(accuracy)[-1]
    return float(_known(final).min())


def average_seen(accuracy: ArrayLike) -> np.ndarray:
    """The mean accuracy on all tasks seen so far (that are tested), after each task.

        1/t sum_{j<=t} R[t, j]   for t = 1..T

    Args:
        accuracy: R [1 + T, T].

    Returns:
        [T]; the last one is the average accuracy.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> average_seen(R).round(4).tolist()
    [0.8, 0.85, 0.7333]
    """
    after = _checked(accuracy)[1:]
    seen = np.tril(~np.ma.getmaskarray(after))
    return np.where(seen, np.ma.getdata(after), 0).sum(axis=1) / seen.sum(axis=1)


def when_learned(accuracy: ArrayLike) -> np.ndarray:
    """The accuracy on each task just after it was learned.

        R[j, j]   for j = 1..T

    Args:
        accuracy: R [1 + T, T].

    Returns:
        [T].

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> when_learned(R).tolist()
    [0.8, 0.8, 0.9]
    """
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
    """The mean of what is not masked; nan where that is nothing."""
    known = _known(values)
    return float(known.mean()) if known.size else float("nan")
