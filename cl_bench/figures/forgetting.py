"""Forgetting curves: the accuracy on each task as the stream goes on, one panel a task."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.analysis.looks import MethodStyle, chosen_tasks, ordered
from cl_bench.figures import layout
from cl_bench.figures.style import house_style


def forgetting_figure(
    curves: pd.DataFrame,
    averages: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """One panel a task, and one with the average over the tasks seen.

    All panels have one vertical axis, except where the better half of the methods would lie on each other in
    the last one: there it shows them alone.
    `curves` and `averages` are one benchmark's rows of `analysis.forgetting_curves` and
    `analysis.average_curves`. A stream of many tasks shows some of them, and says so. Where only the newest
    tasks of a long stream were tested, the panel of a task shows the part of the stream where it was.
    """
    methods = ordered(curves["method"], styles)
    num_tasks = int(curves["on_task"].max())
    tasks = chosen_tasks(num_tasks)
    window = layout.narrow_window(curves)
    number = len(tasks) + 1
    rows, columns = layout.grid(number, width=width)
    width = min(width, layout.WIDTH if columns > 2 else 5.0)
    with house_style():
        height = 0.55 + (1.8 if window else 1.65) * rows + layout.legend_height(methods, width)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=number, each_x=window is not None)
        for axes, task in zip(panels, tasks, strict=False):
            draw_forgetting(axes, curves[curves["on_task"] == task], styles=styles)
            _mark_learning(axes, task)
            axes.set_title(f"task {task}")
        draw_forgetting(panels[-1], averages, styles=styles)
        panels[-1].set_title(f"mean of {_averaged(curves, num_tasks)}", fontweight="bold")
        for place, axes in enumerate(panels):
            if place % columns == 0:
                axes.set_ylabel("accuracy (%)")
            if place + columns >= number:
                axes.set_xlabel("after task")
            axes.set_xlim(*_stretch(0, num_tasks))
            layout.task_ticks(axes.xaxis)
        if window is not None:
            for axes, task in zip(panels, tasks, strict=False):
                last = min(task + window - 1, num_tasks)
                axes.set_xlim(*_stretch(last - window + 1, last))
        limits = _limits(pd.concat([curves[curves["on_task"].isin(tasks)], averages]))
        for axes in panels:
            axes.set_ylim(*limits)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
        best = _limits_of_the_best(averages, limits)
        if best is not None:
            panels[-1].set_ylim(*best)
            panels[-1].tick_params(labelleft=True)
            panels[-1].set_title(f"{panels[-1].get_title()} (zoom)", fontweight="bold")
        if len(tasks) < num_tasks:
            shown = f"{len(tasks)} of {num_tasks} tasks shown, evenly spaced"
            title = f"{title} ({shown})" if title else shown
        layout.headline(figure, title)
        layout.legend_below(figure, methods, styles)
    return figure


def draw_forgetting(axes: Axes, curves: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """One line a method with its 95 % interval shaded, accuracy in percent against after_task.

    `curves` has the columns method, after_task, mean, low, high (fractions), of one task or of the average.
    Where it has on_task, the line is faint until the task was learned.
    """
    since = "on_task" if "on_task" in curves else None
    layout.draw_curves(axes, curves, x="after_task", styles=styles, scale=100, since=since)


def _averaged(curves: pd.DataFrame, num_tasks: int) -> str:
    """What the average is over, in words: the tasks that the methods were tested on in the end."""
    numbers = set(curves.loc[curves["after_task"] == num_tasks, "method"].value_counts())
    if numbers == {num_tasks}:
        return "tasks seen"
    return f"last {numbers.pop()} seen" if len(numbers) == 1 else "tasks tested"


def _stretch(first: int, last: int) -> tuple[float, float]:
    """Limits of an axis from task to task, with room for the markers."""
    margin = 0.03 * max(last - first, 1)
    return first - margin, last + margin


def _mark_learning(axes: Axes, task: int) -> None:
    """Grey while the task has not been learned."""
    axes.axvspan(-1e6, task, color="#F3F3F3", linewidth=0, zorder=0)
    axes.axvline(task, color="#BBBBBB", linewidth=0.8, zorder=0.5)


def _limits(curves: pd.DataFrame) -> tuple[float, float]:
    """Percent, around all means and intervals, but within what an accuracy can be."""
    values = curves[["mean", "low", "high"]]
    low, high = 100 * float(values.min().min()), 100 * float(values.max().max())
    margin = max(2.0, 0.05 * (high - low))
    return max(-2.0, low - margin), min(102.0, high + margin)


def _limits_of_the_best(averages: pd.DataFrame, limits: tuple[float, float]) -> tuple[float, float] | None:
    """Percent, around the means of the better half of the methods, where these take less than an eighth of
    the axis; otherwise None.
    """
    end = averages[averages["after_task"] == averages["after_task"].max()].set_index("method")["mean"]
    if len(end) < 4:
        return None
    means = 100 * averages.loc[averages["method"].isin(end.index[end >= end.median()]), "mean"]
    low, high = float(means.min()), float(means.max())
    if not high - low < (limits[1] - limits[0]) / 8:
        return None
    margin = max(0.5, 0.15 * (high - low))
    return low - margin, min(high + margin, limits[1])
