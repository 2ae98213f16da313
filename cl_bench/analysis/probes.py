"""Continual evaluation: what happens to tasks seen while another is being learned.

A run with `training.probe_every` leaves probes.csv: tests of fixed samples of the tasks seen, every so many
steps. A(j, n) is the accuracy on task j after n steps of the run, e_t the last step of task t, T the number
of tasks. Accuracies are of samples: with m examples their standard error is at most 0.5 / sqrt(m), and a
minimum over many tests is lower than the minimum of the true accuracies. Source: De Lange et al. 2023,
"Continual evaluation for lifelong learning: Identifying the stability gap".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.folders import Run, seconds_of
from cl_bench.analysis.frame import Damaged, rows_of
from cl_bench.records import Probe

RECOVERED = 0.95  # of the accuracy before the task


class Gap(NamedTuple):
    """What training on one task did to a task before it; fractions, and steps of the task trained on."""

    training_on: int
    on_task: int
    before: float  # A(j, e_{t-1})
    lowest: float  # min over e_{t-1} < n <= e_t of A(j, n)
    after: float  # A(j, e_t)
    depth: float  # before - lowest: how much was lost on the way
    rebound: float  # after - lowest: how much of it came back, which is what makes it a gap
    steps_to_lowest: float
    steps_to_recovery: float  # until A >= recovered * before, from the lowest on; nan: not in this task


def read_probes(found: Sequence[Run], *, damaged: Damaged | None = None) -> pd.DataFrame:
    """The probes of all finished runs that have some, one row a test.

    Columns: study, benchmark, method, strategy, seed, run, probe_seconds (what probing cost the run, nan
    where it does not say), and those of probes.csv: training_on, step, on_task, accuracy, nll, num_examples.
    With `damaged` a file that breaks the format is no error: its run goes there, and has no rows.
    """
    parts = []
    for run in found:
        rows = rows_of(run, Probe, damaged) if run.status == "finished" else []
        if rows:
            about = {
                name: getattr(run, name) for name in ("study", "benchmark", "method", "strategy", "seed")
            }
            seconds = seconds_of(run.about, "probe_seconds")
            table = pd.DataFrame(rows, columns=Probe._fields).drop(columns="seed")
            parts.append(table.assign(**about, run=run.name, probe_seconds=seconds))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def minimum_accuracy(probes: pd.DataFrame) -> float:
    """min-ACC = mean over j < T of (min over n > e_j of A(j, n)): the worst moment of each task since it was
    learned. nan with one task.
    """
    since = probes[probes["training_on"] > probes["on_task"]]
    lowest = since.groupby("on_task")["accuracy"].min()
    return float(lowest.mean()) if len(lowest) else float("nan")


def worst_case_accuracy(probes: pd.DataFrame) -> float:
    """WC-ACC = A(T, e_T) / T + (1 - 1 / T) min-ACC: the newest task as it is, the others at their worst."""
    last = int(probes["training_on"].max())
    newest = probes[(probes["training_on"] == last) & (probes["on_task"] == last)]
    final = float(newest.sort_values("step", kind="stable")["accuracy"].iloc[-1])
    return final if last == 1 else final / last + (1 - 1 / last) * minimum_accuracy(probes)


def stability_gaps(probes: pd.DataFrame, *, recovered: float = RECOVERED) -> list[Gap]:
    """Of one run: a `Gap` for each task and each one before it. Of two tests at one step the later counts."""
    if not 0 < recovered <= 1:
        raise ValueError(f"recovered must be above 0 and at most 1, got {recovered=}")
    ends = probes.groupby("training_on")["step"].max()
    curves: dict[tuple[Any, Any], pd.DataFrame] = {
        (task, on_task): rows.drop_duplicates("step", keep="last").sort_values("step")
        for (task, on_task), rows in probes.groupby(["training_on", "on_task"])
    }
    gaps = []
    for (task, on_task), rows in curves.items():
        if on_task >= task or (task - 1, on_task) not in curves:
            continue
        before = float(curves[task - 1, on_task]["accuracy"].iloc[-1])
        accuracy, steps = rows["accuracy"].to_numpy(), rows["step"].to_numpy() - ends[task - 1]
        place = int(accuracy.argmin())
        lowest = float(accuracy[place])
        back = np.flatnonzero(accuracy[place:] >= recovered * before)
        gaps.append(
            Gap(
                training_on=int(task),
                on_task=int(on_task),
                before=before,
                lowest=lowest,
                after=float(accuracy[-1]),
                depth=before - lowest,
                rebound=float(accuracy[-1]) - lowest,
                steps_to_lowest=float(steps[place]),
                steps_to_recovery=_recovery(lowest >= recovered * before, steps[place:], back),
            )
        )
    return gaps


def continual_evaluation(probes: pd.DataFrame, *, recovered: float = RECOVERED) -> pd.DataFrame:
    """One row a run of `read_probes`.

    Columns: study, benchmark, method, strategy, seed, run, minimum_accuracy, worst_case_accuracy, gap_depth
    and gap_rebound (means over the gaps), share_recovered (of the gaps), steps_to_recovery (mean over those
    that recovered), probe_seconds.
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
    for key, run in probes.groupby(about, sort=False) if len(probes) else ():
        gaps = pd.DataFrame(stability_gaps(run, recovered=recovered), columns=list(Gap._fields))
        row = [*key, minimum_accuracy(run), worst_case_accuracy(run)]
        row += [gaps["depth"].mean(), gaps["rebound"].mean()]
        row += [gaps["steps_to_recovery"].notna().mean(), gaps["steps_to_recovery"].mean()]
        rows.append([*row, run["probe_seconds"].iloc[0]])
    return pd.DataFrame(rows, columns=columns)


def _recovery(never_lost: bool, steps: np.ndarray, back: np.ndarray) -> float:
    if never_lost:
        return 0.0
    return float(steps[back[0]]) if len(back) else float("nan")
