"""The stability gap: what happens to a task, step by step, while others are learned."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.analysis.looks import MethodStyle, chosen_tasks, ordered
from cl_bench.figures import layout
from cl_bench.figures.style import house_style


def stability_gap_figure(
    curves: pd.DataFrame,
    gaps: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """One panel a task but the last, over the steps of the run; and one of what a new task does on average.

    `curves` and `gaps` are one benchmark's rows of `analysis.curves.probe_curves` and `gap_curves`,
    which are not empty. A stream of many tasks shows some of them, and says so.
    """
    methods = ordered(curves["method"], styles)
    num_tasks = int(curves["on_task"].max())
    earlier = num_tasks - 1
    tasks = chosen_tasks(earlier)
    number = len(tasks) + 1
    rows, columns = layout.grid(number, width=width)
    with house_style():
        height = 0.65 + 1.75 * rows + layout.legend_height(methods, width)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = [figure.add_subplot(rows, columns, 1 + place) for place in range(number)]
        for place, (axes, task) in enumerate(zip(panels, tasks, strict=False)):
            draw_probes(axes, curves[curves["on_task"] == task], styles=styles)
            axes.set_title(f"task {task}")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
            axes.set_xlim(float(curves["step"].min()), float(curves["step"].max()))
            if place % columns == 0:
                axes.set_ylabel("accuracy (%)")
            else:
                axes.tick_params(labelleft=False)
            if place + columns >= number:
                axes.set_xlabel("step")
        limits = layout.limits_of_all(panels[:-1])
        for axes in panels[:-1]:
            axes.set_ylim(*limits)
            layout.keep_within(axes, 0, 100)
        draw_gaps(panels[-1], gaps, styles=styles)
        panels[-1].set_title("mean over new tasks", fontweight="bold")
        if len(tasks) < earlier:
            title = f"{title} ({len(tasks)} of {earlier} tasks shown)".strip()
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles)
    return figure


def draw_probes(axes: Axes, curves: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """The accuracy on one task in percent against the steps of the run; a line where each task ends."""
    for end in curves.groupby("training_on")["step"].max().iloc[:-1]:
        axes.axvline(end, color="#BBBBBB", linewidth=0.8, zorder=0.5)
    layout.draw_curves(axes, curves, x="step", styles=styles, scale=100, num_markers=5)


def draw_gaps(axes: Axes, gaps: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """The change of earlier tasks' accuracy, points, against the steps since a new task was begun."""
    axes.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    layout.draw_curves(axes, gaps, x="steps_since", styles=styles, scale=100, num_markers=5)
    layout.keep_within(axes, -100, 100)
    axes.set_ylabel("change (points)")
    axes.set_xlabel("steps into the new task")
