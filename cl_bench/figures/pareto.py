"""Accuracy against what it costs, and the methods that no other one beats in both."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.style import house_style

LABELS = {"stored_bits": "stored (bits)", "training_seconds": "training (s)"}


def pareto_figure(
    fronts: Mapping[str, pd.DataFrame],
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """One panel a cost (`LABELS`), each with the rows of `pareto.pareto`, none of them empty."""
    methods = ordered(pd.concat(list(fronts.values()))["method"], styles)
    rows, columns = layout.grid(len(fronts), most=2, width=1.4 * width)
    with house_style():
        panel = max(0.72 * width / max(columns, 1.4), 1.9)
        height = 0.4 + panel * rows + layout.legend_height(methods, width, points=True)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(fronts), share_x=False)
        for place, (axes, (cost, front)) in enumerate(zip(panels, fronts.items(), strict=True)):
            draw_pareto(axes, front, styles=styles, prefixes=cost.endswith("bits"))
            axes.set_xlabel(f"{LABELS[cost]}; ← is better")
            if place % columns == 0:
                axes.set_ylabel("average accuracy (%)")
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles, points=True)
    return figure


def draw_pareto(
    axes: Axes, front: pd.DataFrame, *, styles: Mapping[str, MethodStyle], prefixes: bool = False
) -> None:
    """A point a method with its intervals; a grey band through the front, whose points are ringed.

    The axis of the cost is logarithmic: where an interval reaches down to 0 its bar runs off the axis.
    """
    steps = front[front["front"]]
    axes.step(
        steps["cost_mean"], 100 * steps["gain_mean"], where="post", color="#DDDDDD", linewidth=4, zorder=1
    )
    for row in front.to_dict("records"):
        style = styles[str(row["method"])]
        x, x_error = layout.bar(row, "cost")
        y, y_error = layout.bar(row, "gain", scale=100)
        if row["front"]:
            axes.plot(
                x, y, marker="o", markersize=12, markerfacecolor="none", markeredgecolor="#999999", zorder=1
            )
        axes.errorbar(
            x, y, xerr=x_error, yerr=y_error, fmt="none", ecolor=style.color, elinewidth=1.1, capsize=2.5
        )
        axes.plot(x, y, **style.line() | {"linestyle": "none", "markersize": 7}, label=str(row["method"]))
    if (front["cost_mean"] > 0).all():
        layout.log_axis(axes, "x", front[["cost_mean", "cost_high"]], prefixes=prefixes)
    axes.margins(y=0.1)
    layout.keep_within(axes, 0, 100)
