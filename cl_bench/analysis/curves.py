"""The curves of figures: a measure at each place of a stream, as a mean and interval over seeds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.intervals import interval_of
from cl_bench.analysis.matrix import RunMatrix, by_method, matrices
from cl_bench.analysis.over_seeds import METHOD, over_seeds
from cl_bench.analysis.tested import newest
from cl_bench.records.protocol import TASK

_RUN = [*METHOD, "run"]


def forgetting_curves(
    frame: pd.DataFrame, *, found: Sequence[RunMatrix] | None = None, interval: str = "t"
) -> pd.DataFrame:
    """The accuracy on each task as the stream goes on: one row per method, on_task and after_task (from 0).

    There is no row for what was not to be tested (`training.test_last`).

    Columns: study, benchmark, method, strategy, on_task, after_task, mean, low, high (fractions, 95 % Student
    t interval over seeds), num_seeds. Only runs with a complete matrix count.

    Args:
        frame: records, as `load` gives them.
        found: the `matrices` of the frame, where they are known already; or those of another column.
        interval: another of `INTERVALS`; so in the other functions here.

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
        bounds = interval_of(interval)(np.stack([accuracy for _, _, accuracy in tests]))
        parts.append({"on_task": on_task, "after_task": after_task} | bounds._asdict())
    return _joined(groups, parts, ["on_task", "after_task"])


