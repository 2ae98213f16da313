"""Records of a run -> its accuracy matrix R, from which every metric is computed."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.errors import AnalysisError
from cl_bench.protocol import tasks_tested


class RunMatrix(NamedTuple):
    """One run's matrix. `accuracy[t, j - 1]` is R[t, j]: on task j, after training on tasks 1..t. Where the
    matrix is of another column of the records, its numbers are in the place of the accuracies.

    Where `test_last` is set it is a masked array, and the entries that were not to be tested are masked. An
    entry that was to be tested and was not (a run cut short) is nan.
    """

    study: str
    benchmark: str
    method: str
    strategy: str
    scenario: str
    seed: int
    run: str
    test_last: int | None  # after each task only the last so many were to be tested; None: all
    accuracy: np.ndarray  # [1 + num_tasks, num_tasks], fractions; row 0 is the untrained network

    @property
    def num_tasks(self) -> int:
        return self.accuracy.shape[1]

    @property
    def complete(self) -> bool:
        """Whether everything that was to be tested was."""
        return not bool(np.isnan(np.ma.compressed(self.accuracy)).any())


def accuracy_matrix(frame: pd.DataFrame, *, column: str = "accuracy") -> np.ndarray:
    """R of one run, [after task 0..T, on task 1..T]; nan where a test is missing, see `RunMatrix`.

    With another column of the records it is the matrix of that. Metrics of a column of which less is better
    are those of its negative: `forgetting(-matrix)` is how much nll or ece a task has gained since its best.
    """
    found = matrices(frame, column=column)
    if len(found) != 1:
        raise AnalysisError(f"an accuracy matrix belongs to one run, got {len(found)} runs")
    return found[0].accuracy


def matrices(frame: pd.DataFrame, *, column: str = "accuracy") -> list[RunMatrix]:
    """R of every run in a frame from `load`, incomplete ones too; `column` as in `accuracy_matrix`.

    Summaries and curves use only the complete ones: a killed run has no final accuracy, and a mean over the
    runs that got far would flatter a method whose bad seeds crash.
    """
    text = {
        name: frame[name].to_numpy(dtype=object)
        for name in RunMatrix._fields
        if name not in ("seed", "test_last", "accuracy")
    }
    seed, num_tasks, test_last = (frame[name].to_numpy() for name in ("seed", "num_tasks", "test_last"))
    after, on, accuracy = (frame[name].to_numpy() for name in ("after_task", "on_task", column))
    found = []
    for rows in frame.groupby(["study", "run"], sort=False).indices.values():
        first = rows[0]
        length = int(num_tasks[first])
        if max(after[rows].max(), on[rows].max()) > length:
            raise AnalysisError(f"run {text['run'][first]} has records beyond its last task, {length}")
        matrix = np.full((1 + length, length), np.nan)
        matrix[after[rows], on[rows] - 1] = accuracy[rows]
        last = None if pd.isna(test_last[first]) else int(test_last[first])
        if last is not None:
            matrix = np.ma.masked_array(matrix, mask=~_to_be_tested(length, last))
        about = {name: str(values[first]) for name, values in text.items()}
        found.append(RunMatrix(**about, seed=int(seed[first]), test_last=last, accuracy=matrix))
    return found


def _to_be_tested(num_tasks: int, test_last: int) -> np.ndarray:
    """[1 + num_tasks, num_tasks], of the shape of the matrix."""
    asked = np.zeros((1 + num_tasks, num_tasks), dtype=bool)
    for after_task, row in enumerate(asked):
        tasks = tasks_tested(after_task, num_tasks=num_tasks, test_last=test_last)
        row[tasks.start - 1 : tasks.stop - 1] = True
    return asked


def by_method(found: Iterable[RunMatrix]) -> dict[tuple[str, str, str], list[RunMatrix]]:
    """(study, benchmark, method) -> its runs."""
    groups: dict[tuple[str, str, str], list[RunMatrix]] = {}
    for run in found:
        groups.setdefault((run.study, run.benchmark, run.method), []).append(run)
    return groups
