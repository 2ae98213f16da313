"""How well foreign data sets are told from the tasks seen, as the stream goes on."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.foreign import MEASURES
from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.curves import draw_curves
from cl_bench.figures.limits import limits_around, show
from cl_bench.figures.style import house_style

LABELS = {measure: f"AUROC of the\n{measure.replace('_', ' ')}" for measure in MEASURES}


def out_of_distribution_figure(
    curves: pd.DataFrame,
    *,
    measure: str = "confidence",
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """A panel a foreign data set, with one vertical axis; grey at 0.5, which is chance.

    `curves` is a table of `analysis.foreign.foreign_curves`, and is not empty.

    Args:
        measure: one of `LABELS`, that of the curves.
        ylim: ends of the vertical axes, as drawn.
    """
    methods = ordered(curves["method"], styles)
    names = list(dict.fromkeys(curves["dataset"]))
    with house_style(width):
        rows, columns = layout.grid(len(names), most=3, width=1.4 * width)
        panel = max(0.62 * width / max(columns, 1.4), 1.4)
        below = layout.legend_height(methods, width)
        figure = Figure(figsize=(width, 0.5 * layout.scale() + panel * rows + below), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(names))
        for axes, name in zip(panels, names, strict=True):
            draw_foreign(axes, curves[curves["dataset"] == name], styles=styles)
            axes.set_title(name)
            layout.task_ticks(axes.xaxis)
        for axes in panels[::columns]:
            axes.set_ylabel(LABELS[measure])
        for axes in panels[-columns:]:
            axes.set_xlabel("after task")
        panels[0].set_ylim(*(ylim or _limits(curves)))  # of all, which share it
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def draw_foreign(axes: Axes, curves: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """The AUROC after each task: 1 tells all foreign images from those of the tasks seen."""
    axes.axhline(0.5, color="#999999", linewidth=0.8, zorder=1)
    draw_curves(axes, curves, x="after_task", styles=styles)
    show(axes, "y", *_limits(curves))


def _limits(curves: pd.DataFrame) -> tuple[float, float]:
    return limits_around(*(curves[part] for part in ("mean", "low", "high")), within=(0, 1))
