"""Records of a run -> its accuracy matrix R, from which every metric is computed."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.metrics import average_seen, when_learned
from cl_bench.analysis.registry import MATRIX, registered
from cl_bench.records.errors import AnalysisError
from cl_bench.records.protocol import num_tests, tasks_tested


@dataclass(frozen=True, eq=False)
class RunMatrix:
    """The accuracy matrix R of one run, and whose it is.

    `accuracy[t, j - 1]` is R[t, j]: the accuracy on task j, after training on tasks 1..t. Where the matrix is
    of another column of the records, its numbers are in the place of the accuracies.

    Only the tests are kept. The matrix, which has the square of the tasks, is made when it is asked for: a
    run may say that it has thousands of tasks, and have tested three.

    >>> R = [[0.1, 0.1], [0.9, 0.2], [0.7, np.nan]]  # killed before the last test
    >>> (run,) = matrices(matrix_frame(R, method="ewc"))
    >>> isinstance(run, RunMatrix), run.complete
    (True, False)
    >>> run.accuracy[2]
    array([0.7, nan])
    """

    study: str
    benchmark: str
    method: str
    strategy: str
    scenario: str
    seed: int
    run: str
    num_tasks: int
    test_last: int | None  # after each task only the last so many were to be tested; None: all
    after: np.ndarray  # [n], of each test; no pair (after, on) is there twice
    on: np.ndarray  # [n]
    tested: np.ndarray  # [n], fractions

    @property
    def accuracy(self) -> np.ndarray:
        """[1 + num_tasks, num_tasks], fractions; row 0 is the untrained network.

        Where `test_last` is set it is a masked array, and the entries that were not to be tested are masked.
        An entry that was to be tested and was not (a run cut short) is nan.
        """
        matrix = np.full((1 + self.num_tasks, self.num_tasks), np.nan)
        matrix[self.after, self.on - 1] = self.tested
        if self.test_last is None:
            return matrix
        return np.ma.masked_array(matrix, mask=~_to_be_tested(self.num_tasks, self.test_last))

    @cached_property
    def complete(self) -> bool:
        """Whether everything that was to be tested was."""
        return int(self._known.sum()) == num_tests(num_tasks=self.num_tasks, test_last=self.test_last)

    @cached_property
    def measures(self) -> "Measures":
        """The metrics of the whole matrix, which is made once for all of them."""
        matrix = self.accuracy
        return Measures(
            {
                metric.name: math.nan if self.scenario in metric.undefined_in else metric.compute(matrix)
                for metric in registered(MATRIX)
            },
            when_learned(matrix),
            average_seen(matrix),
        )

    def by_task(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tests that were to be made and were made, task after task.

        They are on_task, after_task and accuracy, [n] each.
        """
        order = np.lexsort((self.after, self.on))
        order = order[self._known[order]]
        return self.on[order], self.after[order], self.tested[order]

    def average_so_far(self) -> np.ndarray:
        """[T]: `metrics.average_seen`, nan where a test is missing, as in a run cut short."""
        rows = self._known & (self.on <= self.after)
        sums = np.bincount(self.after[rows], self.tested[rows], minlength=1 + self.num_tasks)[1:]
        asked = np.arange(1, 1 + self.num_tasks)
        asked = asked if self.test_last is None else np.minimum(asked, self.test_last)
        tested = np.bincount(self.after[rows], minlength=1 + self.num_tasks)[1:]
        return np.where(tested == asked, sums / asked, np.nan)

    @cached_property
    def _known(self) -> np.ndarray:
        """A mask of the tests that were to be made and have an accuracy."""
        known = ~np.isnan(self.tested)
        if self.test_last is not None:
            known &= (self.on <= self.after) & (self.on > self.after - self.test_last)
        return known


class Measures(NamedTuple):
    """What follows from a run's matrix.

    Attributes:
        metrics: all of `METRICS`, by name; nan where the run's scenario leaves one without meaning.
        learned: the accuracy on each task when it was learned, [T].
        seen: the mean accuracy on the tasks seen so far, [T].

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> measures = matrices(frame)[0].measures
    >>> isinstance(measures, Measures), round(measures.metrics["forgetting"], 4)
    (True, 0.2)
    """

    metrics: dict[str, float]  # all that are of the matrix alone
    learned: np.ndarray  # [T], `when_learned`
    seen: np.ndarray  # [T], `average_seen`


