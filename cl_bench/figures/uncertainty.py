"""How uncertain methods are on tasks they have learned and on tasks still to come."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.style import house_style

LABELS = {"entropy": "entropy (nats)", "mutual_information": "mutual information\n(nats)"}


def uncertainty_figure(
    measures: Mapping[str, pd.DataFrame],
    auroc: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """A row a measure (`LABELS`): on the left of tasks seen, on the right of tasks to come, with one axis.

    `measures` are tables of `analysis.curves.seen_and_unseen`, none of them empty; `auroc`, how well
    confidence tells the ones from the others, is one of `state_curves`, and may be empty.
    """
    methods = ordered(pd.concat([*measures.values(), auroc])["method"], styles)
    number = len(measures) + (not auroc.empty)
    with house_style():
        height = 0.55 + max(1.35, 0.23 * width) * number + layout.legend_height(methods, width)
        figure = Figure(figsize=(width, height), layout="constrained")
        places = figure.add_gridspec(number, 2)
        bottom: list[Axes] = []
        for row, (name, curves) in enumerate(measures.items()):
            left = figure.add_subplot(places[row, 0])
            bottom = [left, figure.add_subplot(places[row, 1], sharex=left, sharey=left)]
            for axes, seen in zip(bottom, (True, False), strict=True):
                layout.draw_curves(axes, curves[curves["seen"] == seen], x="after_task", styles=styles)
                if row == 0:
                    axes.set_title("tasks seen" if seen else "tasks to come")
            left.set_ylabel(LABELS[name])
            bottom[1].tick_params(labelleft=False)
            layout.task_ticks(left.xaxis)
            layout.keep_within(left, 0)
        if not auroc.empty:
            axes = figure.add_subplot(places[-1, :])
            draw_auroc(axes, auroc, styles=styles)
            bottom = [axes]
        for axes in bottom:
            axes.set_xlabel("after task")
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles)
    return figure


def draw_auroc(axes: Axes, auroc: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """How well confidence tells tasks seen from tasks to come; grey at 0.5, which is chance."""
    axes.axhline(0.5, color="#999999", linewidth=0.8, zorder=1)
    layout.draw_curves(axes, auroc, x="after_task", styles=styles)
    axes.set_title("told apart by confidence (0.5: chance)")
    axes.set_ylabel("AUROC")
    layout.task_ticks(axes.xaxis)
    layout.keep_within(axes, 0, 1)