def average_curves(
    frame: pd.DataFrame, *, found: Sequence[RunMatrix] | None = None, interval: str = "t"
) -> pd.DataFrame:
    """The mean accuracy over the tasks seen so far (and tested): one row per method and after_task (from 1).

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
        bounds = interval_of(interval)(np.stack([run.measures.seen for run in runs]))
        parts.append({"after_task": np.arange(1, runs[0].num_tasks + 1)} | bounds._asdict())
    return _joined(groups, parts, ["after_task"])


def state_curves(states: pd.DataFrame, column: str, *, interval: str = "t") -> pd.DataFrame:
    """A measure of the strategy's state (drift, frozen, ...) after each task, with its interval over seeds.

    Columns: those of `over_seeds`, by after_task.

    Args:
        states: as `states` gives them.
        column: one of `State`.

    >>> frozen = {"after_task": [0, 1, 0, 1], "frozen": [0.0, 0.2, 0.0, 0.4]}
    >>> about = {"study": "few", "benchmark": "digits", "method": "vcl"}
    >>> table = pd.DataFrame(frozen).assign(**about)
    >>> state_curves(table, "frozen")[["after_task", "mean", "num_seeds"]].round(4)
       after_task  mean  num_seeds
    0           0   0.0          2
    1           1   0.3          2
    """
    return over_seeds(states, column, by=["after_task"], interval=interval)


def seen_and_unseen(frame: pd.DataFrame, column: str, *, interval: str = "t") -> pd.DataFrame:
    """A column of the records (entropy, ...) on tasks learned already, and on those still to come.

        seen:   1/t sum_{j<=t} U[t, j]
        unseen: 1/(T-t) sum_{j>t} U[t, j]   for t = 0..T

    These are of each run and of the tasks tested; then over seeds. Runs in the scenario `task` have no rows
    of tasks to come, whose heads are untrained. Columns: those of `over_seeds`, by seen
    and after_task.

    Args:
        frame: records, as `load` gives them.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> table = seen_and_unseen(frame, "accuracy")
    >>> table[["seen", "after_task", "mean"]].round(4)
        seen  after_task  mean
    0  False           0  0.10
    1  False           1  0.20
    2   True           1  0.90
    3   True           2  0.75
    """
    frame = newest(frame)
    values = frame.assign(seen=frame["on_task"] <= frame["after_task"])
    if "scenario" in values:
        values = values[values["seen"] | (values["scenario"] != TASK)]
    places = [*METHOD, "run", "seen", "after_task"]
    means = values.groupby(places, sort=False)[column].mean().reset_index()
    return over_seeds(means, column, by=["seen", "after_task"], interval=interval)


def probe_curves(probes: pd.DataFrame, *, interval: str = "t") -> pd.DataFrame:
    """The accuracy on each task over the steps of the run, since the task was begun.

    Of two tests at one step the later counts. Only steps at which all runs of a method were tested are in it.
    Columns: those of `over_seeds`, by on_task, training_on and step.

    Args:
        probes: as `read_probes` gives them.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> probes = probes.assign(**about)
    >>> probe_curves(probes)[["on_task", "training_on", "step", "mean"]]
       on_task  training_on  step  mean
    0        1            1    10   0.9
    1        1            2    15   0.5
    2        1            2    20   0.8
    3        2            2    20   0.9
    """
    places = ["on_task", "training_on", "step"]
    tests = probes.drop_duplicates([*_RUN, *places], keep="last")
    return _where_all(tests, "accuracy", places, interval)


def gap_curves(probes: pd.DataFrame, *, interval: str = "t") -> pd.DataFrame:
    """What the training of a task does to the tasks before it, step by step: the stability gap on average.

        mean over t > 1 and j < t of A(j, e_{t-1} + n) - A(j, e_{t-1})

    n counts the steps into task t. It is for those n at which all of these are tested; then over seeds.
    Source: De Lange et al. 2023, for A(j, n) and e_t. Columns: those of `over_seeds`, by steps_since.

    Args:
        probes: as `read_probes` gives them.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> probes = probes.assign(**about)
    >>> gap_curves(probes)[["steps_since", "mean"]].round(4)
       steps_since  mean
    0            5  -0.4
    1           10  -0.1
    """
    tests = probes.drop_duplicates([*_RUN, "on_task", "training_on", "step"], keep="last")
    ends = tests.groupby([*_RUN, "training_on"], sort=False)["step"].max().rename("end").reset_index()
    before = tests.merge(ends, on=[*_RUN, "training_on"])
    before = before[before["step"] == before["end"]].assign(training_on=before["training_on"] + 1)
    before = before[[*_RUN, "training_on", "on_task", "end", "accuracy"]]
    since = tests.merge(before, on=[*_RUN, "training_on", "on_task"], suffixes=("", "_before"))
    since = since.assign(
        change=since["accuracy"] - since["accuracy_before"], steps_since=since["step"] - since["end"]
    )
    by_step = since.groupby([*_RUN, "steps_since"], sort=False)["change"].agg(["mean", "size"]).reset_index()
    pairs = since.drop_duplicates([*_RUN, "training_on", "on_task"]).groupby(_RUN).size().rename("pairs")
    by_step = by_step.merge(pairs.reset_index(), on=_RUN)
    everywhere = by_step[by_step["size"] == by_step["pairs"]].rename(columns={"mean": "change"})
    return _where_all(everywhere, "change", ["steps_since"], interval)


class OffStep(NamedTuple):
    """Which methods take other numbers of steps than most.

    Attributes:
        steps: at which the tasks end for the others, [T].
        methods: those that differ.

    >>> OffStep(steps=[10, 20], methods={"joint"}).steps[-1]
    20
    """

    steps: list[int]
    methods: set[str]


def off_step(curves: pd.DataFrame) -> OffStep:
    """Find the steps at which tasks end for most methods, and the methods for which they end elsewhere.

    Joint training takes more steps with each task. Training on a memory alone has a number of its own. On an
    axis of steps their tasks do not stand above those of the others.

    Args:
        curves: one benchmark's rows of `probe_curves`.

    >>> ends = {"ewc": [10, 20], "si": [10, 20], "joint": [10, 30]}
    >>> rows = [(method, t + 1, step) for method in ends for t, step in enumerate(ends[method])]
    >>> off_step(pd.DataFrame(rows, columns=["method", "training_on", "step"]))
    OffStep(steps=[10, 20], methods={'joint'})
    """
    ends = curves.groupby(["method", "training_on"])["step"].max().groupby("method").agg(tuple)
    counted = Counter(ends)
    most = max(counted, key=lambda steps: (counted[steps], [-step for step in steps]))
    return OffStep([int(step) for step in most], set(ends.index[ends != most]))


def _complete_groups(found: Sequence[RunMatrix]) -> list[list[RunMatrix]]:
    groups = by_method(run for run in found if run.complete)
    return [groups[key] for key in sorted(groups)]


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


def _where_all(values: pd.DataFrame, column: str, places: list[str], interval: str) -> pd.DataFrame:
    """`over_seeds` at the places where all runs of a method have a number."""
    number = values.drop_duplicates(_RUN).groupby(list(METHOD)).size().rename("num_runs").reset_index()
    curves = over_seeds(values, column, by=places, interval=interval).merge(number, on=list(METHOD))
    return curves[curves["num_seeds"] == curves["num_runs"]].drop(columns="num_runs").reset_index(drop=True)
