"""Panels in rows, legends below, tasks chosen: what figures share."""

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import (
    MaxNLocator,
)

from cl_bench.analysis.looks import MOST_TASKS, MethodStyle
from cl_bench.figures.edges import keep_within
from cl_bench.figures.letters import wrapped
from cl_bench.records.errors import AnalysisError

WIDTH = 7.2  # inches; the width of a page's text
COLUMN = 3.3  # that of one column of two
Error = list[list[float]] | None  # distances to the ends of an interval
_FULL_SIZE = 9  # points of the font of a figure as wide as a page
_LEAST_SIDE = 0.65  # inches of a square panel
_LEAST_ROOM = 0.35  # inches of a panel's height
_POINT = 1.2  # width of a legend's sample without a line, in sizes of its font


def narrow_window(curves: pd.DataFrame) -> int | None:
    """How many times a task is tested, where only the newest are and the stream is long; otherwise None.

    A stream is long where an axis over all of it would show those tests as one dot.

    Args:
        curves: as `analysis.forgetting_curves` gives them.
    """
    age = curves["after_task"] - curves["on_task"]
    window, num_tasks = int(age.max() - age.min()) + 1, int(curves["on_task"].max())
    return window if num_tasks > MOST_TASKS and 5 * window <= num_tasks else None


def grid(number: int, *, most: int = 4, width: float = WIDTH) -> tuple[int, int]:
    """Rows and columns for this many panels: at most `most` in a row of a page's width, fewer in a narrower
    one; rows as full as can be. Small letters need less room.
    """
    fit = most * width / WIDTH
    fit = math.ceil(fit / scale()) if scale() < 1 else round(fit)
    most = max(1, min(most, fit))
    rows = math.ceil(number / most)
    return rows, math.ceil(number / rows)


def panels(
    figure: Figure, rows: int, columns: int, *, number: int, share_x: bool = True, share_y: bool = True
) -> list[Axes]:
    """Draw this many axes in rows. Where the last row is not full, panels above the gap get tick labels."""
    axes = figure.subplots(rows, columns, sharex=share_x, sharey=share_y, squeeze=False).ravel()
    return _used(axes, number, columns)


def like_panels(figure: Figure, rows: int, columns: int, *, number: int, each_x: bool = False) -> list[Axes]:
    """Panels as `panels` makes them, for a caller who sets the limits of all vertical axes alike, and of the
    horizontal ones unless `each_x`. They are not shared: matplotlib looks at all shared axes for each line.
    """
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, panel in enumerate(axes):
        panel.tick_params(labelleft=place % columns == 0, labelbottom=each_x or place + columns >= len(axes))
    return _used(axes, number, columns)


def _used(axes: np.ndarray, number: int, columns: int) -> list[Axes]:
    for unused in axes[number:]:
        unused.remove()
    for panel in axes[max(0, number - columns) : number]:
        panel.tick_params(labelbottom=True)
    return list(axes[:number])


def scale() -> float:
    """The size of letters over that of a figure as wide as a page."""
    return min(1.0, mpl.rcParams["font.size"] / _FULL_SIZE)


def squares(number: int, *, width: float, least: int, above: float, height: float) -> tuple[int, int, float]:
    """Rows, columns and the side of square panels, in as few columns as the figure's height allows.

    Args:
        least: columns at least.
        above: inches of a panel's title.
        height: of all panels together, at most.
    """
    for columns in range(min(least, number), number + 1):
        rows, side = math.ceil(number / columns), width / columns
        if rows * (side + above) <= height or width / (columns + 1) < _LEAST_SIDE:
            break
    return rows, math.ceil(number / rows), side


def headline(figure: Figure, title: str) -> None:
    """The title of all panels, in lines that fit."""
    if title:
        size = mpl.rcParams["figure.titlesize"]
        figure.suptitle(wrapped(title, figure.get_figwidth(), size=size))