def accuracy_matrix(frame: pd.DataFrame, *, column: str = "accuracy") -> np.ndarray:
    """The accuracy matrix R of one run; nan where a test is missing.

    With another column of the records it is the matrix of that. Metrics of a column of which less is better
    are in `losses`.

    Args:
        frame: the records of one run, as `load` gives them.

    Returns:
        [after task 0..T, on task 1..T]; masked where tests were limited, see `RunMatrix`.

    Raises:
        AnalysisError: for the records of no run, or of several.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> accuracy_matrix(frame)
    array([[0.1, 0.1],
           [0.9, 0.2],
           [0.7, 0.8]])
    """
    found = matrices(frame, column=column)
    if len(found) != 1:
        raise AnalysisError(f"an accuracy matrix belongs to one run, got {len(found)} runs")
    return found[0].accuracy


def matrices(frame: pd.DataFrame, *, column: str = "accuracy") -> list[RunMatrix]:
    """The accuracy matrix R of every run in a frame of `load`, incomplete ones too.

    Summaries and curves use only the complete ones. A killed run has no final accuracy, and a mean over the
    runs that got far would flatter a method whose bad seeds crash.

    Args:
        frame: records, as `load` gives them.
        column: as in `accuracy_matrix`.

    Raises:
        AnalysisError: for a run with records beyond its last task.

    >>> whole = matrix_frame([[0.1], [0.9]], method="ewc", seed=0)
    >>> killed = matrix_frame([[0.1], [np.nan]], method="ewc", seed=1)
    >>> [(run.seed, run.complete) for run in matrices(pd.concat([whole, killed]))]
    [(0, True), (1, False)]
    """
    names = ("study", "benchmark", "method", "strategy", "scenario", "run")
    text = {name: frame[name].to_numpy(dtype=object) for name in names}
    seed, num_tasks, test_last = (frame[name].to_numpy() for name in ("seed", "num_tasks", "test_last"))
    after, on, tested = (frame[name].to_numpy() for name in ("after_task", "on_task", column))
    found = []
    for rows in frame.groupby(["study", "run"], sort=False).indices.values():
        first = rows[0]
        length = int(num_tasks[first])
        if max(after[rows].max(), on[rows].max()) > length:
            raise AnalysisError(f"run {text['run'][first]} has records beyond its last task, {length}")
        # of a test that is there twice the last counts
        newest = rows[::-1]
        _, once = np.unique(after[newest] * (length + 1) + on[newest], return_index=True)
        kept = newest[once]
        found.append(
            RunMatrix(
                **{name: str(values[first]) for name, values in text.items()},
                seed=int(seed[first]),
                num_tasks=length,
                test_last=None if pd.isna(test_last[first]) else int(test_last[first]),
                after=after[kept],
                on=on[kept],
                tested=tested[kept].astype(float),
            )
        )
    return found


def _to_be_tested(num_tasks: int, test_last: int) -> np.ndarray:
    """[1 + num_tasks, num_tasks], of the shape of the matrix."""
    asked = np.zeros((1 + num_tasks, num_tasks), dtype=bool)
    for after_task, row in enumerate(asked):
        tasks = tasks_tested(after_task, num_tasks=num_tasks, test_last=test_last)
        row[tasks.start - 1 : tasks.stop - 1] = True
    return asked


def by_method(found: Iterable[RunMatrix]) -> dict[tuple[str, str, str], list[RunMatrix]]:
    """Runs by study, benchmark and method.

    >>> frames = [
    ...     matrix_frame([[0.1], [0.9]], method="ewc", seed=seed) for seed in (0, 1)
    ... ]
    >>> groups = by_method(matrices(pd.concat(frames)))
    >>> {method: len(group) for (_, _, method), group in groups.items()}
    {'ewc': 2}
    """
    groups: dict[tuple[str, str, str], list[RunMatrix]] = {}
    for run in found:
        groups.setdefault((run.study, run.benchmark, run.method), []).append(run)
    return groups
