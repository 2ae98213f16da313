"""Metrics that `cl-bench metric` has computed afterwards: in the tables of the runs that have them."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.recorded_measures import mean_in_the_end
from cl_bench.analysis.registry import (
    AFTERWARDS,
    FIRST,
    GROUPS,
    PAGE,
    RECORDS,
    TEXT,
    Metric,
    placed,
    registered,
)
from cl_bench.records.metric_rows import words_of
from cl_bench.records.runs import Run


def note(name: str, *, unit: str, better: str) -> bool:
    """Note a metric that a run's metrics.csv has; false where one of ours has its name.

    >>> note("first_guess", unit="%", better="higher"), note("ece", unit="", better="")
    (True, False)
    """
    if any(each.name == name for each in registered()):
        return False
    AFTERWARDS[name] = Metric(
        name=name,
        title=name.replace("_", " "),
        unit=unit,
        better=better,
        meaning="computed from saved predictions; mean over the tasks tested after the last one",
        compute=partial(mean_in_the_end, column=name),
        of=RECORDS,
        places=(TEXT, PAGE, FIRST),
        group=GROUPS[0],
        short="",
        is_change=False,
    )
    return True


def noted(columns: Iterable[str], *, ending: str = "") -> list[Metric]:
    """The noted metrics whose columns are among these.

    Args:
        ending: of the columns, behind the metric's name.

    >>> note("first_guess", unit="%", better="higher")
    True
    >>> [each.heading for each in noted(["seed", "first_guess_mean"], ending="_mean")]
    ['first guess (%)']
    """
    there = set(columns)
    return [each for name, each in AFTERWARDS.items() if f"{name}{ending}" in there]


def shown_in(place: str, rows: pd.DataFrame, *, always: str = "") -> list[Metric]:
    """The metrics that stand in a place for these rows of `summary`, those that some method has.

    Args:
        always: the source (such as `matrix`) whose metrics stand there in any case.

    >>> rows = summary(matrix_frame([[0.1], [0.9]], method="ewc"))
    >>> [each.name for each in shown_in("comparison", rows)]
    ['average_accuracy']
    """
    extra = [each for each in noted(rows.columns, ending="_mean") if place in each.places]
    every = sorted([*placed(place), *extra], key=lambda each: GROUPS.index(each.group))
    return [each for each in every if each.of == always or rows[f"{each.name}_mean"].notna().any()]


def metric_columns(found: Sequence[Run], *, taken: Iterable[str]) -> dict[str, np.ndarray]:
    """A column for each metric of the runs' metrics.csv, aligned with all their records; nan: not measured.

    Args:
        taken: names of columns that there are.

    >>> from pathlib import Path
    >>> from cl_bench.records.metric_rows import MetricRow
    >>> from cl_bench.records.rows import Record
    >>> from cl_bench.records.runs import Run
    >>> tests = (Record(0, 1, 1, 0.9, 0.4, 100), Record(0, 1, 2, 0.1, 2.0, 100))
    >>> run = Run(Path("few/a"), "few", records=tests, metrics=(MetricRow(0, 1, 1, "top_2", 1.0),))
    >>> metric_columns([run], taken=["accuracy"])
    {'top_2': array([ 1., nan])}
    """
    words: dict[str, Any] = {}
    for run in found:
        words |= words_of(run.metrics)
    there = set(taken)
    names = [
        name
        for name, (unit, better) in words.items()
        if name not in there and note(name, unit=unit, better=better)
    ]
    values = [{(row.after_task, row.on_task, row.name): row.value for row in run.metrics} for run in found]
    return {
        name: np.array(
            [
                own.get((test.after_task, test.on_task, name), np.nan)
                for run, own in zip(found, values, strict=True)
                for test in run.records
            ],
            dtype=float,
        )
        for name in names
    }