def finish(figure: Figure, *, height: float | None = None) -> Figure:
    """Let ticks keep their size wherever they are drawn, give the figure another height, and break what would
    be cut at its edges.

    Raises:
        AnalysisError: where its panels have no room in that.
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            across = axis is axes.xaxis
            pad = mpl.rcParams["xtick.major.pad" if across else "ytick.major.pad"]
            size = mpl.rcParams["xtick.labelsize" if across else "ytick.labelsize"]
            given = {"pad": pad, "labelsize": size} | axis.get_tick_params()
            axis.set_tick_params(**{name: given[name] for name in ("pad", "labelsize")})
    if height is not None:
        _set_height(figure, height)
    keep_within(figure)
    return figure


def _set_height(figure: Figure, height: float) -> None:
    natural = figure.get_figheight()
    figure.set_figheight(height)
    with warnings.catch_warnings(record=True) as collapsed:  # a layout without room
        warnings.simplefilter("always")
        figure.draw_without_rendering()
    if collapsed or min(axes.get_position().height for axes in figure.axes) * height < _LEAST_ROOM:
        raise AnalysisError(
            f"a figure of {height=:g} inches has no room for its panels beside titles and legend: "
            f"give more (it is {natural:.1f} by default), or show fewer methods or tasks"
        )


def task_ticks(axis: Axis) -> None:
    """Whole numbers, few enough to be read."""
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def legend_labels(methods: Sequence[str], width: float, *, points: bool = False) -> list[str]:
    """Methods as they stand in a legend of a figure of this width."""
    size = mpl.rcParams["legend.fontsize"]
    return [wrapped(name, width - _handle(points=points) - 0.1, size=size) for name in methods]


def legend_shape(methods: Sequence[str], width: float, *, points: bool = False) -> tuple[int, int]:
    """Rows and columns of a legend that fits into `width` inches, the columns as even as can be."""
    size = mpl.rcParams["legend.fontsize"]
    lines = [line for label in legend_labels(methods, width, points=points) for line in label.split("\n")]
    widest = max(_points_wide(line, size) for line in lines) / 72
    rows = math.ceil(len(methods) / max(1, int(width / (widest + _handle(points=points)))))
    return rows, math.ceil(len(methods) / rows)


@cache
def _points_wide(line: str, size: float) -> float:
    return float(TextPath((0, 0), line, size=size).get_extents().width)


def legend_height(methods: Sequence[str], width: float, *, points: bool = False) -> float:
    """Inches that the legend takes below a figure."""
    if not methods:
        return 0.0
    size, between = mpl.rcParams["legend.fontsize"], mpl.rcParams["legend.labelspacing"]
    heights = [
        (between + 1.2 * (1 + name.count("\n"))) * size / 72
        for name in legend_labels(methods, width, points=points)
    ]
    rows, _ = legend_shape(methods, width, points=points)
    return 0.2 * scale() + max(sum(heights[first : first + rows]) for first in range(0, len(heights), rows))


def legend_below(
    figure: Figure,
    methods: Sequence[str],
    styles: Mapping[str, MethodStyle],
    *,
    points: bool = False,
    others: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """One legend for all panels, below them; of markers without lines where the figure has points only.

    Args:
        others: words and the look of what no method is, at the end.
    """
    width = figure.get_figwidth()
    without_line = {"linestyle": "none", "markersize": point_size()} if points else {}
    labels = legend_labels(methods, width, points=points)
    handles = [
        Line2D([], [], **styles[name].line() | without_line, label=label)
        for name, label in zip(methods, labels, strict=True)
    ]
    handles += [Line2D([], [], **look, label=label) for label, look in (others or {}).items()]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=legend_shape([*methods, *(others or ())], width, points=points)[1],
        handlelength=_POINT if points else None,
    )


def _handle(*, points: bool) -> float:
    """Inches that a legend's sample of a line or point takes, with the space around it."""
    length = _POINT if points else mpl.rcParams["legend.handlelength"]
    around = mpl.rcParams["legend.handletextpad"] + mpl.rcParams["legend.columnspacing"] + 0.2
    return (length + around) * mpl.rcParams["legend.fontsize"] / 72


def point_size() -> float:
    """The size of a marker that stands for a method, in points."""
    return 7 * scale()


def draw_point(
    axes: Axes, x: float, y: float, *, style: MethodStyle, label: str, x_error: Error, y_error: Error
) -> None:
    """A method's marker, and its intervals as bars."""
    # the marker apart from the bars, whose caps would take over its white edge
    look: dict[str, Any] = {"ecolor": style.color, "elinewidth": 1.1 * scale(), "capsize": 2.5 * scale()}
    axes.errorbar(x, y, xerr=x_error, yerr=y_error, fmt="none", alpha=0.7, **look)
    axes.plot(x, y, **style.line() | {"linestyle": "none", "markersize": point_size()}, label=label, zorder=3)


def bar(row: Mapping[Any, Any], name: str, *, scale: float = 1.0) -> tuple[float, Error]:
    """<name>_mean and its distances to _low and _high, for `Axes.errorbar`; no bar without an interval."""
    mean, low, high = (scale * float(row[f"{name}_{part}"]) for part in ("mean", "low", "high"))
    return mean, None if math.isnan(low) else [[mean - low], [high - mean]]
