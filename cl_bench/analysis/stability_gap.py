"""Continual evaluation: what happens to tasks seen while another is being learned.

A run with `training.probe_every` leaves probes.csv: tests of fixed samples of the tasks seen, every so many
steps. A(j, n) is the accuracy on task j after n steps of the run, e_t the last step of task t, T the number
of tasks. Accuracies are of samples: with m examples their standard error is at most 0.5 / sqrt(m). A
minimum over many tests is lower than the minimum of the true accuracies. Source: De Lange et al. 2023,
"Continual evaluation for lifelong learning: Identifying the stability gap".
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.frame import Damaged, repeated, rows_of
from cl_bench.analysis.labels import with_methods
from cl_bench.records.rows import Probe
from cl_bench.records.runs import Run, read_runs, seconds_of

RECOVERED = 0.95  # of the accuracy before the task


class Gap(NamedTuple):
    """What training on one task did to a task before it; fractions, and steps of the task trained on.

    Attributes:
        training_on: t.
        on_task: j < t.
        before: A(j, e_{t-1}).
        lowest: min over e_{t-1} < n <= e_t of A(j, n).
        after: A(j, e_t).
        depth: before - lowest, which is how much was lost on the way.
        rebound: after - lowest, which is how much of it came back: that is what makes it a gap.
        steps_to_lowest: steps until the lowest.
        steps_to_recovery: until A >= recovered * before, from the lowest on; nan: not in this task.

    >>> tests = {"before": 0.9, "lowest": 0.5, "after": 0.8}
    >>> lost = {"depth": 0.4, "rebound": 0.3}
    >>> gap = Gap(2, 1, **tests, **lost, steps_to_lowest=5, steps_to_recovery=10)
    >>> round(gap.before - gap.after, 4)  # what was lost for good
    0.1
    """

    training_on: int
    on_task: int
    before: float  # A(j, e_{t-1})
    lowest: float  # min over e_{t-1} < n <= e_t of A(j, n)
    after: float  # A(j, e_t)
    depth: float  # before - lowest: how much was lost on the way
    rebound: float  # after - lowest: how much of it came back, which is what makes it a gap
    steps_to_lowest: float
    steps_to_recovery: float  # until A >= recovered * before, from the lowest on; nan: not in this task


def probes(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """The probes of all finished runs in or below the folders, one row per test; see `read_probes`.

    >>> probes("results/reference/digits").empty  # none of these was probed
    True
    """
    return read_probes(with_methods(read_runs(*paths))[0])


def read_probes(found: Sequence[Run], *, damaged: Damaged | None = None) -> pd.DataFrame:
    """The probes of all finished runs that have some, one row per test.

    Columns: study, benchmark, method, strategy, seed, run, probe_seconds (what probing cost the run, nan
    where it does not say), and those of probes.csv: training_on, step, on_task, accuracy, nll, num_examples.

    Args:
        damaged: with it, a file that breaks the format is no error: its run goes there, and has no rows.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> # it was not probed
    >>> read_probes([Run(Path("few/ewc-s0"), "few", status="finished")]).empty
    True
    """
    rows_by_run = [rows_of(run, Probe, damaged) if run.status == "finished" else [] for run in found]
    probed = [(run, rows) for run, rows in zip(found, rows_by_run, strict=True) if rows]
    if not probed:
        return pd.DataFrame()
    fields = zip(*(row for _, rows in probed for row in rows), strict=True)
    columns: dict[str, Any] = dict(zip(Probe._fields, map(np.array, fields), strict=True))
    del columns["seed"]  # it comes with what describes the run
    lengths = [len(rows) for _, rows in probed]
    for name in ("study", "benchmark", "method", "strategy", "seed"):
        columns[name] = repeated([getattr(run, name) for run, _ in probed], lengths)
    columns["run"] = repeated([run.name for run, _ in probed], lengths)
    columns["probe_seconds"] = np.repeat(
        [seconds_of(run.about, "probe_seconds") for run, _ in probed], lengths
    )
    return pd.DataFrame(columns)


def minimum_accuracy(probes: pd.DataFrame) -> float:
    """The worst moment of each task since it was learned, on average over all but the last.

        min-ACC = 1/(T-1) sum_{j<T} min_{n>e_j} A(j, n)

    Source: De Lange et al. 2023.

    Args:
        probes: of one run, as `read_probes` gives them.

    Returns:
        A fraction; nan with one task.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> minimum_accuracy(probes)  # task 1, half-way through task 2
    0.5
    """
    training_on, on_task, accuracy = _arrays(probes, "training_on", "on_task", "accuracy")
    since = np.flatnonzero(training_on > on_task)
    if not len(since):
        return math.nan
    since = since[np.argsort(on_task[since], kind="stable")]
    first = np.flatnonzero(np.diff(on_task[since], prepend=-1))
    return float(np.minimum.reduceat(accuracy[since], first).mean())


def worst_case_accuracy(probes: pd.DataFrame) -> float:
    """The newest task as it is, and the others at their worst.

        WC-ACC = 1/T A(T, e_T) + (1 - 1/T) min-ACC

    Source: De Lange et al. 2023.

    Args:
        probes: of one run, as `read_probes` gives them.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> worst_case_accuracy(probes)  # the mean of 0.9 and 0.5
    0.7
    """
    training_on, on_task, step, accuracy = _arrays(probes, "training_on", "on_task", "step", "accuracy")
    last = int(training_on.max())
    newest = np.flatnonzero((training_on == last) & (on_task == last))
    final = float(accuracy[newest[np.argsort(step[newest], kind="stable")[-1]]])
    return final if last == 1 else final / last + (1 - 1 / last) * minimum_accuracy(probes)


def stability_gaps(probes: pd.DataFrame, *, recovered: float = RECOVERED) -> list[Gap]:
    """What training on each task did to each task before it, in one run.

    Of two tests at one step the later counts. Source: De Lange et al. 2023.

    Args:
        probes: of one run, as `read_probes` gives them.
        recovered: the share of the accuracy before the task at which it counts as recovered.

    Raises:
        ValueError: for `recovered` outside (0, 1].

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> (gap,) = stability_gaps(probes, recovered=0.8)
    >>> round(gap.depth, 4), round(gap.rebound, 4), gap.steps_to_recovery
    (0.4, 0.3, 10.0)
    """
    if not 0 < recovered <= 1:
        raise ValueError(f"recovered must be above 0 and at most 1, got {recovered=}")
    curves = _curves(probes)
    ends: dict[int, int] = {}
    for (task, _), (steps, _) in curves.items():
        ends[task] = max(ends.get(task, 0), int(steps[-1]))
    gaps = []
    for (task, on_task), (steps, accuracy) in curves.items():
        if on_task >= task or (task - 1, on_task) not in curves:
            continue
        before = float(curves[task - 1, on_task][1][-1])
        taken = steps - ends[task - 1]
        place = int(accuracy.argmin())
        lowest, after = float(accuracy[place]), float(accuracy[-1])
        back = np.flatnonzero(accuracy[place:] >= recovered * before)
        gaps.append(
            Gap(
                training_on=task,
                on_task=on_task,
                before=before,
                lowest=lowest,
                after=after,
                depth=before - lowest,
                rebound=after - lowest,
                steps_to_lowest=float(taken[place]),
                steps_to_recovery=_recovery(lowest >= recovered * before, taken[place:], back),
            )
        )
    return gaps


def _curves(probes: pd.DataFrame) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """(training_on, on_task) -> steps and accuracies in their order; of two tests at one step the later."""
    training_on, on_task, step, accuracy = _arrays(probes, "training_on", "on_task", "step", "accuracy")
    order = np.lexsort((step, on_task, training_on))
    places = np.stack([training_on, on_task, step])[:, order]
    later = np.append((places[:, 1:] != places[:, :-1]).any(axis=0), np.ones(min(1, len(order)), dtype=bool))
    (training_on, on_task, step), accuracy = places[:, later], accuracy[order][later]
    first = np.flatnonzero(np.diff(training_on, prepend=-1) | np.diff(on_task, prepend=-1))
    return {
        (int(training_on[start]), int(on_task[start])): (step[start:end], accuracy[start:end])
        for start, end in zip(first, [*first[1:], len(step)], strict=True)
    }


def _arrays(probes: pd.DataFrame, *names: str) -> list[np.ndarray]:
    return [probes[name].to_numpy() for name in names]


def continual_evaluation(probes: pd.DataFrame, *, recovered: float = RECOVERED) -> pd.DataFrame:
    """The stability of every run that was probed, one row per run.

    Columns: study, benchmark, method, strategy, seed, run, minimum_accuracy, worst_case_accuracy, gap_depth
    and gap_rebound (means over the gaps), share_recovered (of the gaps), steps_to_recovery (mean over those
    that recovered), probe_seconds.

    Args:
        probes: as `read_probes` gives them.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> probes = probes.assign(**about)
    >>> probes = probes.assign(strategy="ewc", seed=0, probe_seconds=1.0)
    >>> table = continual_evaluation(probes)
    >>> table[["minimum_accuracy", "worst_case_accuracy", "gap_depth"]].round(4)
       minimum_accuracy  worst_case_accuracy  gap_depth
    0               0.5                  0.7        0.4
    """
    about = ["study", "benchmark", "method", "strategy", "seed", "run"]
    columns = [
        *about,
        "minimum_accuracy",
        "worst_case_accuracy",
        "gap_depth",
        "gap_rebound",
        "share_recovered",
    ]
    columns += ["steps_to_recovery", "probe_seconds"]
    rows = []
    numbers = probes.drop(columns=about, errors="ignore")  # to cut texts takes longer than all else
    groups: Mapping[Any, Any] = probes.groupby(about, sort=False).indices if len(probes) else {}
    for key, places in groups.items():
        run = numbers.iloc[places]
        gaps = np.array(stability_gaps(run, recovered=recovered)).reshape(-1, len(Gap._fields))
        depth, rebound, steps = (
            gaps[:, Gap._fields.index(name)] for name in ("depth", "rebound", "steps_to_recovery")
        )
        row = [*key, minimum_accuracy(run), worst_case_accuracy(run), _mean(depth), _mean(rebound)]
        row += [_mean((~np.isnan(steps)).astype(float)), _mean(steps)]
        rows.append([*row, run["probe_seconds"].iloc[0]])
    return pd.DataFrame(rows, columns=columns)


def _mean(values: np.ndarray) -> float:
    """The mean of the known values; nan where there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _recovery(never_lost: bool, steps: np.ndarray, back: np.ndarray) -> float:
    if never_lost:
        return 0.0
    return float(steps[back[0]]) if len(back) else float("nan")
