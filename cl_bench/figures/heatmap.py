"""The accuracy matrix of each method: task tested against task last trained on."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cl_bench.figures import layout
from cl_bench.figures.style import house_style
from cl_bench.looks import natural_order

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
        panels = layout.panels(figure, rows, columns, number=len(methods))
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
        middle = (low + high) / 2
        for after, on in np.argwhere(np.isfinite(percent)):
            value = percent[after, on]
            number = axes.text(
                on + 1,
                after,
                f"{value:.0f}",
                color="black" if value > middle else "white",
                ha="center",
                va="center",
                fontsize=8 if num_tasks <= 5 else 6,
            )
            number.set_in_layout(False)  # it lies in its cell: measuring hundreds takes the layout seconds
    return image


def _show(axes: Axes, accuracy: np.ndarray, *, limits: tuple[float, float]) -> AxesImage:
    """Columns count from 1, rows from 0."""
    num_rows, num_columns = accuracy.shape
    extent = (0.5, num_columns + 0.5, num_rows - 0.5, -0.5)
    low, high = limits
    image = axes.imshow(100 * accuracy, cmap=_COLORS, vmin=low, vmax=high, extent=extent, aspect="auto")
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
