"""The summary as tables for LaTeX, with the rules of the package booktabs."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from cl_bench.analysis.registry import LATEX, Metric, placed
from cl_bench.analysis.tuning import tuning_lines
from cl_bench.report.numbers import rounded


def latex_tables(summary: pd.DataFrame) -> str:
    """A table for each study and benchmark of `analysis.summary`; the document needs the package booktabs."""
    parts = ["% made by cl-bench report; needs \\usepackage{booktabs}"]
    for (study, benchmark), rows in summary.groupby(["study", "benchmark"], sort=False):
        cells = [["Method", "Seeds", *map(title, placed(LATEX))]]
        cells += [
            [escaped(row["method"]), str(row["num_seeds"]), *(_number(row, each) for each in placed(LATEX))]
            for row in rows.to_dict("records")
        ]
        caption = (
            f"{escaped(str(study))}: {escaped(str(benchmark))}. Percent, mean over seeds $\\pm$ half width "
            "of the 95\\,\\% Student $t$ interval."
        ) + "".join(f" {escaped(line)}." for line in tuning_lines(rows))
        parts.append(table(cells, caption=caption))
    return "\n\n".join(parts) + "\n"


def table(cells: Sequence[Sequence[str]], *, caption: str, above: Sequence[str] = (), label: str = "") -> str:
    r"""Rows of cells, the first of them titles; the first column to the left, the others to the right.

    Args:
        caption: in LaTeX.
        above: lines over the titles, such as titles of several columns.
        label: what \ref calls the table; empty: nothing.
    """
    titles, *rows = (" & ".join(row) + r" \\" for row in cells)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",  # before the label, which takes its number
            *([rf"\label{{{label}}}"] if label else []),
            rf"\begin{{tabular}}{{l{'r' * (len(cells[0]) - 1)}}}",
            r"\toprule",
            *above,
            titles,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def title(metric: Metric) -> str:
    """The metric above its column; its unit, too, unless it is percent."""
    text = metric.title if metric.unit == "%" else metric.heading
    return f"{text[0].upper()}{text[1:]}"


def _number(row: dict[Any, Any], metric: Metric) -> str:
    mean, high = (metric.factor * row[f"{metric.name}_{part}"] for part in ("mean", "high"))
    return number(mean, high - mean, decimals=metric.decimals)


def number(mean: float, half_width: float, *, decimals: int = 1, bold: bool = False) -> str:
    """A mean and what stands behind its plus and minus: both as they are shown, nan where there is none."""
    if math.isnan(mean):
        return "--"
    text = rounded(mean, decimals)
    text = rf"\mathbf{{{text}}}" if bold else text
    half = "" if math.isnan(half_width) else rf" \pm {rounded(half_width, decimals)}"
    return f"${text}{half}$"


_GREEK = "αβγδεζηθικλμνξπρστυφχψω"
_GREEK_NAMES = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
_SPECIAL = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{each: f"\\{each}" for each in "&%$#_{}"},
    # at the beginning of a line they would be an option of the end of the line before
    **{each: f"{{{each}}}" for each in "[]*"},
    # what not every LaTeX has a letter for
    **{"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "\u00a0": "~"},
    **{letter: rf"$\{name}$" for letter, name in zip(_GREEK, _GREEK_NAMES, strict=True)},
}


def escaped(text: str) -> str:
    r"""The text as LaTeX sets it: no sign in it is a command.

    >>> print(escaped("50 % of λ_1"))
    50 \% of $\lambda$\_1
    """
    return "".join(_SPECIAL.get(each, each) for each in text)
