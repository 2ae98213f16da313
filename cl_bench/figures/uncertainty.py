"""How uncertain methods are on tasks they have learned and on tasks still to come."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from cl_bench.figures import layout
from cl_bench.figures.style import MethodStyle, house_style

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

    `measures` are tables of `analysis.over_seeds.seen_and_unseen`, none of them empty; `auroc`, how well
    confidence tells the ones from the others, is one of `state_curves`, and may be empty.
    """
    methods = layout.ordered(pd.concat([*measures.values(), auroc])["method"], styles)
    num_rows = len(measures) + (not auroc.empty)
    with house_style():
        figure = Figure(
            figsize=(width, 0.5 + 0.3 * min(width, 5.6) * num_rows + layout.legend_height(methods, width)),
            layout="constrained",
        )
        panels = figure.subplots(num_rows, 2, squeeze=False, sharex=True)
        for row, (name, curves) in zip(panels, measures.items(), strict=False):
            row[1].sharey(row[0])
            row[1].tick_params(labelleft=False)
            for axes, seen in zip(row, (True, False), strict=True):
                layout.draw_curves(axes, curves[curves["seen"] == seen], x="after_task", styles=styles)
            row[0].set_ylabel(LABELS[name])
        panels[0, 0].set_title("tasks seen")
        panels[0, 1].set_title("tasks to come")
        if not auroc.empty:
            axes = panels[-1, 0]
            panels[-1, 1].remove()
            panels[-2, 1].tick_params(labelbottom=True)
            panels[-2, 1].set_xlabel("after task")
            layout.draw_curves(axes, auroc, x="after_task", styles=styles)
            axes.axhline(0.5, color="#999999", linewidth=0.8, zorder=1)
            axes.set_ylabel("AUROC of\nconfidence")
            axes.set_title("seen against to come (0.5: chance)")
        panels[-1, 0].set_xlabel("after task")
        if auroc.empty:
            panels[-1, 1].set_xlabel("after task")
        layout.task_ticks(panels[0, 0].xaxis)
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles)
    return figure
