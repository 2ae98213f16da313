"""Reliability diagrams before and after later tasks: what a confidence is worth when a task was learned, and
what it is worth in the end.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.analysis.reliability import END, LEARNED
from cl_bench.figures import layout
from cl_bench.figures.curves import Band, draw_bands, of_few_seeds
from cl_bench.figures.letters import wrapped
from cl_bench.figures.style import house_style

_AREA = 220.0  # of a bin with all examples, in square points
_AREA_IS = "area: share of examples"
_FEWEST = 0.01  # the share of the examples that an interval is drawn of
NAMES = {LEARNED: "just learned", END: "after the last task"}


def calibration_figure(
    bins: pd.DataFrame,
    errors: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """One panel per method. `bins` are one benchmark's rows of `analysis.reliability.reliability`, `errors`
    those of `calibration_errors`.
    """
    methods = ordered(bins["method"], styles)
    with house_style(width):
        unit, size = layout.scale(), mpl.rcParams["axes.titlesize"]
        rows, columns, side = layout.squares(
            len(methods),
            width=width - 0.3,
            least=4 if unit == 1 else 3,
            above=0.3 * unit,
            height=1.28 * width - 0.85 * unit,
        )
        side = min(side, 2.6, 0.85 * width)
        names = [wrapped(method, side - 0.1, size=size) for method in methods]
        lines = max(name.count("\n") + 1 for name in names)
        tall = 0.85 * unit + (side + 0.15 * unit * (1 + lines)) * rows
        tall = min(tall, 1.3 * width) if rows > 1 else tall  # flatter panels rather than a page of them
        broad = max(side * columns + 0.3, min(layout.COLUMN, width))
        figure = Figure(figsize=(broad, tall), layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=len(methods))
        for place, (axes, method) in enumerate(zip(panels, methods, strict=True)):
            draw_reliability(axes, bins[bins["method"] == method], style=styles[method])
            said = _said(errors[errors["method"] == method], short=side < 1)
            axes.set_title(f"{names[place]}\n{said}")
            if place % columns == 0:
                axes.set_ylabel("accuracy (%)")
            if place + columns >= len(methods):
                axes.set_xlabel("confidence (%)")
        layout.headline(figure, title or "")
        handles = [
            Line2D([], [], color="#444444", label=NAMES[when], **_look(when)) for when in (LEARNED, END)
        ]
        hints = [_AREA_IS, *(["above: ECE"] if side < 1 else [])]
        handles += [Line2D([], [], linestyle="none", label=each) for each in hints]
        ncols = layout.legend_shape([*NAMES.values(), *hints], broad)[1]
        figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
        return layout.finish(figure, height=height)


def draw_reliability(axes: Axes, bins: pd.DataFrame, *, style: MethodStyle) -> None:
    """Accuracy against confidence, percent, full when learned and hollow in the end; on the grey diagonal
    confidence is right, below it too high.

    The area of a marker is the share of the examples in its bin. Bins of less than a hundredth of them have
    no interval.
    """
    axes.plot([0, 100], [0, 100], color="#999999", linewidth=0.8, zorder=1)
    bands = []
    for when in (LEARNED, END):
        rows = bins[bins["when"] == when].sort_values("confidence")
        x = 100 * rows["confidence"].to_numpy()
        mean, low, high = (100 * rows[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
        look = _look(when)
        share = rows["share"].to_numpy(dtype=float)
        low, high = (np.where(share >= _FEWEST, end, np.nan) for end in (low, high))
        bands.append(Band(x, low, high, style.color, is_thin=of_few_seeds(rows)))
        color, face = style.color, style.color if when == LEARNED else "none"
        axes.plot(x, mean, color=color, linestyle=look["linestyle"], linewidth=0.8, label=NAMES[when])
        sizes = 1.5 + _AREA * layout.scale() ** 2 * share
        edge: dict[str, Any] = {"edgecolors": color, "linewidths": 0.8}
        axes.scatter(x, mean, s=sizes, marker=look["marker"], color=face, zorder=3, **edge)
    draw_bands(axes, bands, alpha=0.15)
    axes.set_xlim(-3, 103)
    axes.set_ylim(-3, 103)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 50, 100])


def _said(errors: pd.DataFrame, *, short: bool = False) -> str:
    """The expected calibration errors in words: ECE 3 → 20 %."""
    found = errors.set_index("when")["mean"]
    learned, end = (f"{100 * found[when]:.0f}" for when in (LEARNED, END))
    return f"{learned} → {end} %" if short else f"ECE {learned} → {end} %"


def _look(when: str) -> dict:
    if when == LEARNED:
        return {"marker": "o", "linestyle": "-"}
    return {"marker": "s", "linestyle": (0, (3, 1.5)), "markerfacecolor": "none"}
