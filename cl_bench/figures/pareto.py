"""Accuracy against what it costs, and the methods that no other one beats in both."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.analysis.registry import metric_of
from cl_bench.figures import layout
from cl_bench.figures.limits import limits_around, log_axis, show, within
from cl_bench.figures.style import house_style

_PARTS = ("mean", "low", "high")
_RING: dict[str, Any] = {
    "marker": "o",
    "markerfacecolor": "none",
    "markeredgecolor": "#888888",
}


def pareto_figure(
    fronts: Mapping[str, pd.DataFrame],
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    metric: str = "average_accuracy",
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """One panel a cost, each with the rows of `pareto.pareto`, none of them empty.

    Args:
        metric: the gain.
        ylim: ends of the vertical axes, as drawn.
    """
    methods = ordered(pd.concat(list(fronts.values()))["method"], styles)
    gain = metric_of(metric)
    with house_style(width):
        rows, columns = layout.grid(len(fronts), most=2, width=1.4 * width)
        panel = max(0.72 * width / max(columns, 1.4), 1.6)
        below = layout.legend_height([*methods, *_OF_FRONT], width, points=True)
        figure = Figure(figsize=(width, 0.4 * layout.scale() + panel * rows + below), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(fronts), share_x=False)
        for place, (axes, (cost, front)) in enumerate(zip(panels, fronts.items(), strict=True)):
            draw_pareto(axes, front, styles=styles, metric=metric, prefixes=has_prefixes(cost))
            axes.set_xlabel(cost_label(cost))
            axes.set_ylabel(gain.heading if place % columns == 0 else "")
        limits = [axes.get_ylim() for axes in panels]
        panels[0].set_ylim(*(ylim or (min(low for low, _ in limits), max(high for _, high in limits))))
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles, points=True, others=_OF_FRONT)
        return layout.finish(figure, height=height)


def cost_label(cost: str) -> str:
    """Name a cost as its axis counts it: bits, seconds or numbers, with prefixes where these are large."""
    found = metric_of(cost)
    unit = {"KiB": " (bits)", "s": " (s)"}.get(found.unit, "")
    return f"{found.title}{unit}; ← is better"


def has_prefixes(cost: str) -> bool:
    """Whether numbers on the axis of a cost are written as 10 k and 3 M."""
    return metric_of(cost).unit != "s"


_OF_FRONT: dict[str, dict[str, Any]] = {"on the front": {**_RING, "markersize": 8, "linestyle": "none"}}


def draw_pareto(
    axes: Axes,
    front: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    metric: str = "average_accuracy",
    prefixes: bool = False,
) -> None:
    """A point a method with its intervals; a grey band through the front, whose points are ringed.

    The axis of the cost is logarithmic. A bar that reaches down to 0, or whose end is off an axis, has no cap
    there.
    """
    gain = metric_of(metric)
    steps = front[front["front"]]
    gains = gain.factor * steps["gain_mean"]
    axes.step(
        steps["cost_mean"], gains, where="post", color="#DDDDDD", linewidth=4 * layout.scale(), zorder=1
    )
    for row in front.to_dict("records"):
        style = styles[str(row["method"])]
        x, x_error = layout.bar(row, "cost")
        y, y_error = layout.bar(row, "gain", scale=gain.factor)
        if row["front"]:
            axes.plot(x, y, **_RING | {"markersize": 12 * layout.scale()}, zorder=1)
        layout.draw_point(axes, x, y, style=style, label=str(row["method"]), x_error=x_error, y_error=y_error)
    costs = front["cost_mean"]
    if (costs > 0).all():
        limits = None
        if costs.nunique() > 1:
            low, high = limits_around(*(np.log(front[f"cost_{part}"].clip(lower=1e-300)) for part in _PARTS))
            limits = float(np.exp(low)), float(np.exp(high))
        log_axis(axes, "x", front[["cost_mean", "cost_high"]], prefixes=prefixes, limits=limits)
    parts = (gain.factor * front[f"gain_{part}"] for part in _PARTS)
    show(axes, "y", *limits_around(*parts, within=within(gain)))
