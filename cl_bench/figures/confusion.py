"""Confusion between tasks: which task's classes the examples of each task are taken for."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cl_bench.analysis.looks import natural_order
from cl_bench.figures import layout
from cl_bench.figures.style import house_style

_COLORS = "cividis"  # even steps of lightness, for every kind of colour vision and in grey
_MOST_WRITTEN = 10  # tasks up to which a cell has room for its number


def confusion_figure(
    curves: pd.DataFrame, *, title: str = "", width: float = layout.WIDTH, height: float | None = None
) -> Figure:
    """One panel a method, one colour scale for all: the example's task by the task of the predicted class.

    Args:
        curves: one benchmark's rows of `analysis.by_class.confusion_curves`.
    """
    methods = sorted(set(curves["method"]), key=natural_order)
    num_tasks = int(curves["on_task"].max())
    rows, columns = layout.grid(len(methods), most=3 if num_tasks > 5 else 4, width=width)
    with house_style():
        side = min(width / max(columns, 2.4 if width > layout.COLUMN else 1.3), max(1.6, 0.5 * num_tasks))
        size = (side * columns + 0.7, height or (side + 0.25) * rows + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=len(methods))
        for place, (axes, method) in enumerate(zip(panels, methods, strict=True)):
            image = draw_confusion(axes, share_matrix(curves[curves["method"] == method], num_tasks))
            axes.set_title(method)
            if place % columns == 0:
                axes.set_ylabel("task")
            if place + columns >= len(methods):
                axes.set_xlabel("taken for task")
        bar = figure.colorbar(image, ax=panels, label="share of examples (%)", aspect=30, pad=0.02)
        bar.outline.set_visible(False)
        layout.headline(figure, title)
    return figure


def draw_confusion(axes: Axes, shares: np.ndarray) -> AxesImage:
    """`shares` [T, T], fractions: a row an example's task, a column the task that it is taken for."""
    num_tasks = len(shares)
    extent = (0.5, num_tasks + 0.5, num_tasks + 0.5, 0.5)
    image = axes.imshow(100 * shares, cmap=_COLORS, vmin=0, vmax=100, extent=extent, aspect="auto")
    image.set_interpolation("nearest")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        layout.task_ticks(axis)
    for task, taken_for in np.argwhere(np.isfinite(shares)) if num_tasks <= _MOST_WRITTEN else ():
        share = shares[task, taken_for]
        axes.text(
            *(taken_for + 1, task + 1, f"{100 * share:.0f}"),
            ha="center",
            va="center",
            size=8 if num_tasks <= 5 else 6,
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
