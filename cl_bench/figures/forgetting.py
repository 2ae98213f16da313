"""Forgetting curves: the accuracy on each task as the stream goes on, one panel per task."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.analysis.looks import MethodStyle, chosen_tasks, ordered
from cl_bench.figures import layout
from cl_bench.figures.curves import draw_curves
from cl_bench.figures.edges import BOLD
from cl_bench.figures.letters import wrapped
from cl_bench.figures.limits import limits_around
from cl_bench.figures.measures import ACCURACY, Measure
from cl_bench.figures.style import house_style
from cl_bench.records.errors import AnalysisError

MEAN = "mean"  # the panel of the average over the tasks seen


def forgetting_figure(
    curves: pd.DataFrame,
    averages: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    tasks: Sequence[int | str] | None = None,
    ylim: tuple[float, float] | None = None,
    measure: Measure = ACCURACY,
) -> Figure:
    """One panel per task, and one with the average over the tasks seen.

    All panels have one vertical axis. The last one has its own where its methods take little of that: it
    shows them closer, or the better half of them alone.
    `curves` and `averages` are one benchmark's rows of `analysis.forgetting_curves` and
    `analysis.average_curves`. A stream of many tasks shows some of them, and says so. Where only the newest
    tasks of a long stream were tested, the panel of a task shows the part of the stream where it was.

    Args:
        title: None: no title at all, also where some of the tasks are shown.
        tasks: the panels, by task or `MEAN`; None: all, or some of many, and the mean.
        ylim: ends of the vertical axes, as drawn (percent).
        measure: what the numbers are.
    """
    methods = ordered(curves["method"], styles)
    num_tasks = int(curves["on_task"].max())
    shown: list[int | str] = [*chosen_tasks(num_tasks), MEAN]
    shown = shown if tasks is None else checked_tasks(tasks, num_tasks)
    window = layout.narrow_window(curves)
    number = len(shown)
    rows, columns = layout.grid(number, width=width)
    width = min(width, layout.WIDTH if columns > 2 else 5.0)
    with house_style(width):
        rows, columns = layout.grid(number, width=width)
        below = layout.legend_height(methods, width)
        panel = 1.8 if window else 1.65 if number > 1 else 0.55 * width
        across = layout.scale() if number > 1 else 1.0
        figure = Figure(figsize=(width, (0.55 + panel * rows) * across + below), layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=number, each_x=window is not None)
        table = {task: averages if task == MEAN else curves[curves["on_task"] == task] for task in shown}
        for place, (axes, task) in enumerate(zip(panels, shown, strict=True)):
            draw_forgetting(axes, table[task], styles=styles, scale=measure.scale)
            if task == MEAN:
                axes.set_title(_title(_averaged(curves, num_tasks), width / columns))
                axes.title.set_fontweight("bold" if number > 1 else "normal")
            else:
                _mark_learning(axes, int(task))
                axes.set_title(f"task {task}")
            if place % columns == 0:
                axes.set_ylabel(measure.label)
            if place + columns >= number:
                axes.set_xlabel("after task")
            axes.set_xlim(*_stretch(0, num_tasks))
            if window is not None and task != MEAN:
                last = min(int(task) + window - 1, num_tasks)
                axes.set_xlim(*_stretch(last - window + 1, last))
            layout.task_ticks(axes.xaxis)
        limits = ylim or limits_of(pd.concat(list(table.values())), measure)
        for axes in panels:
            axes.set_ylim(*limits)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
        if ylim is None and shown[-1] == MEAN and number > 1:
            words = _averaged(curves, num_tasks)
            _zoom(panels[-1], averages, limits, measure, words, width / columns / BOLD)
        if tasks is None and number <= num_tasks and title is not None:
            some = f"{number - 1} of {num_tasks} tasks shown, evenly spaced"
            title = f"{title} ({some})" if title else some
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def checked_tasks(tasks: Sequence[int | str], num_tasks: int) -> list[int | str]:
    """The panels that were asked for.

    Raises:
        AnalysisError: for a task that the stream has not.
    """
    for task in tasks:
        if task != MEAN and not (isinstance(task, int) and 1 <= task <= num_tasks):
            raise AnalysisError(
                f"tasks are numbers from 1 to {num_tasks} here, or {MEAN}, got {task!r}; "
                f"such as tasks=1,{num_tasks},{MEAN}"
            )
    if not tasks:
        raise AnalysisError(f"tasks must name one or more of 1 to {num_tasks} and {MEAN}")
    return list(dict.fromkeys(tasks))


def draw_forgetting(
    axes: Axes, curves: pd.DataFrame, *, styles: Mapping[str, MethodStyle], scale: float = 100
) -> None:
    """One line per method with its interval shaded, accuracy in percent against after_task.

    `curves` has the columns method, after_task, mean, low, high (fractions), of one task or of the average.
    Where it has on_task, the line is faint until the task was learned.
    """
    since = "on_task" if "on_task" in curves else None
    draw_curves(axes, curves, x="after_task", styles=styles, scale=scale, since=since)


def _averaged(curves: pd.DataFrame, num_tasks: int) -> tuple[str, str]:
    """What the average is over, in words and in few: the tasks that the methods were tested on in the end."""
    numbers = set(curves.loc[curves["after_task"] == num_tasks, "method"].value_counts())
    if numbers == {num_tasks}:
        return "mean of tasks seen", "mean"
    if len(numbers) == 1:
        last = numbers.pop()
        return f"mean of last {last} seen", f"mean, last {last}"
    return "mean of tasks tested", "mean"


def _stretch(first: int, last: int) -> tuple[float, float]:
    """Limits of an axis from task to task, with room for the markers."""
    margin = 0.03 * max(last - first, 1)
    return first - margin, last + margin


def _mark_learning(axes: Axes, task: int) -> None:
    """Grey while the task has not been learned."""
    axes.axvspan(-1e6, task, color="#F3F3F3", linewidth=0, zorder=0)
    axes.axvline(task, color="#BBBBBB", linewidth=0.8, zorder=0.5)


def limits_of(curves: pd.DataFrame, measure: Measure = ACCURACY) -> tuple[float, float]:
    """Around all means; intervals may run off, see `limits_around`."""
    parts = (measure.scale * curves[name] for name in ("mean", "low", "high"))
    return limits_around(*parts, within=measure.within)


def _zoom(
    axes: Axes,
    averages: pd.DataFrame,
    limits: tuple[float, float],
    measure: Measure,
    words: tuple[str, str],
    inches: float,
) -> None:
    """Closer limits of the panel of the mean, which has ticks of its own then; its title counts the methods
    that end in it, where some do not.
    """
    closer = _closer_limits(averages, limits, scale=measure.scale)
    if closer is not None:
        axes.set_ylim(*closer)
        axes.tick_params(labelleft=True)
        end = measure.scale * averages.loc[averages["after_task"] == averages["after_task"].max(), "mean"]
        inside = int((end >= closer[0]).sum())
        note = "zoom" if inside == len(end) else f"zoom: {inside} of {len(end)}"
        axes.set_title(_title([f"{each} ({note})" for each in words], inches), fontweight="bold")


def _title(words: Sequence[str], inches: float) -> str:
    """The first title that is one line of a panel's width, for a second line would push its row down; or
    else the last of them, in lines.
    """
    lines = [wrapped(each, inches - 0.1, size=mpl.rcParams["axes.titlesize"]) for each in words]
    return next((each for each in lines if "\n" not in each), lines[-1])


def _closer_limits(
    averages: pd.DataFrame, limits: tuple[float, float], *, scale: float = 100
) -> tuple[float, float] | None:
    """Around the better half of the methods where these take less than a quarter of the axis.

    Otherwise around all where these take less than half. None where they take more, and for few methods.
    """
    end = averages[averages["after_task"] == averages["after_task"].max()].set_index("method")["mean"]
    if len(end) < 4:
        return None
    better = end.index[end >= end.median()]
    for methods, share in ((better, 4), (end.index, 2)):
        means = scale * averages.loc[averages["method"].isin(methods), "mean"]
        low, high = float(means.min()), float(means.max())
        if high - low < (limits[1] - limits[0]) / share:
            margin = max(0.005 * (limits[1] - limits[0]), 0.15 * (high - low))
            return low - margin, min(high + margin, limits[1])
    return None
