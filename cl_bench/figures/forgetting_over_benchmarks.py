"""Forgetting on several benchmarks: the average accuracy over the tasks seen, one panel per benchmark."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.figures import layout
from cl_bench.figures.curves import by_method
from cl_bench.figures.forgetting import draw_forgetting, limits_of
from cl_bench.figures.letters import wrapped
from cl_bench.figures.measures import ACCURACY, Measure
from cl_bench.figures.style import house_style

MOST_COLUMNS = 3
PANEL = 2.1  # inches of its height
MOST_BARS = 12  # tasks that have an interval each beside their marker; longer streams have bands
DODGE = 0.4  # of the room between two tasks: what the bars of all methods take
SPREAD = 4.0  # errors that differ by more than this factor are on a logarithmic axis
LEAST_ERROR = 0.05  # percent; what has fewer errors is drawn there
BETWEEN_TICKS = 0.07  # of the axis, at least
_TICKS = (0, 20, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9)


def forgetting_over_benchmarks_figure(
    averages: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    ylim: tuple[float, float] | None = None,
    measure: Measure = ACCURACY,
) -> Figure:
    """One panel per benchmark, each with a vertical axis of its own, and one legend.

    Where the errors of a panel's methods differ much, its axis is logarithmic in them, see `is_logarithmic`:
    from 80 to 90 % is then as far as from 98 to 99 %.

    Args:
        averages: rows of `analysis.average_curves`, of one study.
        ylim: ends of all vertical axes, as drawn (percent).
        measure: what the numbers are.
    """
    benchmarks = in_order(averages)
    methods = ordered(averages["method"], styles)
    columns = 2 if len(benchmarks) in (2, 4) else min(MOST_COLUMNS, len(benchmarks))
    with house_style(width):
        rows, columns = layout.grid(len(benchmarks), most=columns, width=width)
        below = layout.legend_height(methods, width)
        tall = (0.35 + PANEL * rows) * layout.scale() + below
        figure = Figure(figsize=(width, tall), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(benchmarks), share_x=False, share_y=False)
        for place, (axes, benchmark) in enumerate(zip(panels, benchmarks, strict=True)):
            curves = averages[averages["benchmark"] == benchmark]
            draw_benchmark(axes, curves, methods=methods, styles=styles, measure=measure, ylim=ylim)
            axes.set_title(wrapped(benchmark, width / columns - 0.2, size=mpl.rcParams["axes.titlesize"]))
            if place % columns == 0:
                axes.set_ylabel(f"mean {measure.label}")
            if place + columns >= len(benchmarks):
                axes.set_xlabel("after task")
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def in_order(averages: pd.DataFrame) -> list[str]:
    """The benchmarks by kind of stream, the first word of their names; of a kind the easiest first.

    The easiest is the one with the best mean in the end. So a row of permuted benchmarks is above one of
    split ones, with the data sets in the same order.
    """
    ends = averages[averages["after_task"] == averages.groupby("benchmark")["after_task"].transform("max")]
    best = ends.groupby("benchmark")["mean"].max()
    return sorted(map(str, best.index), key=lambda name: (name.partition("_")[0], -best[name], name))


def draw_benchmark(
    axes: Axes,
    curves: pd.DataFrame,
    *,
    methods: Sequence[str],
    styles: Mapping[str, MethodStyle],
    measure: Measure = ACCURACY,
    ylim: tuple[float, float] | None = None,
) -> None:
    """One panel: the lines of one benchmark, and its axes.

    Args:
        curves: rows of `analysis.average_curves`.
        methods: all of the figure, whose bars stand in this order.
    """
    low, high = ylim or limits_of(curves, measure)
    most = measure.within[1]
    if is_logarithmic(curves, measure):
        curves = curves.assign(mean=curves["mean"].clip(upper=(most - LEAST_ERROR) / measure.scale))
        highest = most - (most - measure.scale * curves["mean"].max()) / 1.5
        _axis_of_errors(axes, low, high if ylim else highest, most)
    else:
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
    _draw_lines(axes, curves, methods=methods, styles=styles, scale=measure.scale)
    layout.task_ticks(axes.xaxis)


def _draw_lines(
    axes: Axes,
    curves: pd.DataFrame,
    *,
    methods: Sequence[str],
    styles: Mapping[str, MethodStyle],
    scale: float,
) -> None:
    """Lines with a bar at each task, side by side so that one hides no other; of long streams with bands."""
    if curves["after_task"].max() > MOST_BARS:
        draw_forgetting(axes, curves, styles=styles, scale=scale)
        return
    shifts = dict(zip(methods, np.linspace(-DODGE / 2, DODGE / 2, len(methods)), strict=True))
    for method, rows in by_method(curves, "after_task", styles):
        style, x = styles[method], rows["after_task"] + (shifts[method] if len(methods) > 1 else 0.0)
        mean, low, high = (scale * rows[name] for name in ("mean", "low", "high"))
        known = np.isfinite(low) & np.isfinite(high)
        look: dict[str, Any] = {"color": style.color, "linewidth": 1.1 * layout.scale(), "alpha": 0.6}
        if known.any():
            axes.vlines(x[known], low[known], high[known], **look)
        axes.plot(x, mean, label=method, **style.line() | {"markersize": 4.5 * layout.scale()})


def is_logarithmic(curves: pd.DataFrame, measure: Measure) -> bool:
    """Whether errors differ by more than `SPREAD`, and most methods are right more often than not.

    Where most have little left, an axis of errors would show them as one.
    """
    most = measure.within[1]
    if not measure.label.startswith("accuracy") or math.isinf(most):
        return False
    errors = (most - measure.scale * curves["mean"]).clip(lower=LEAST_ERROR)
    at_the_end = errors[curves["after_task"] == curves["after_task"].max()]
    return bool(errors.max() > SPREAD * errors.min() and at_the_end.median() < most / 2)


def _axis_of_errors(axes: Axes, low: float, high: float, most: float) -> None:
    """A vertical axis that is logarithmic in most - accuracy, with ticks of accuracy."""

    def place(accuracy: ArrayLike) -> np.ndarray:
        return -np.log10(np.maximum(most - np.asarray(accuracy, dtype=float), LEAST_ERROR / 2))

    axes.set_yscale("function", functions=(place, lambda at: most - 10.0 ** -np.asarray(at)))
    axes.set_ylim(low, high)
    ticks: list[float] = []
    for tick in sorted((tick for tick in _TICKS if low <= tick < high), reverse=True):
        room = place(ticks[-1]) - place(tick) if ticks else math.inf
        if room >= BETWEEN_TICKS * (place(high) - place(low)):
            ticks.append(tick)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
