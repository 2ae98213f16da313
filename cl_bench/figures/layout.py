"""Panels in rows, legends below, tasks chosen: what figures share."""

import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from cl_bench.figures.style import MethodStyle, natural_order

WIDTH = 7.2  # inches; the width of a page's text
MOST_TASKS = 12


def chosen_tasks(num_tasks: int) -> list[int]:
    """The tasks that get a panel: all up to 12, else the first, the last and some between."""
    if num_tasks <= MOST_TASKS:
        return list(range(1, num_tasks + 1))
    # One fewer, so that the panel of the mean fills the last row.
    return [int(task) for task in np.linspace(1, num_tasks, MOST_TASKS - 1).round()]


def narrow_window(curves: pd.DataFrame) -> int | None:
    """How many times a task is tested, where only the newest tasks are and the stream is so long that an axis
    over all of it would show them as one dot; otherwise None. `curves` as `analysis.forgetting_curves`.
    """
    age = curves["after_task"] - curves["on_task"]
    window, num_tasks = int(age.max() - age.min()) + 1, int(curves["on_task"].max())
    return window if num_tasks > MOST_TASKS and 5 * window <= num_tasks else None


def grid(number: int, *, most: int = 4) -> tuple[int, int]:
    """Rows and columns for this many panels: at most `most` in a row, rows as full as can be."""
    rows = math.ceil(number / most)
    return rows, math.ceil(number / rows)


def panels(figure: Figure, rows: int, columns: int, *, number: int, share_x: bool = True) -> list[Axes]:
    """This many axes in rows; where the last row is not full, the panels above the gap get tick labels."""
    axes = figure.subplots(rows, columns, sharex=share_x, sharey=True, squeeze=False).ravel()
    for unused in axes[number:]:
        unused.remove()
    for panel in axes[max(0, number - columns) : number]:
        panel.tick_params(labelbottom=True)
    return list(axes[:number])


def task_ticks(axis: Axis) -> None:
    """Whole numbers, few enough to be read."""
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def ordered(methods: Iterable[str], styles: Mapping[str, MethodStyle]) -> list[str]:
    """Methods in the order of legends; a method without a style is an error of the caller's."""
    names = sorted(set(methods), key=natural_order)
    missing = [name for name in names if name not in styles]
    if missing:
        raise ValueError(f"every method needs a style, there is none for {', '.join(missing)}")
    return names


def legend_shape(methods: Sequence[str], width: float) -> tuple[int, int]:
    """Rows and columns of a legend that fits into `width` inches, the columns as even as can be."""
    size = mpl.rcParams["legend.fontsize"]
    widest = max(TextPath((0, 0), name, size=size).get_extents().width for name in methods) / 72
    entry = widest + (mpl.rcParams["legend.handlelength"] + 3) * size / 72
    rows = math.ceil(len(methods) / max(1, int(width / entry)))
    return rows, math.ceil(len(methods) / rows)


def legend_height(methods: Sequence[str], width: float) -> float:
    """Inches that the legend takes below a figure."""
    return 0.2 + 0.19 * legend_shape(methods, width)[0]


def legend_below(figure: Figure, methods: Sequence[str], styles: Mapping[str, MethodStyle]) -> None:
    """One legend for all panels, below them."""
    handles = [Line2D([], [], **styles[name].line(), label=name) for name in methods]
    columns = legend_shape(methods, figure.get_figwidth())[1]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
