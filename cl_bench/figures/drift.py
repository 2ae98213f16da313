"""How far the posterior moves with each task, and how many weights no longer can."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from cl_bench.figures import layout
from cl_bench.figures.style import MethodStyle, house_style


def drift_figure(
    drift: pd.DataFrame,
    frozen: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """KL(q_t || q_{t-1}), on a logarithmic axis, and the share of frozen weights, after each task.

    Both are tables of `analysis.over_seeds.state_curves`; either may be empty, but not both.
    """
    methods = layout.ordered(pd.concat([drift, frozen])["method"], styles)
    tables = [table for table in (drift, frozen) if not table.empty]
    rows, columns = layout.grid(len(tables), most=2, width=1.4 * width)
    with house_style():
        height = 0.5 + 0.62 * width / max(columns, 1.4) * rows + layout.legend_height(methods, width)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(tables))
        for axes, table in zip(panels, tables, strict=True):
            is_drift = table is drift
            if is_drift:
                # a drift of 0 (nothing moved) has no place on a logarithmic axis
                table = table[table["mean"] > 0]
            layout.draw_curves(axes, table, x="after_task", styles=styles, scale=1 if is_drift else 100)
            if is_drift and not table.empty:
                layout.log_axis(axes, "y", table[["mean", "high"]])
            axes.set_ylabel("posterior drift (nats)" if is_drift else "frozen weights (%)")
            layout.task_ticks(axes.xaxis)
        for axes in panels[-columns:]:
            axes.set_xlabel("after task")
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles)
    return figure
