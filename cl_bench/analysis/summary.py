"""Matrices of many runs -> one row a method, and the curves of figures: means and intervals over seeds."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.intervals import student_t
from cl_bench.analysis.matrix import RunMatrix, by_method, matrices
from cl_bench.analysis.metrics import METRICS, average_accuracy, lost_in_a_stream
from cl_bench.analysis.tuning import Tuning, joined

MOST_METHODS = 40  # of a benchmark that are compared in pairs and drawn together: those that are best
REFERENCE = "joint"  # the strategy that trains on all tasks so far together
METRIC_NAMES = (*METRICS, "intransigence")
UNCERTAINTY = ("ece", "brier", "entropy", "mutual_information")  # columns of the records
FINAL_NAMES = (
    *UNCERTAINTY,
    *("stored_bits", "deployed_bits", "frozen", "ood_auroc", "training_seconds"),  # of the states
)
_METHOD_COLUMNS = ("study", "benchmark", "scenario", "num_tasks", "test_last", "method", "strategy")


def summary(
    frame: pd.DataFrame, states: pd.DataFrame | None = None, *, found: Sequence[RunMatrix] | None = None
) -> pd.DataFrame:
    """The metrics of every method, as means and intervals over seeds: one row a study, benchmark and method.

    The best average accuracy of a benchmark comes first.

    Columns: study, benchmark, scenario, num_tasks, test_last (metrics are over the last so many tasks; NA:
    over all), method, strategy, num_seeds (complete runs), num_left_out (runs with an incomplete matrix,
    which count nowhere), tuning and tuning_note (how the settings were found, see `Tuning`). For each metric
    there are <metric>_mean, <metric>_low and <metric>_high: fractions, 95 % Student t interval over seeds. A
    method without a complete run has num_seeds 0 and nan.

    The same for ece, brier, entropy and mutual_information (`Record`), after the last task and as means over
    the tasks tested. With a frame of `states` there are stored_bits, deployed_bits and frozen after the last
    task. There are also ood_auroc as a mean over the tasks after which it is defined, and training_seconds of
    all tasks. What a run of the method did not measure is nan.

    Intransigence is measured against the run of the strategy `joint` in the same study and benchmark with the
    same seed, over the seeds where there is one. When `joint` was swept, its variant of the best average
    accuracy is the reference.

    Args:
        frame: records, as `load` gives them.
        states: as `states` gives them.
        found: the `matrices` of the frame, where they are known already; so in the other functions here.

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
    final = _final_means(frame) | ({} if states is None else _of_states(states))
    rows = []
    for group in by_method(found).values():
        complete = [run for run in group if run.complete]
        row = _about(group[0]) | {"num_seeds": len(complete), "num_left_out": len(group) - len(complete)}
        row |= joined([tuned[run.study, run.run] for run in group])._asdict()
        values = {name: [run.measures.metrics[name] for run in complete] for name in METRICS}
        values["intransigence"] = [
            lost_in_a_stream(run.measures.learned, joint)
            for run in complete
            if (joint := references.get((run.study, run.benchmark, run.num_tasks, run.seed))) is not None
        ]
        for name in FINAL_NAMES:
            measures = final.get(name, {})
            values[name] = [measures.get((run.study, run.run), np.nan) for run in complete]
        for name, measured in values.items():
            interval = student_t(np.array(measured, dtype=float))
            row |= {f"{name}_{part}": float(value) for part, value in interval._asdict().items()}
        rows.append(row)
    columns = [*_METHOD_COLUMNS, "num_seeds", "num_left_out", *Tuning._fields]
    columns += [
        f"{name}_{part}" for name in (*METRIC_NAMES, *FINAL_NAMES) for part in ("mean", "low", "high")
    ]
    rows.sort(key=_best_first)
    return pd.DataFrame(rows, columns=columns).astype({"test_last": "Int64"})


