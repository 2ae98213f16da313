"""Panels in rows, legends below, tasks chosen: what figures share."""

import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from cl_bench.figures.style import MethodStyle, natural_order

WIDTH = 7.2  # inches; the width of a page's text
MOST_PANELS = 12


def chosen_tasks(num_tasks: int, *, most: int = MOST_PANELS) -> list[int]:
    """At most `most` of the tasks 1..num_tasks: the first, the last and evenly spaced ones between."""
    if num_tasks <= most:
        return list(range(1, num_tasks + 1))
    return [int(task) for task in np.linspace(1, num_tasks, most).round()]


def grid(num_panels: int) -> tuple[int, int]:
    """Rows and columns for this many panels: at most 4 in a row, rows as full as can be."""
    rows = math.ceil(num_panels / 4)
    return rows, math.ceil(num_panels / rows)


def panels(figure: Figure, number: int, *, share: bool = True) -> list[Axes]:
    """This many axes in rows; the rest of the last row stays empty, and the panels above it get their ticks."""
    rows, columns = grid(number)
    axes = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False).ravel()
    for unused in axes[number:]:
        unused.remove()
    for panel in axes[max(0, number - columns) : number]:
        panel.tick_params(labelbottom=True)
    return list(axes[:number])


def is_left(place: int, number: int) -> bool:
    """Whether a panel is the first of its row."""
    return place % grid(number)[1] == 0


def is_bottom(place: int, number: int) -> bool:
    """Whether there is no panel below a panel."""
    return place + grid(number)[1] >= number


def task_ticks(axes: Axes) -> None:
    """Whole numbers on the x axis, few enough to be read."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def ordered(methods: Iterable[str], styles: Mapping[str, MethodStyle]) -> list[str]:
    """Methods in the order of legends; a method without a style is an error of the caller's."""
    names = sorted(set(methods), key=natural_order)
    missing = [name for name in names if name not in styles]
    if missing:
        raise ValueError(f"every method needs a style, there is none for {', '.join(missing)}")
    return names


def legend_below(figure: Figure, methods: Sequence[str], styles: Mapping[str, MethodStyle]) -> None:
    """One legend for all panels, below them, in as many columns as the figure is wide."""
    handles = [Line2D([], [], **styles[name].line(), label=name) for name in methods]
    size = mpl.rcParams["legend.fontsize"]
    widest = max(TextPath((0, 0), name, size=size).get_extents().width for name in methods) / 72
    entry = widest + (mpl.rcParams["legend.handlelength"] + 3) * size / 72
    columns = max(1, min(len(methods), int(figure.get_figwidth() / entry)))
    # As many rows as needed, and the columns then as even as can be: 5 in two rows are 3 + 2, not 4 + 1.
    columns = math.ceil(len(methods) / math.ceil(len(methods) / columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def legend_height(num_methods: int) -> float:
    """Inches to leave for a legend of this many methods, roughly."""
    return 0.2 + 0.19 * math.ceil(num_methods / 4)
