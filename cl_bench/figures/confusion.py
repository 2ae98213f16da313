"""Confusion between tasks: which task's classes the examples of each task are taken for."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cl_bench.analysis.looks import MethodStyle, method_styles, ordered
from cl_bench.figures import layout
from cl_bench.figures.heatmap import SMALLEST, number_size
from cl_bench.figures.letters import wrapped
from cl_bench.figures.style import house_style

_COLORS = "cividis"  # even steps of lightness, for every kind of colour vision and in grey
_MOST_WRITTEN = 10  # tasks up to which a cell has room for its number


def confusion_figure(
    curves: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle] | None = None,
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """One panel per method, one colour scale for all: the example's task by the task of the predicted class.

    Args:
        curves: one benchmark's rows of `analysis.by_class.confusion_curves`.
        styles: of them the order of the panels is taken; None: the natural one.
    """
    methods = ordered(curves["method"], styles or method_styles(curves["method"]))
    num_tasks = int(curves["on_task"].max())
    with house_style(width):
        unit = layout.scale()
        room = width - 0.7 * unit  # a colour bar stands beside the panels
        least, above = 3 if num_tasks > 5 or unit < 1 else 4, 0.25 * unit
        rows, columns, side = layout.squares(
            len(methods), width=room, least=least, above=above, height=1.3 * width - 0.6 * unit
        )
        side = min(side, max(1.6, 0.5 * num_tasks), room / 1.2)
        tall = min((side + above) * rows, 1.3 * width - 0.6 * unit) + 0.6 * unit
        figure = Figure(figsize=(side * columns + 0.7 * unit, tall), layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=len(methods))
        for place, (axes, method) in enumerate(zip(panels, methods, strict=True)):
            matrix = share_matrix(curves[curves["method"] == method], num_tasks)
            image = draw_confusion(axes, matrix, size=number_size(side, num_tasks))
            axes.set_title(wrapped(method, side, size=mpl.rcParams["axes.titlesize"]))
            if place % columns == 0:
                axes.set_ylabel("task")
            if place + columns >= len(methods):
                axes.set_xlabel("taken for task")
        bar = figure.colorbar(image, ax=panels, label="share of examples (%)", aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        layout.headline(figure, title or "")
        return layout.finish(figure, height=height)


def draw_confusion(axes: Axes, shares: np.ndarray, *, size: float = 8) -> AxesImage:
    """`shares` [T, T], fractions: a row an example's task, a column the task that it is taken for.

    Args:
        size: of the numbers in the cells, points; too small ones are left out.
    """
    num_tasks = len(shares)
    extent = (0.5, num_tasks + 0.5, num_tasks + 0.5, 0.5)
    image = axes.imshow(100 * shares, cmap=_COLORS, vmin=0, vmax=100, extent=extent, aspect="auto")
    image.set_interpolation("nearest")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        layout.task_ticks(axis)
    are_written = num_tasks <= _MOST_WRITTEN and size >= SMALLEST
    for task, taken_for in np.argwhere(np.isfinite(shares)) if are_written else ():
        share = shares[task, taken_for]
        axes.text(
            *(taken_for + 1, task + 1, f"{100 * share:.0f}"),
            ha="center",
            va="center",
            size=size,
            color="black" if share > 0.5 else "white",
        )
    return image


def share_matrix(curves: pd.DataFrame, num_tasks: int) -> np.ndarray:
    """One method's mean shares, [T, T]; nan for a task that was not tested."""
    matrix = np.full((num_tasks, num_tasks), np.nan)
    known = curves[curves["predicted_task"] > 0]
    places = known["on_task"].to_numpy() - 1, known["predicted_task"].to_numpy() - 1
    matrix[places] = known["mean"].to_numpy()
    return matrix
