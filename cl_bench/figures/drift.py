"""How far the posterior moves with each task, and how many weights no longer can."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.curves import draw_curves
from cl_bench.figures.limits import limits_around, log_axis, show
from cl_bench.figures.style import house_style


def drift_figure(
    drift: pd.DataFrame,
    frozen: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """KL(q_t || q_{t-1}), on a logarithmic axis, and the share of frozen weights, after each task.

    Both are tables of `analysis.curves.state_curves`; either may be empty, but not both.

    Args:
        ylim: ends of the vertical axes, as drawn: of use where one table is empty.
    """
    methods = ordered(pd.concat([drift, frozen])["method"], styles)
    tables = [table for table in (drift, frozen) if not table.empty]
    with house_style(width):
        rows, columns = layout.grid(len(tables), most=2, width=1.4 * width)
        panel = max(0.62 * width / max(columns, 1.4), 1.4)
        below = layout.legend_height(methods, width)
        figure = Figure(figsize=(width, 0.5 * layout.scale() + panel * rows + below), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(tables), share_y=False)
        for axes, table in zip(panels, tables, strict=True):
            (draw_drift if table is drift else draw_frozen)(axes, table, styles=styles)
            layout.task_ticks(axes.xaxis)
            if ylim is not None:
                axes.set_ylim(*ylim)
        for axes in panels[-columns:]:
            axes.set_xlabel("after task")
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def draw_drift(axes: Axes, drift: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """Nats on a logarithmic axis, where a drift of 0 (nothing moved) has no place; intervals run off it."""
    moved = drift[drift["mean"] > 0]
    if not moved.empty:
        log_axis(axes, "y", moved[["mean", "high"]])
        moved = moved.assign(low=moved["low"].clip(lower=axes.get_ylim()[0]))
    draw_curves(axes, moved, x="after_task", styles=styles)
    axes.set_ylabel("posterior drift (nats)")


def draw_frozen(axes: Axes, frozen: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """Percent of the weights."""
    draw_curves(axes, frozen, x="after_task", styles=styles, scale=100)
    parts = (100 * frozen[part] for part in ("mean", "low", "high"))
    show(axes, "y", *limits_around(*parts, within=(0, 100)))
    axes.set_ylabel("frozen weights (%)")
