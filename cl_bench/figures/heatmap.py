"""The accuracy matrix of each method: task tested against task last trained on."""

from functools import cache

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

from cl_bench.analysis.looks import natural_order
from cl_bench.figures import layout
from cl_bench.figures.style import FONT, house_style

_COLORS = "cividis"  # even steps of lightness, for every kind of colour vision and in grey
_MOST_WRITTEN = 10  # tasks up to which a cell has room for its number


def heatmap_figure(
    curves: pd.DataFrame,
    *,
    title: str = "",
    limits: tuple[float, float] | None = None,
    width: float = layout.WIDTH,
) -> Figure:
    """One panel a method, one colour scale for all; what was not tested is blank.

    `curves` are one benchmark's rows of `analysis.forgetting_curves`. Where only the newest tasks of a long
    stream were tested, the rows are not tasks but how many were learned since.

    `limits` are the ends of the colour scale, percent; by default the smallest and the largest mean.
    """
    methods = sorted(set(curves["method"]), key=natural_order)
    num_tasks = int(curves["on_task"].max())
    by_age = layout.narrow_window(curves) is not None
    rows, columns = layout.grid(len(methods), most=1 if by_age else 3 if num_tasks > 5 else 4, width=width)
    limits = limits or (100 * float(curves["mean"].min()), 100 * float(curves["mean"].max()))
    with house_style():
        # Cells about square, and not huge where there are few; not by `aspect`, which fights with the layout.
        widest = width / (1 if by_age else max(columns, 2.4 if width > layout.COLUMN else 1.3))
        side = min(widest, max(1.5, 0.5 * num_tasks))
        titles = [layout.wrapped(method, side) for method in methods]
        title_height = 0.15 * max(text.count("\n") + 1 for text in titles)
        image_height = 0.9 if by_age else side * (1 + num_tasks) / max(num_tasks, 2)
        size = (side * columns + 0.7, (image_height + title_height + 0.1) * rows + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=len(methods))
        for place, (axes, method) in enumerate(zip(panels, methods, strict=True)):
            matrix = mean_matrix(curves[curves["method"] == method])
            image = (draw_ages if by_age else draw_heatmap)(axes, matrix, limits=limits)
            axes.set_title(titles[place])
            if place % columns == 0:
                axes.set_ylabel("tasks since" if by_age else "after task")
            if place + columns >= len(methods):
                axes.set_xlabel("on task")
        bar = figure.colorbar(image, ax=panels, label="accuracy (%)", aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        layout.headline(figure, title)
    return figure


def draw_ages(axes: Axes, accuracy: np.ndarray, *, limits: tuple[float, float]) -> AxesImage:
    """`accuracy` [1 + T, T], fractions: a column a task, a row for each number of tasks learned since."""
    num_tasks = accuracy.shape[1]
    after, on = np.nonzero(np.isfinite(accuracy))
    age = after - on - 1
    by_age = np.full((age.max() + 1, num_tasks), np.nan)
    by_age[age, on] = accuracy[after, on]
    image = _show(axes, by_age, limits=limits)
    # smoothed along the many tasks, the few rows would run into each other
    image.set_interpolation("nearest")
    return image


def draw_heatmap(axes: Axes, accuracy: np.ndarray, *, limits: tuple[float, float]) -> AxesImage:
    """`accuracy` [1 + T, T], fractions, row 0 the untrained network; below the stairs is what was learned.

    A cell that was not tested (nan) is blank.
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
    if num_tasks <= _MOST_WRITTEN:
        _write(axes, percent, middle=(low + high) / 2, size=8 if num_tasks <= 5 else 6)
    return image


def _write(axes: Axes, percent: np.ndarray, *, middle: float, size: float) -> None:
    """The number of each cell, those that read alike together: a text of its own for each of a thousand cells
    takes longer than all the rest of the figure.
    """
    cells: dict[str, list[tuple[int, int]]] = {}
    for after, on in np.argwhere(np.isfinite(percent)):
        cells.setdefault(f"{percent[after, on]:.0f}", []).append((after, on))
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
