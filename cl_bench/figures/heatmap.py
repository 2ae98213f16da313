"""The accuracy matrix of each method: task tested against task last trained on."""

from collections.abc import Mapping
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D, IdentityTransform

from cl_bench.analysis.looks import MethodStyle, method_styles, ordered
from cl_bench.figures import layout
from cl_bench.figures.letters import wrapped
from cl_bench.figures.measures import ACCURACY, Measure
from cl_bench.figures.style import FONT, house_style

_COLORS = "cividis"  # even steps of lightness, for every kind of colour vision and in grey
_MOST_WRITTEN = 10  # tasks up to which a cell has room for its number
SMALLEST = 3.6  # points of a number that can be read


def heatmap_figure(
    curves: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle] | None = None,
    title: str | None = "",
    limits: tuple[float, float] | None = None,
    width: float = layout.WIDTH,
    height: float | None = None,
    measure: Measure = ACCURACY,
) -> Figure:
    """One panel per method, one colour scale for all; what was not tested is blank.

    `curves` are one benchmark's rows of `analysis.forgetting_curves`. Where only the newest tasks of a long
    stream were tested, the rows are not tasks but how many were learned since.

    Args:
        styles: of them the order of the panels is taken; None: the natural one.
        limits: ends of the colour scale, as drawn (percent); None: the smallest and the largest mean.
        measure: what the numbers are.
    """
    curves = curves.assign(mean=curves["mean"] * measure.scale / 100)  # a matrix is drawn in percent
    methods = ordered(curves["method"], styles or method_styles(curves["method"]))
    num_tasks = int(curves["on_task"].max())
    by_age = layout.narrow_window(curves) is not None
    limits = limits or colour_limits(curves)
    with house_style(width):
        unit = layout.scale()
        room = width - 0.7 * unit  # a colour bar stands beside the panels
        rows, columns, side = len(methods), 1, room
        if not by_age:
            least = 3 if num_tasks > 5 or unit < 1 else 4
            above = 0.3 * unit
            rows, columns, side = layout.squares(
                len(methods), width=room, least=least, above=above, height=1.25 * width - 0.6
            )
        # Cells about square, and not huge where there are few; not by `aspect`, which fights with the layout.
        side = min(side, max(1.5, 0.5 * num_tasks), room / 1.2)
        titles = [wrapped(method, side, size=mpl.rcParams["axes.titlesize"]) for method in methods]
        title_height = 0.15 * unit * max(text.count("\n") + 1 for text in titles)
        image_height = 0.9 if by_age else side * (1 + num_tasks) / max(num_tasks, 2)
        if not by_age:  # flatter cells rather than a figure that fills a page
            most = (1.3 * width - 0.6 * unit) / rows - title_height - 0.1
            image_height = max(0.6 * side, min(image_height, most))
        size = (side * columns + 0.7 * unit, (image_height + title_height + 0.1) * rows + 0.6 * unit)
        figure = Figure(figsize=size, layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=len(methods))
        for place, (axes, method) in enumerate(zip(panels, methods, strict=True)):
            matrix = mean_matrix(curves[curves["method"] == method])
            if by_age:
                image = draw_ages(axes, matrix, limits=limits)
            else:
                image = draw_heatmap(axes, matrix, limits=limits, size=number_size(side, num_tasks))
            axes.set_title(titles[place])
            if place % columns == 0:
                axes.set_ylabel("tasks since" if by_age else "after task")
            if place + columns >= len(methods):
                axes.set_xlabel("on task")
        bar = figure.colorbar(image, ax=panels, label=measure.label, aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        layout.headline(figure, title or "")
        return layout.finish(figure, height=height)


def number_size(side: float, num_tasks: int) -> float:
    """Points of the numbers in the cells of a panel: two letters fill half of one."""
    return min(8.0, 72 * side / num_tasks / 2.4)


def draw_ages(axes: Axes, accuracy: np.ndarray, *, limits: tuple[float, float]) -> AxesImage:
    """`accuracy` [1 + T, T], fractions: one column per task, a row for each number of tasks learned since."""
    num_tasks = accuracy.shape[1]
    after, on = np.nonzero(np.isfinite(accuracy))
    age = after - on - 1
    by_age = np.full((age.max() + 1, num_tasks), np.nan)
    by_age[age, on] = accuracy[after, on]
    image = _show(axes, by_age, limits=limits)
    # smoothed along the many tasks, the few rows would run into each other
    image.set_interpolation("nearest")
    return image


def colour_limits(curves: pd.DataFrame) -> tuple[float, float]:
    """The smallest and the largest mean, percent."""
    return 100 * float(curves["mean"].min()), 100 * float(curves["mean"].max())


def draw_heatmap(
    axes: Axes, accuracy: np.ndarray, *, limits: tuple[float, float], size: float | None = None
) -> AxesImage:
    """`accuracy` [1 + T, T], fractions, row 0 the untrained network; below the stairs is what was learned.

    A cell that was not tested (nan) is blank.

    Args:
        size: of the numbers in the cells, points; too small ones are left out.
    """
    num_tasks = accuracy.shape[1]
    percent = 100 * accuracy
    low, high = limits
    image = _show(axes, accuracy, limits=limits)
    if np.isfinite(accuracy[np.triu_indices_from(accuracy)]).any():
        # Task j has been learned from row j on: the line runs right above that row, then down to the next.
        stairs = [(task + side, task - 0.5) for task in range(1, num_tasks + 1) for side in (-0.5, 0.5)]
        axes.plot(*zip(*stairs, strict=True), color="white", linewidth=1.6, solid_joinstyle="miter")
        axes.set_xlim(0.5, num_tasks + 0.5)
        axes.set_ylim(num_tasks + 0.5, -0.5)
    size = size or (8 if num_tasks <= 5 else 6)
    if num_tasks <= _MOST_WRITTEN and size >= SMALLEST:
        _write(axes, percent, middle=(low + high) / 2, size=size)
    return image


def _write(axes: Axes, percent: np.ndarray, *, middle: float, size: float) -> None:
    """The number of each cell, those that read alike together: a text of its own for each of a thousand cells
    takes longer than all the rest of the figure.
    """
    finite = percent[np.isfinite(percent)]
    cells: dict[str, list[tuple[int, int]]] = {}
    for after, on in np.argwhere(np.isfinite(percent)):
        cells.setdefault(_number(percent[after, on], of=finite), []).append((after, on))
    for text, places in cells.items():
        written = PathCollection(
            [_centred(text, size)],
            sizes=[1.0],
            offsets=[(on + 1, after) for after, on in places],
            offset_transform=axes.transData,
            facecolors=["black" if percent[place] > middle else "white" for place in places],
            linewidths=0,
            transform=IdentityTransform(),
            label=text,
            zorder=3,
        )
        written.set_in_layout(False)  # it lies in its cells
        axes.add_collection(written, autolim=False)


def _number(value: float, *, of: np.ndarray) -> str:
    """Whole numbers, and two digits where all are small, as losses are."""
    return f"{value:.0f}" if np.abs(of).max() >= 20 else f"{value:.2g}"


@cache
def _centred(text: str, size: float) -> Path:
    """The outline of a text around (0, 0), in points."""
    outline = TextPath((0, 0), text, size=size, prop=FontProperties(family=FONT))
    (left, _), (right, _) = outline.get_extents().get_points()
    height = TextPath((0, 0), "0", size=size, prop=FontProperties(family=FONT)).get_extents().y1
    return outline.transformed(Affine2D().translate(-(left + right) / 2, -height / 2))


def _show(axes: Axes, accuracy: np.ndarray, *, limits: tuple[float, float]) -> AxesImage:
    """Columns count from 1, rows from 0."""
    num_rows, num_columns = accuracy.shape
    extent = (0.5, num_columns + 0.5, num_rows - 0.5, -0.5)
    low, high = limits
    image = axes.imshow(100 * accuracy, cmap=_COLORS, vmin=low, vmax=high, extent=extent, aspect="auto")
    if max(num_rows, num_columns) <= _MOST_WRITTEN + 1:  # large cells, which nothing blurs
        image.set_interpolation("none")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        layout.task_ticks(axis)
    return image


def mean_matrix(curves: pd.DataFrame) -> np.ndarray:
    """One method's mean accuracies as a matrix, [1 + T, T]; nan where nothing was tested."""
    num_tasks = int(curves["on_task"].max())
    matrix = np.full((1 + num_tasks, num_tasks), np.nan)
    matrix[curves["after_task"].to_numpy(), curves["on_task"].to_numpy() - 1] = curves["mean"].to_numpy()
    return matrix