def forgetting_curves(frame: pd.DataFrame, *, found: Sequence[RunMatrix] | None = None) -> pd.DataFrame:
    """The accuracy on each task as the stream goes on: a row a method, on_task and after_task (from 0).

    There is no row for what was not to be tested (`training.test_last`).

    Columns: study, benchmark, method, strategy, on_task, after_task, mean, low, high (fractions, 95 % Student
    t interval over seeds), num_seeds. Only runs with a complete matrix count.

    Args:
        frame: records, as `load` gives them.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> curves = forgetting_curves(frame)
    >>> curves[curves["on_task"] == 1][["after_task", "mean"]]
       after_task  mean
    0           0   0.1
    1           1   0.9
    2           2   0.7
    """
    groups = _complete_groups(matrices(frame) if found is None else found)
    parts = []
    for runs in groups:
        tests = [run.by_task() for run in runs]
        on_task, after_task, _ = tests[0]
        interval = student_t(np.stack([accuracy for _, _, accuracy in tests]))
        parts.append({"on_task": on_task, "after_task": after_task} | interval._asdict())
    return _joined(groups, parts, ["on_task", "after_task"])


def average_curves(frame: pd.DataFrame, *, found: Sequence[RunMatrix] | None = None) -> pd.DataFrame:
    """The mean accuracy over the tasks seen so far (and tested): a row a method and after_task (from 1).

    Columns: those of `forgetting_curves` without on_task. The last point is the average accuracy.

    Args:
        frame: records, as `load` gives them.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> average_curves(frame)[["after_task", "mean"]].round(4)
       after_task  mean
    0           1  0.90
    1           2  0.75
    """
    groups = _complete_groups(matrices(frame) if found is None else found)
    parts = []
    for runs in groups:
        interval = student_t(np.stack([run.measures.seen for run in runs]))
        parts.append({"after_task": np.arange(1, runs[0].num_tasks + 1)} | interval._asdict())
    return _joined(groups, parts, ["after_task"])


def _tuning(frame: pd.DataFrame) -> dict[Hashable, Tuning]:
    """(study, run) -> how its settings were found."""
    runs = frame.drop_duplicates(["study", "run"])
    told = (runs[name] for name in ("study", "run", *Tuning._fields))
    return {(study, run): Tuning(*fields) for study, run, *fields in zip(*told, strict=True)}


def _final_means(frame: pd.DataFrame) -> dict[Hashable, Any]:
    """Column -> (study, run) -> its mean over the tests after the last task."""
    last = frame[frame["after_task"] == frame["num_tasks"]]
    by_run = last.groupby(["study", "run"], sort=False)
    return {name: by_run[name].mean().to_dict() for name in UNCERTAINTY}


def _of_states(states: pd.DataFrame) -> dict[Hashable, Any]:
    """Measure -> (study, run) -> its number for the whole run."""
    last = states[states["after_task"] == states["num_tasks"]].set_index(["study", "run"])
    by_run = states.groupby(["study", "run"], sort=False)
    found: dict[Hashable, Any] = {
        name: last[name].to_dict() for name in ("stored_bits", "deployed_bits", "frozen")
    }
    found["ood_auroc"] = by_run["ood_auroc"].mean().to_dict()
    found["training_seconds"] = by_run["training_seconds"].sum().to_dict()
    return found


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


def _complete_groups(found: Sequence[RunMatrix]) -> list[list[RunMatrix]]:
    groups = by_method(run for run in found if run.complete)
    return [groups[key] for key in sorted(groups)]


def _about(run: RunMatrix) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _METHOD_COLUMNS}


def _best_first(row: dict[str, Any]) -> tuple[Any, ...]:
    accuracy = row["average_accuracy_mean"]
    return row["study"], row["benchmark"], np.isnan(accuracy), -accuracy, row["method"]


def _joined(
    groups: Sequence[Sequence[RunMatrix]], parts: Sequence[Mapping[str, np.ndarray]], where: Sequence[str]
) -> pd.DataFrame:
    """A part's rows, after what describes its group; all columns of all groups at once."""
    names = (*where, "mean", "low", "high")
    if not parts:
        columns = ["study", "benchmark", "method", "strategy", *names, "num_seeds"]
        return pd.DataFrame(columns=columns)
    lengths = [len(part["mean"]) for part in parts]
    table: dict[str, Any] = {
        name: np.repeat(np.array([getattr(runs[0], name) for runs in groups], dtype=object), lengths)
        for name in ("study", "benchmark", "method", "strategy")
    }
    table |= {name: np.concatenate([part[name] for part in parts]) for name in names}
    return pd.DataFrame(table | {"num_seeds": np.repeat([len(runs) for runs in groups], lengths)})
