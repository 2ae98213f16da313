"""The tables of the page: cells of text, each with the value that it is sorted by."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.analysis.afterwards import shown_in
from cl_bench.analysis.labels import shown
from cl_bench.analysis.registry import COMPARISON, FIRST, MATRIX, PAGE, TEXT, Metric, placed
from cl_bench.records.identity import is_incidental
from cl_bench.records.runs import Run
from cl_bench.records.text import shortened
from cl_bench.report.numbers import UNKNOWN as NONE
from cl_bench.report.numbers import rounded

MOST_ROWS = 1_000  # of a table of settings


class Cell(NamedTuple):
    """What stands there, and what it is sorted by: a number or a text."""

    text: str
    value: float | str
    code: bool = False

    @property
    def sorted_by(self) -> str:
        """The number that the page sorts by, where the text alone does not tell it."""
        number = "" if isinstance(self.value, str) else f"{self.value:.10g}"
        return "" if number == self.text else number


class Table(NamedTuple):
    """The first cell of a row is its heading."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    sortable: bool = True
    keys: tuple[str, ...] = ()  # of the columns that the reader chooses from; empty: all are shown


class Choice(NamedTuple):
    """A column that the reader may show or hide."""

    key: str
    title: str
    shown: bool  # at first
    on_phone: bool  # at first, where there is little room


def metrics_of(rows: pd.DataFrame) -> list[Metric]:
    """The metrics that at least one method has; without a row, those that every table has."""
    if rows.empty:
        return [metric for metric in placed(PAGE) if TEXT in metric.places and metric.of == MATRIX]
    return shown_in(PAGE, rows)


def summary_table(rows: pd.DataFrame, *, caption: str) -> Table:
    """One study's and benchmark's rows of `analysis.summary`."""
    metrics = metrics_of(rows)
    arrow = {"higher": " ↑", "lower": " ↓", "": ""}
    titles = [metric.heading + arrow[metric.better] for metric in metrics]
    cells = [
        [
            *(Cell(row["method"], row["method"]), Cell(_seeds(row), row["num_seeds"])),
            *(_measured(row, metric) for metric in metrics),
            Cell(row["tuning"], row["tuning"]),
        ]
        for row in rows.to_dict("records")
    ]
    keys = ("method", "seeds", *(metric.name for metric in metrics), "settings")
    return Table(caption, ["method", "seeds", *titles, "settings"], cells, keys=keys)


def choices(metrics: Sequence[Metric]) -> list[Choice]:
    """What can be chosen for the tables of `summary_table`, in their order."""
    return [
        Choice("seeds", "seeds", shown=True, on_phone=False),
        *(Choice(each.name, each.title, *_at_first(each)) for each in metrics),
        Choice("settings", "settings", shown=False, on_phone=False),
    ]


def _at_first(metric: Metric) -> tuple[bool, bool]:
    """Whether its column is shown before the reader chooses: on a screen, and on a phone."""
    return FIRST in metric.places, FIRST in metric.places and COMPARISON in metric.places


def _seeds(row: dict[Any, Any]) -> str:
    left_out = row["num_left_out"]
    return f"{row['num_seeds']}" + (f" of {row['num_seeds'] + left_out}" if left_out else "")


def _measured(row: dict[Any, Any], metric: Metric) -> Cell:
    mean, high = (metric.factor * row[f"{metric.name}_{part}"] for part in ("mean", "high"))
    half = high - mean
    is_constant = metric.is_constant and not half > 0
    mean_text, half_text = (rounded(value, metric.decimals) for value in (mean, half))
    return Cell(mean_text + ("" if math.isnan(half) or is_constant else f" ± {half_text}"), mean)


def value_text(metric: Metric, value: float) -> str:
    """A value of the metric as tables write it, without its unit."""
    return rounded(metric.factor * value, metric.decimals)


def plain_table(columns: Sequence[Sequence[str]], *, caption: str) -> Table:
    """Make a table of columns of text, each with its title first."""
    rows = zip(*(column[1:] for column in columns), strict=True)
    cells = [[Cell(text, _sorted_by(text)) for text in row] for row in rows]
    return Table(caption, [column[0] for column in columns], cells)


def _sorted_by(text: str) -> float | str:
    try:
        return float(text.split(" ")[0])
    except ValueError:
        return math.nan if text in ("", NONE) else text


def settings_tables(runs: Sequence[Run], *, where: str) -> list[Table]:
    """What the methods of a study and benchmark have in common, and what only some have. Of each method the
    first run speaks, for its runs differ in seeds alone.
    """
    by_method: dict[str, dict[str, str]] = {}
    for run in runs:
        if run.method not in by_method:
            told = {
                key: shortened(shown(value)) for key, value in run.settings.items() if not _says_nothing(key)
            }
            by_method[run.method] = told
    keys = list(dict.fromkeys(key for settings in by_method.values() for key in settings))
    values = {key: {settings.get(key) for settings in by_method.values()} for key in keys}
    common = [key for key in keys if len(values[key]) == 1]
    tables = []
    if common:
        shared = _bounded([_row(key, str(next(iter(values[key])))) for key in common])
        tables.append(
            Table(f"{where}: settings of all methods", ["setting", "value"], shared, sortable=False)
        )
    apart = [
        [Cell(method, method), *_row(key, settings[key])]
        for method, settings in by_method.items()
        for key in settings
        if len(values[key]) > 1
    ]
    if apart:
        differing = _bounded(apart)
        tables.append(Table(f"{where}: settings that differ", ["method", "setting", "value"], differing))
    return tables


def _bounded(rows: list[list[Cell]]) -> list[list[Cell]]:
    over = len(rows) - MOST_ROWS
    if over <= 0:
        return rows
    empty = [Cell("", "")] * (len(rows[0]) - 1)
    return [*rows[:MOST_ROWS], [Cell(f"and {over} more: see run.json of the runs", ""), *empty]]


def _says_nothing(key: str) -> bool:
    return key == "seed" or is_incidental(key) or key.endswith("._target_")


def _row(*texts: str) -> list[Cell]:
    return [Cell(text, text, code=True) for text in map(shortened, texts)]
