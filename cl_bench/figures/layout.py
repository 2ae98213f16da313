"""Panels in rows, legends below, tasks chosen: what figures share."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)

from cl_bench.analysis.looks import MOST_TASKS, MethodStyle, ordered
from cl_bench.figures.style import FONT
from cl_bench.records.text import escaped, one_line

WIDTH = 7.2  # inches; the width of a page's text
COLUMN = 3.3  # that of one column of two
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
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
    one; rows as full as can be.
    """
    most = max(1, min(most, round(most * width / WIDTH)))
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


def limits_of_all(panels: Sequence[Axes]) -> tuple[float, float]:
    """The limits of the vertical axes, as matplotlib sets them where they are shared."""
    low = min(axes.dataLim.ymin for axes in panels)
    high = max(axes.dataLim.ymax for axes in panels)
    if not low < high:
        low, high = (low - 0.05, high + 0.05) if math.isfinite(low) else (0.0, 1.0)
    margin = mpl.rcParams["axes.ymargin"] * (high - low)
    return low - margin, high + margin


def headline(figure: Figure, title: str) -> None:
    """The title of all panels, in lines that fit."""
    if title:
        figure.suptitle(wrapped(title, figure.get_figwidth(), size=10))


def task_ticks(axis: Axis) -> None:
    """Whole numbers, few enough to be read."""
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def wrapped(label: str, inches: float, *, size: float = 9) -> str:
    """A label in lines that fit into so many inches, broken at spaces, or else after an underscore or =, or
    else anywhere.

    Most letters are 0.6 of their size wide, or less; a line of wide ones has fewer.
    """
    most = max(8, int(72 * inches / (0.6 * size)))

    def fits(line: str) -> bool:
        return len(line) <= most and size * sum(map(_ems, line)) <= 72 * inches

    lines: list[str] = [""]
    for word in drawable(label).split(" "):
        whole = f"{lines[-1]} {word}" if lines[-1] else word
        if fits(whole):
            lines[-1] = whole
            continue
        lines += [""] * bool(lines[-1])
        for piece in re.findall(r"[^_=]*[_=]?", word):
            for part in [piece] if fits(lines[-1] + piece) or fits(piece) else piece:
                if lines[-1] and not fits(lines[-1] + part):
                    lines.append("")
                lines[-1] += part
    return "\n".join(lines)


def drawable(text: str) -> str:
    r"""The text in letters that the font has; others are drawn as their escapes, such as \u4e2d."""
    return "".join(each if ord(each) in _letters() else escaped(each) for each in one_line(text))


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())


@cache
def _ems(letter: str) -> float:
    """The width of a letter, over the size of the font."""
    font = get_font(findfont(FONT))
    font.set_size(100, 72)
    return font.load_char(ord(letter)).linearHoriAdvance / 65536 / 100


def legend_labels(methods: Sequence[str], width: float, *, points: bool = False) -> list[str]:
    """Methods as they stand in a legend of a figure of this width."""
    return [wrapped(name, width - _handle(points=points) - 0.1) for name in methods]


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
    heights = [0.065 + 0.15 * (1 + name.count("\n")) for name in legend_labels(methods, width, points=points)]
    rows, _ = legend_shape(methods, width, points=points)
    return 0.2 + max(sum(heights[first : first + rows]) for first in range(0, len(heights), rows))


def legend_below(
    figure: Figure, methods: Sequence[str], styles: Mapping[str, MethodStyle], *, points: bool = False
) -> None:
    """One legend for all panels, below them; of markers without lines where the figure has points only."""
    width = figure.get_figwidth()
    without_line = {"linestyle": "none", "markersize": 7} if points else {}
    labels = legend_labels(methods, width, points=points)
    handles = [
        Line2D([], [], **styles[name].line() | without_line, label=label)
        for name, label in zip(methods, labels, strict=True)
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=legend_shape(methods, width, points=points)[1],
        handlelength=_POINT if points else None,
    )


def _handle(*, points: bool) -> float:
    """Inches that a legend's sample of a line or point takes, with the space around it."""
    length = _POINT if points else mpl.rcParams["legend.handlelength"]
    return (length + 3) * mpl.rcParams["legend.fontsize"] / 72


