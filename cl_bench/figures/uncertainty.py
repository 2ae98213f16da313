"""How uncertain methods are on tasks they have learned and on tasks still to come."""

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.curves import draw_curves
from cl_bench.figures.limits import limits_around, show
from cl_bench.figures.style import house_style

LABELS = {"entropy": "entropy (nats)", "mutual_information": "mutual information\n(nats)"}


def uncertainty_figure(
    measures: Mapping[str, pd.DataFrame],
    auroc: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """A row a measure (`LABELS`): on the left of tasks seen, on the right of tasks to come, with one axis.

    Where no method has rows of tasks to come (untrained heads), there is no right side.

    `measures` are tables of `analysis.curves.seen_and_unseen`, none of them empty; `auroc`, how well
    confidence tells the ones from the others, is one of `state_curves`, and may be empty.

    Args:
        ylim: ends of the vertical axes, as drawn: of use for one row.
    """
    methods = ordered(pd.concat([*measures.values(), auroc])["method"], styles)
    number = len(measures) + (not auroc.empty)
    sides = [seen for seen in (True, False) if any((each["seen"] == seen).any() for each in measures.values())]
    with house_style(width):
        row_height = max(1.3, 0.23 * width) if number > 1 else 0.4 * width
        below = layout.legend_height(methods, width)
        size = (width, (0.55 + row_height * number) * layout.scale() + below)
        figure = Figure(figsize=size, layout="constrained")
        places = figure.add_gridspec(number, max(len(sides), 1))
        bottom: list[Axes] = []
        for row, (name, curves) in enumerate(measures.items()):
            left = figure.add_subplot(places[row, 0])
            others = range(1, len(sides))
            bottom = [left, *(figure.add_subplot(places[row, at], sharex=left, sharey=left) for at in others)]
            for axes, seen in zip(bottom, sides, strict=True):
                draw_uncertainty(axes, curves[curves["seen"] == seen], styles=styles)
                if row == 0:
                    axes.set_title("tasks seen" if seen else "tasks to come")
            left.set_ylabel(LABELS[name])
            for axes in bottom[1:]:
                axes.tick_params(labelleft=False)
            layout.task_ticks(left.xaxis)
            left.set_ylim(*(ylim or _limits(curves)))
        if not auroc.empty:
            axes = figure.add_subplot(places[-1, :])
            draw_auroc(axes, auroc, styles=styles)
            if ylim is not None:
                axes.set_ylim(*ylim)
            bottom = [axes]
        for axes in bottom:
            axes.set_xlabel("after task")
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def draw_uncertainty(axes: Axes, curves: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """Nats after each task."""
    draw_curves(axes, curves, x="after_task", styles=styles)
    show(axes, "y", *_limits(curves))


def _limits(curves: pd.DataFrame) -> tuple[float, float]:
    return limits_around(*(curves[part] for part in ("mean", "low", "high")), within=(0, math.inf))


def draw_auroc(axes: Axes, auroc: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """How well confidence tells tasks seen from tasks to come; grey at 0.5, which is chance."""
    axes.axhline(0.5, color="#999999", linewidth=0.8, zorder=1)
    draw_curves(axes, auroc, x="after_task", styles=styles)
    axes.set_title("told apart by confidence (0.5: chance)")
    axes.set_ylabel("AUROC")
    layout.task_ticks(axes.xaxis)
    parts = (auroc[part] for part in ("mean", "low", "high"))
    show(axes, "y", *limits_around(*parts, within=(0, 1)))
