"""Matrices of many runs -> one row per method: means and intervals over seeds."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.afterwards import noted
from cl_bench.analysis.intervals import interval_of
from cl_bench.analysis.matrix import RunMatrix, by_method, matrices
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.recorded_measures import Measured
from cl_bench.analysis.registry import FOREIGN, MATRIX, RECORDS, STATES, WITH_REFERENCE, registered
from cl_bench.analysis.tuning import Tuning, joined
from cl_bench.moved import moved_name

MOST_METHODS = 40  # of a benchmark that are compared in pairs and drawn together: those that are best
REFERENCE = "joint"  # the strategy that trains on all tasks so far together
_METHOD_COLUMNS = ("study", "benchmark", "scenario", "num_tasks", "test_last", "method", "strategy")


def summary(
    frame: pd.DataFrame,
    states: pd.DataFrame | None = None,
    *,
    foreign: pd.DataFrame | None = None,
    found: Sequence[RunMatrix] | None = None,
    interval: str = "t",
) -> pd.DataFrame:
    """Means and intervals over seeds of every metric: one row per study, benchmark and method.

    The best average accuracy of a benchmark comes first.

    Columns:
        study, benchmark, scenario, num_tasks, method, strategy: what the row describes.
        test_last: metrics are over the last so many tasks. NA: over all.
        num_seeds: complete runs.
        num_left_out: runs with an incomplete matrix, which count nowhere.
        tuning, tuning_note: how the settings were found, see `Tuning`.

    Each metric has the columns <metric>_mean, <metric>_low and <metric>_high: fractions, with the 95 %
    Student t interval over seeds. A method without a complete run has num_seeds 0 and nan.

    The same for ece, brier, entropy, mutual_information, accuracy_task_known and accuracy_own_statistics
    (`Record`), after the last task and as means over the tasks tested. With a frame of `states` there are
    stored_bits, deployed_bits and frozen after the last task. There are also ood_auroc as a mean over the
    tasks after which it is defined, and training_seconds of all tasks. With a frame of `read_foreign` there
    are the AUROCs of foreign data sets. What a run of the method did not measure is nan. Each metric of
    `cl-bench metric` has columns, too: means over the tasks tested after the last one.

    Intransigence is measured against the run of the strategy `joint` in the same study and benchmark with the
    same seed, over the seeds where there is one. When `joint` was swept, its variant of the best average
    accuracy is the reference.

    Args:
        frame: records, as `load` gives them.
        states: as `states` gives them.
        foreign: as `read_foreign` gives them.
        found: the `matrices` of the frame, where they are known already; so in the other functions here.
        interval: another of `INTERVALS`: se, iqr (with medians for means), none.

    >>> R = [[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]]
    >>> other = [[0.1, 0.1], [0.9, 0.2], [0.5, 0.8]]
    >>> one = matrix_frame(R, method="ewc", seed=0)
    >>> two = matrix_frame(other, method="ewc", seed=1)
    >>> table = summary(pd.concat([one, two]))
    >>> means = ["average_accuracy_mean", "forgetting_mean"]
    >>> table[["method", "num_seeds", *means]].round(4)
      method  num_seeds  average_accuracy_mean  forgetting_mean
    0    ewc          2                    0.7              0.3
    """
    found = matrices(frame) if found is None else found
    references = reference_accuracies(found)
    tuned = _tuning(frame)
    extra = noted(frame.columns)
    recorded = _recorded(frame, states, foreign)
    recorded |= {metric.name: metric.compute(frame) for metric in extra}
    bounds_of = interval_of(interval)
    rows = []
    for group in by_method(found).values():
        complete = [run for run in group if run.complete]
        row = _about(group[0]) | {"num_seeds": len(complete), "num_left_out": len(group) - len(complete)}
        row |= joined([tuned[run.study, run.run] for run in group])._asdict()
        for name, measured in _values(complete, references, recorded).items():
            bounds = bounds_of(np.array(measured, dtype=float))
            row |= {f"{name}_{part}": float(value) for part, value in bounds._asdict().items()}
        rows.append(row)
    columns = [*_METHOD_COLUMNS, "num_seeds", "num_left_out", *Tuning._fields]
    columns += [
        f"{metric.name}_{part}" for metric in [*registered(), *extra] for part in ("mean", "low", "high")
    ]
    rows.sort(key=_best_first)
    return pd.DataFrame(rows, columns=columns).astype({"test_last": "Int64"})


def _tuning(frame: pd.DataFrame) -> dict[Hashable, Tuning]:
    """(study, run) -> how its settings were found."""
    runs = frame.drop_duplicates(["study", "run"])
    told = (runs[name] for name in ("study", "run", *Tuning._fields))
    return {(study, run): Tuning(*fields) for study, run, *fields in zip(*told, strict=True)}


def _recorded(
    frame: pd.DataFrame, states: pd.DataFrame | None, foreign: pd.DataFrame | None
) -> dict[str, Measured]:
    """Metric -> (study, run) -> its number, of the metrics that are no function of the matrix."""
    found = {metric.name: metric.compute(frame) for metric in registered(RECORDS)}
    for source, rows in ((STATES, states), (FOREIGN, foreign)):
        for metric in registered(source):
            found[metric.name] = {} if rows is None else metric.compute(rows)
    return found


def _values(
    runs: Sequence[RunMatrix], references: Mapping[Any, np.ndarray], recorded: Mapping[str, Measured]
) -> dict[str, list[float]]:
    """Metric -> its number of each run; of runs that have a reference, where it is against one."""
    values = {
        metric.name: [run.measures.metrics[metric.name] for run in runs] for metric in registered(MATRIX)
    }
    pairs = [
        (run.accuracy, joint)
        for run in runs
        if (joint := references.get((run.study, run.benchmark, run.num_tasks, run.seed))) is not None
    ]
    for metric in registered(WITH_REFERENCE):
        values[metric.name] = [metric.compute(accuracy, joint) for accuracy, joint in pairs]
    for name, numbers in recorded.items():
        values[name] = [numbers.get((run.study, run.run), np.nan) for run in runs]
    return values


def reference_accuracies(found: Sequence[RunMatrix]) -> dict[tuple[str, str, int, int], np.ndarray]:
    """The accuracy on each task, when it was learned, of the reference `joint`.

    >>> R = [[0.1, 0.1], [0.9, 0.2], [0.9, 0.9]]
    >>> found = reference_accuracies(
    ...     matrices(matrix_frame(R, method="joint", seed=3))
    ... )
    >>> [(seed, learned.tolist()) for (_, _, _, seed), learned in found.items()]
    [(3, [0.9, 0.9])]
    """
    groups = by_method(run for run in found if run.strategy == REFERENCE and run.complete)

    def mean_accuracy(runs: list[RunMatrix]) -> float:
        return float(np.mean([run.measures.metrics[average_accuracy.__name__] for run in runs]))

    references = {}
    for runs in sorted(groups.values(), key=mean_accuracy):  # the best variant comes last, and overwrites
        for run in runs:
            references[run.study, run.benchmark, run.num_tasks, run.seed] = run.measures.learned
    return references


def _about(run: RunMatrix) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _METHOD_COLUMNS}


def _best_first(row: dict[str, Any]) -> tuple[Any, ...]:
    accuracy = row["average_accuracy_mean"]
    return row["study"], row["benchmark"], np.isnan(accuracy), -accuracy, row["method"]


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
