"""How fast the suite is: each ratio beside the one to reach."""

import os
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from cl_bench.figures.style import house_style
from cl_bench.records.atomic import read_whole

NUMBERS = ("ratio", "low", "high", "seconds", "reference_seconds", "times_limit")
REACHED, MISSED = "#0072B2", "#D55E00"


def speed_figure(rows: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw a line for each row of speed.csv that has a target and a ratio, in the order of the file.

    Raises:
        ValueError: where there is none.
    """
    rows = drawable(rows)
    if rows.empty:
        raise ValueError("no row has a ratio and a target to draw")
    with house_style():
        figure = Figure(figsize=(8.2, 1.3 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots()
        draw_speed(axes, rows)
        axes.set_title(title)
        handles = [
            Line2D([], [], **_marker(reached=True), label="reached"),
            Line2D([], [], **_marker(reached=False), label="missed"),
        ]
        figure.legend(handles=handles, loc="outside lower right", ncols=2, handlelength=1.2)
    return figure


def read_rows(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read speed.csv; what is empty there is nan in the columns of numbers and "" in the others."""
    rows = pd.read_csv(BytesIO(read_whole(path)), keep_default_na=False)
    return rows.assign(**{name: pd.to_numeric(rows[name]) for name in NUMBERS})


def drawable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have a point."""
    return rows[rows["reached"].isin(["yes", "no"])]


def draw_speed(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw a bar from the target to the ratio, both over the target, so that 1 is the target and left is
    better.

    Where the target is a number of times faster, the fraction is turned over. The whisker spans the
    quartiles of the rounds. What a bar says is also written: the ratio, and in brackets its target.
    """
    labels = []
    for place, row in enumerate(rows.to_dict("records")):
        kind, bound = str(row["target"]).split()
        values = np.array([row["ratio"], row["low"], row["high"]], dtype=float) / float(bound)
        ratio, low, high = values if kind == "<=" else 1 / values
        reached = row["reached"] == "yes"
        style = _marker(reached=reached)
        bar: dict[str, Any] = {"linewidth": 4, "alpha": 0.35, "solid_capstyle": "butt", "zorder": 1.5}
        axes.plot([1, ratio], [place, place], color=style["color"], **bar)
        axes.plot([low, high], [place, place], color=style["color"], linewidth=1.2)
        axes.plot(ratio, place, **style)
        axes.annotate(
            f"{row['ratio']:.3g}  ({_sign(kind)} {bound})",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
        device = "" if row["device"] == "cpu" else f" ({row['device']})"
        labels.append(f"{row['work']}{device}\nagainst {row['against']}")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.08)
    axes.set_xlabel("ratio over its target (1: just reached; ← is better)")


def _marker(*, reached: bool) -> dict[str, Any]:
    """Return a full round marker, or a hollow square one: they differ in grey, too."""
    color = REACHED if reached else MISSED
    return {
        "color": color,
        "marker": "o" if reached else "s",
        "markerfacecolor": color if reached else "white",
        "markeredgecolor": color,
        "markersize": 6,
        "linestyle": "none",
    }


def _sign(kind: str) -> str:
    return "≤" if kind == "<=" else "≥"
