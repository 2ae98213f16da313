"""A summary as plain text, for the terminal."""

import textwrap
from collections.abc import Sequence

import pandas as pd

from cl_bench.analysis.afterwards import shown_in
from cl_bench.analysis.registry import MATRIX, TEXT, Metric
from cl_bench.analysis.tuning import WIDTH, tuning_text
from cl_bench.report.numbers import rounded

_LEGEND = "In percent: mean over seeds ± half width of the 95 % Student t interval."
_LEGEND_TEST_LAST = (
    "\nWhere only the last tasks are tested, all of these but means over all tasks are over the tasks that"
    "\nare the last in the end."
)


def text_table(summary: pd.DataFrame) -> str:
    """One table per study and benchmark, methods in the order of the summary, percent with one decimal; under
    it, how the settings of each method were found.
    """
    if summary.empty:
        return ""
    tables = [
        "\n\n".join(filter(None, _parts(str(study), str(benchmark), rows)))
        for (study, benchmark), rows in summary.groupby(["study", "benchmark"], sort=False)
    ]
    legend = textwrap.fill(f"{_LEGEND} {_directions(_shown(summary))}", WIDTH)
    legend += _LEGEND_TEST_LAST if summary["test_last"].notna().any() else ""
    return "\n\n\n".join([*tables, legend]) + "\n"


def _shown(rows: pd.DataFrame) -> list[Metric]:
    """The metrics of the matrix, which every run has, and those that some run has measured."""
    return shown_in(TEXT, rows, always=MATRIX)


def _directions(metrics: Sequence[Metric]) -> str:
    """Which way is better, in sentences: of the metrics of the matrix, then of those that were measured."""
    said = []
    for group in (
        [each for each in metrics if each.of == MATRIX],
        [each for each in metrics if each.of != MATRIX],
    ):
        for better in ("higher", "lower"):
            titles = [_title(each) for each in group if each.better == better]
            if titles:
                words = " and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))
                said.append(f"{words[0].upper()}{words[1:]}: {better} is better.")
    return " ".join(said)


def _title(metric: Metric) -> str:
    return metric.title + (f" ({metric.short})" if metric.short else "")


def _parts(study: str, benchmark: str, rows: pd.DataFrame) -> list[str]:
    return [_heading(study, benchmark, rows), _table(rows), tuning_text(rows, indent="  ")]


def _heading(study: str, benchmark: str, rows: pd.DataFrame) -> str:
    lengths = sorted(set(rows["num_tasks"]))
    tasks = " or ".join(map(str, lengths)) + (" task" if lengths == [1] else " tasks")
    tested = [str(number) for number in sorted(set(rows["test_last"].dropna()))]
    if tested:
        tested += ["all"] if rows["test_last"].isna().any() else []
        tasks += f", the last {' or '.join(tested)} tested"
    scenario = " or ".join(sorted({name for name in rows["scenario"] if name}))
    return f"{study}: {benchmark} ({scenario + ', ' if scenario else ''}{tasks})"


def _table(rows: pd.DataFrame) -> str:
    columns = [["method", *rows["method"]], ["seeds", *map(str, rows["num_seeds"])]]
    for metric in _shown(rows):
        mean, high = (metric.factor * rows[f"{metric.name}_{part}"] for part in ("mean", "high"))
        title = metric.title if metric.unit == "%" else metric.heading
        columns.append([title, *_with_half_widths(list(mean), list(high - mean), metric.decimals)])
    return aligned(columns)


def aligned(columns: list[list[str]]) -> str:
    """Columns with their titles first, as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for cells in zip(*columns, strict=True):
        name, *numbers = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        lines.append("   ".join([name, *numbers]).rstrip())
    lines.insert(1, "-" * (sum(widths) + 3 * (len(widths) - 1)))
    return "\n".join("  " + line for line in lines)


def _with_half_widths(means: list[float], half_widths: list[float], decimals: int) -> list[str]:
    """Numbers that align at the ±; blank where there is no interval."""
    halves = [rounded(half, decimals, unknown="") for half in half_widths]
    width = max(map(len, halves))
    ends = [f" ± {half:>{width}}" if half else " " * (width + 3 if width else 0) for half in halves]
    return [rounded(mean, decimals) + end for mean, end in zip(means, ends, strict=True)]
