"""The stability gap: what happens to a task, step by step, while others are learned."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.analysis.curves import off_step
from cl_bench.analysis.looks import MethodStyle, chosen_tasks, ordered
from cl_bench.figures import layout
from cl_bench.figures.curves import draw_curves
from cl_bench.figures.forgetting import MEAN, checked_tasks, limits_of
from cl_bench.figures.limits import limits_around, show
from cl_bench.figures.style import house_style


def stability_gap_figure(
    curves: pd.DataFrame,
    gaps: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    tasks: Sequence[int | str] | None = None,
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """One panel per task but the last, over the steps of the run; and one of what a new task does on average.

    `curves` and `gaps` are one benchmark's rows of `analysis.curves.probe_curves` and `gap_curves`,
    which are not empty. A stream of many tasks shows some of them, and says so. Methods that take other
    numbers of steps than most are points at the ends of tasks, see `off_step`.

    Args:
        tasks: the panels, by task or `MEAN`; None: all, or some of many, and the mean.
        ylim: ends of the vertical axes of the tasks, percent; of the mean where it is alone.
    """
    methods = ordered(curves["method"], styles)
    num_tasks = int(curves["on_task"].max())
    shown: list[int | str] = [*chosen_tasks(num_tasks - 1), MEAN]
    shown = shown if tasks is None else checked_tasks(tasks, num_tasks)
    number = len(shown)
    with house_style(width):
        rows, columns = layout.grid(number, width=width)
        panel = 1.75 if number > 1 else 0.55 * width
        across = layout.scale() if number > 1 else 1.0
        below = layout.legend_height(methods, width)
        figure = Figure(figsize=(width, (0.65 + panel * rows) * across + below), layout="constrained")
        panels = [figure.add_subplot(rows, columns, 1 + place) for place in range(number)]
        of_tasks = [axes for axes, task in zip(panels, shown, strict=True) if task != MEAN]
        steps = off_step(curves).steps
        for place, (axes, task) in enumerate(zip(panels, shown, strict=True)):
            if task == MEAN:
                draw_gaps(axes, gaps[~gaps["method"].isin(off_step(curves).methods)], styles=styles)
                axes.set_title("mean over new tasks", fontweight="bold" if number > 1 else "normal")
                if place % columns:  # its words would push the panels above apart
                    axes.yaxis.tick_right()
                    axes.yaxis.set_label_position("right")
                    axes.spines["left"].set_visible(False)
                    axes.spines["right"].set_visible(True)
                continue
            draw_probes(axes, curves, task=int(task), styles=styles)
            axes.set_title(f"task {task}")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4 if layout.scale() == 1 else 3, integer=True))
            axes.set_xlim(float(curves["step"].min()), 1.02 * steps[-1])
            if place % columns == 0:
                axes.set_ylabel("accuracy (%)")
            else:
                axes.tick_params(labelleft=False)
            if place + columns >= number:
                axes.set_xlabel("step")
        limits = limits_of(curves[curves["on_task"].isin(shown)])
        for axes in of_tasks:
            axes.set_ylim(*(ylim or limits))
        if ylim is not None and not of_tasks:
            panels[0].set_ylim(*ylim)
        if tasks is None and number < num_tasks and title is not None:
            title = f"{title} ({number - 1} of {num_tasks - 1} tasks shown)".strip()
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def draw_probes(axes: Axes, curves: pd.DataFrame, *, task: int, styles: Mapping[str, MethodStyle]) -> None:
    """The accuracy on one task in percent against the steps of the run; a line where each task ends.

    Args:
        curves: of all tasks, so that steps are known.
    """
    off = off_step(curves)
    for end in off.steps[:-1]:
        axes.axvline(end, color="#BBBBBB", linewidth=0.8, zorder=0.5)
    rows = curves[curves["on_task"] == task]
    others = rows["method"].isin(off.methods)
    draw_curves(axes, rows[~others], x="step", styles=styles, scale=100, num_markers=5)
    ends = rows[others].sort_values("step").groupby(["method", "training_on"], sort=False).tail(1)
    for method, points in ends.groupby("method", sort=False):
        x = [off.steps[trained - 1] for trained in points["training_on"]]
        look = styles[str(method)].line() | {"linestyle": "none"}
        axes.plot(x, 100 * points["mean"], **look, label=str(method), clip_on=False)


def draw_gaps(axes: Axes, gaps: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """The change of earlier tasks' accuracy, points, against the steps since a new task was begun."""
    axes.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    draw_curves(axes, gaps, x="steps_since", styles=styles, scale=100, num_markers=5)
    parts = (100 * gaps[part] for part in ("mean", "low", "high"))
    show(axes, "y", *limits_around(*parts, within=(-100, 100)))
    axes.set_ylabel("change (points)")
    axes.set_xlabel("steps into the new task")
