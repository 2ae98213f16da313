"""Average accuracy against forgetting: which methods keep what they learn, at one glance."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.style import house_style


def comparison_figure(
    summary: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """One point a method with 95 % intervals; the legend lists the best average accuracy first.

    `summary` is one benchmark's rows of `analysis.summary`. Methods without a finite average accuracy and
    forgetting (no complete run, a stream of one task) cannot be drawn; when none is left a ValueError says
    so.
    """
    rows = drawable(summary)
    if rows.empty:
        raise ValueError("no method has a finite average accuracy and forgetting to draw")
    with house_style():
        methods = [str(method) for method in rows["method"]]
        width = min(width, 5.0)
        below = layout.legend_height(methods, width, points=True)
        figure = Figure(figsize=(width, max(0.65 * width, 2.7) + below), layout="constrained")
        axes = figure.subplots()
        draw_comparison(axes, rows, styles=styles)
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles, points=True)
    return figure


def drawable(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a point."""
    return summary[np.isfinite(summary["average_accuracy_mean"]) & np.isfinite(summary["forgetting_mean"])]


def draw_comparison(axes: Axes, summary: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """A point with interval bars for each row of the summary, percent against percentage points."""
    ordered(summary["method"], styles)
    for row in summary.to_dict("records"):
        style = styles[str(row["method"])]
        x, x_error = layout.bar(row, "forgetting", scale=100)
        y, y_error = layout.bar(row, "average_accuracy", scale=100)
        # The marker apart from the bars, whose caps would take over its white edge.
        axes.errorbar(
            x, y, xerr=x_error, yerr=y_error, fmt="none", ecolor=style.color, elinewidth=1.1, capsize=2.5
        )
        axes.plot(x, y, **style.line() | {"linestyle": "none", "markersize": 7}, label=str(row["method"]))
    axes.margins(0.08)
    layout.keep_within(axes, 0, 100)
    axes.set_xlabel("forgetting (percentage points; ← is better)")
    axes.set_ylabel("average accuracy (%; → is better)")
