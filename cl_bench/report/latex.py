"""The summary as tables for LaTeX, with the rules of the package booktabs."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from cl_bench.analysis.registry import LATEX, Metric, placed
from cl_bench.analysis.tuning import tuning_lines
from cl_bench.report.numbers import tenths


def latex_tables(summary: pd.DataFrame) -> str:
    """A table for each study and benchmark of `analysis.summary`; the document needs the package booktabs."""
    parts = ["% made by cl-bench report; needs \\usepackage{booktabs}"]
    for (study, benchmark), rows in summary.groupby(["study", "benchmark"], sort=False):
        cells = [["Method", "Seeds", *map(_title, placed(LATEX))]]
        cells += [
            [_escaped(row["method"]), str(row["num_seeds"]), *(_number(row, each) for each in placed(LATEX))]
            for row in rows.to_dict("records")
        ]
        caption = (
            f"{_escaped(str(study))}: {_escaped(str(benchmark))}. Percent, mean over seeds $\\pm$ half width "
            "of the 95\\,\\% Student $t$ interval."
        ) + "".join(f" {_escaped(line)}." for line in tuning_lines(rows))
        parts.append(_table(cells, caption=caption))
    return "\n\n".join(parts) + "\n"


def _table(cells: Sequence[Sequence[str]], *, caption: str) -> str:
    """Rows of cells, the first of them titles; the first column to the left, the others to the right."""
    titles, *rows = (" & ".join(row) + r" \\" for row in cells)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(cells[0]) - 1)}}}",
            r"\toprule",
            titles,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _title(metric: Metric) -> str:
    title = metric.title if metric.unit == "%" else metric.heading
    return f"{title[0].upper()}{title[1:]}"


def _number(row: dict[Any, Any], metric: Metric) -> str:
    mean, high = (metric.factor * row[f"{metric.name}_{part}"] for part in ("mean", "high"))
    if math.isnan(mean):
        return "--"
    half = "" if math.isnan(high) else rf" \pm {tenths(high - mean)}"
    return f"${tenths(mean)}{half}$"


_SPECIAL = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{each: f"\\{each}" for each in "&%$#_{}"},
    # at the beginning of a line they would be an option of the end of the line before
    **{each: f"{{{each}}}" for each in "[]*"},
}


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(each, each) for each in text)
