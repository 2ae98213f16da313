"""A summary as plain text, for the terminal."""

import math

import pandas as pd

from cl_bench.analysis.tuning import tuning_text

_CALIBRATION = {"calibration error": "ece"}  # where it was measured
_COLUMNS = {
    "average accuracy": "average_accuracy",
    "forgetting": "forgetting",
    "backward transfer": "backward_transfer",
}
_LEGEND = (
    "In percent: mean over seeds ± half width of the 95 % Student t interval. Average accuracy and backward\n"
    "transfer: higher is better. Forgetting: lower is better."
)
_LEGEND_CALIBRATION = " Calibration error (ECE): lower is better."
_LEGEND_TEST_LAST = (
    "\nWhere only the last tasks are tested, all of these are over the tasks tested after the last one."
)


def text_table(summary: pd.DataFrame) -> str:
    """One table a study and benchmark, methods in the order of the summary, percent with one decimal; under
    it, how the settings of each method were found.
    """
    if summary.empty:
        return ""
    tables = [
        "\n\n".join(filter(None, _parts(str(study), str(benchmark), rows)))
        for (study, benchmark), rows in summary.groupby(["study", "benchmark"], sort=False)
    ]
    legend = _LEGEND + (_LEGEND_CALIBRATION if summary["ece_mean"].notna().any() else "")
    legend += _LEGEND_TEST_LAST if summary["test_last"].notna().any() else ""
    return "\n\n\n".join([*tables, legend]) + "\n"


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
    shown = _COLUMNS | (_CALIBRATION if rows["ece_mean"].notna().any() else {})
    for title, metric in shown.items():
        mean = rows[f"{metric}_mean"]
        columns.append([title, *_with_half_widths(list(mean), list(rows[f"{metric}_high"] - mean))])
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


def _with_half_widths(means: list[float], half_widths: list[float]) -> list[str]:
    """Percentages that align at the ±; blank where there is no interval."""
    halves = ["" if math.isnan(half) else _percent(half) for half in half_widths]
    width = max(map(len, halves))
    ends = [f" ± {half:>{width}}" if half else " " * (width + 3 if width else 0) for half in halves]
    return [_percent(mean) + end for mean, end in zip(means, ends, strict=True)]


def _percent(fraction: float) -> str:
    if math.isnan(fraction):
        return "–"
    text = f"{100 * fraction:.1f}"
    return "0.0" if text == "-0.0" else text