def draw_curves(
    axes: Axes,
    curves: pd.DataFrame,
    *,
    x: str,
    styles: Mapping[str, MethodStyle],
    scale: float = 1.0,
    num_markers: int = 8,
    since: str | None = None,
) -> None:
    """One line a method with its interval shaded: mean, low and high times `scale` against the column x.

    Args:
        since: a column; where x is below it the line is faint.
    """
    bands, faint = [], []
    for method, rows in by_method(curves, x, styles):
        style, where = styles[method], rows[x]
        mean, low, high = (scale * rows[name] for name in ("mean", "low", "high"))
        bands.append(Band(where, low, high, style.color))
        first = int((where >= rows[since]).argmax()) if since else 0
        if first:
            faint.append((np.column_stack([where, mean])[: first + 1], style.color))
        # a marker at every point would hide the line of a long stream
        every = max(1, round(len(where) / num_markers))
        axes.plot(where[first:], mean[first:], markevery=every, label=method, **style.line())
    draw_bands(axes, bands)
    if faint:
        lines, colors = zip(*faint, strict=True)
        axes.add_collection(LineCollection(lines, colors=colors, linewidths=0.7, alpha=0.5))


def by_method(
    curves: pd.DataFrame, x: str, styles: Mapping[str, MethodStyle]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each method and its numbers in the order of the column x, by column."""
    rows = curves.sort_values(x, kind="stable")
    numbers = {str(name): rows[name].to_numpy(dtype=float) for name in rows.select_dtypes("number")}
    places = rows.groupby("method", sort=False).indices
    for method in ordered(map(str, places), styles):
        yield method, {name: values[places[method]] for name, values in numbers.items()}


class Band(NamedTuple):
    """An interval along a curve, [n] each; where it is not finite there is none."""

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    color: str


def draw_bands(axes: Axes, bands: Iterable[Band], *, alpha: float = 0.18) -> None:
    """All shaded intervals of a panel: a single artist, behind its lines."""
    found = [(outline, band.color) for band in bands for outline in _outlines(band)]
    if found:
        outlines, colors = zip(*found, strict=True)
        axes.add_collection(PolyCollection(outlines, facecolors=colors, alpha=alpha, linewidths=0))


def _outlines(band: Band) -> Iterator[np.ndarray]:
    known = np.isfinite(band.low) & np.isfinite(band.high)
    ends = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2)
    for first, last in ends:
        x, low, high = (values[first:last] for values in band[:3])
        yield np.column_stack([np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])])


def keep_within(axes: Axes, low: float, high: float = math.inf) -> None:
    """The vertical axis ends where values do; an interval may reach beyond, to where no value can be."""
    bottom, top = axes.get_ylim()
    margin = 0.04 * (min(top, high) - max(bottom, low))
    axes.set_ylim(max(bottom, low - margin), min(top, high + margin))


def bar(row: Mapping[Any, Any], name: str, *, scale: float = 1.0) -> tuple[float, list[list[float]] | None]:
    """<name>_mean and its distances to _low and _high, for `Axes.errorbar`; no bar without an interval."""
    mean, low, high = (scale * float(row[f"{name}_{part}"]) for part in ("mean", "low", "high"))
    return mean, None if math.isnan(low) else [[mean - low], [high - mean]]


def log_axis(axes: Axes, which: str, values: pd.DataFrame, *, prefixes: bool = False) -> None:
    """A logarithmic axis around these values, all positive or nan; what reaches down to 0 runs off it.

    Where they are close together the ticks are numbers such as 20 and 50 (with `prefixes` 20k), else powers.
    """
    low, high = float(values.min().min()), float(values.max().max())
    margin = max(1.25, (high / low) ** 0.08)
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    getattr(axes, f"set_{which}lim")(low / margin, high * margin)
    axis = getattr(axes, f"{which}axis")
    if high / low * margin**2 < 200:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(EngFormatter(sep="") if prefixes else StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    else:  # matplotlib's own would be mathematics, which the style leaves to nobody
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axis.set_minor_formatter(NullFormatter())


def power_of_ten(value: float) -> str:
    """10⁻³ for 0.001; empty for what is no power."""
    exponent = round(math.log10(value)) if value > 0 else 0
    raised = str(exponent).translate(_RAISED)
    return f"10{raised}" if math.isclose(value, 10.0**exponent) else ""
