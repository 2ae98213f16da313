"""Reliability diagrams before and after later tasks: what a confidence is worth when a task was learned, and
what it is worth in the end.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.analysis.reliability import END, LEARNED
from cl_bench.figures import layout
from cl_bench.figures.style import house_style

NAMES = {LEARNED: "just learned", END: "after the last task"}


def calibration_figure(
    bins: pd.DataFrame,
    errors: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str = "",
    width: float = layout.WIDTH,
) -> Figure:
    """One panel a method. `bins` are one benchmark's rows of `analysis.reliability.reliability`, `errors`
    those of `calibration_errors`.
    """
    methods = ordered(bins["method"], styles)
    rows, columns = layout.grid(len(methods), width=width)
    with house_style():
        side = min(width / columns, 2.6)
        names = [layout.wrapped(method, side - 0.3) for method in methods]
        lines = max(name.count("\n") + 1 for name in names)
        height = 0.85 + (side + 0.15 * (1 + lines)) * rows
        figure = Figure(figsize=(max(side * columns + 0.3, layout.COLUMN), height), layout="constrained")
        panels = layout.like_panels(figure, rows, columns, number=len(methods))
        for place, (axes, method) in enumerate(zip(panels, methods, strict=True)):
            draw_reliability(axes, bins[bins["method"] == method], style=styles[method])
            axes.set_title(f"{names[place]}\n{_said(errors[errors['method'] == method])}")
            if place % columns == 0:
                axes.set_ylabel("accuracy (%)")
            if place + columns >= len(methods):
                axes.set_xlabel("confidence (%)")
        layout.headline(figure, title)
        handles = [
            Line2D([], [], color="#444444", label=NAMES[when], **_look(when)) for when in (LEARNED, END)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def draw_reliability(axes: Axes, bins: pd.DataFrame, *, style: MethodStyle) -> None:
    """Accuracy against confidence, percent, full when learned and hollow in the end; on the grey diagonal
    confidence is right, below it too high. The more examples in a bin, the larger its marker.
    """
    axes.plot([0, 100], [0, 100], color="#999999", linewidth=0.8, zorder=1)
    bands = []
    for when, rows in bins.groupby("when", sort=False):
        rows = rows.sort_values("confidence")
        x = 100 * rows["confidence"].to_numpy()
        mean, low, high = (100 * rows[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
        look = _look(str(when))
        bands.append(layout.Band(x, low, high, style.color))
        color, face = style.color, style.color if when == LEARNED else "white"
        axes.plot(x, mean, color=color, linestyle=look["linestyle"], linewidth=1.2, label=NAMES[str(when)])
        sizes = 8 + 60 * np.sqrt(rows["share"].to_numpy())
        edge: dict[str, Any] = {"edgecolors": color, "linewidths": 0.9}
        axes.scatter(x, mean, s=sizes, marker=look["marker"], color=face, zorder=3, **edge)
    layout.draw_bands(axes, bands, alpha=0.15)
    axes.set_xlim(-3, 103)
    axes.set_ylim(-3, 103)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 25, 50, 75, 100])


def _said(errors: pd.DataFrame) -> str:
    """The expected calibration errors in words: ECE 3 → 20 %."""
    found = errors.set_index("when")["mean"]
    return f"ECE {100 * found[LEARNED]:.0f} → {100 * found[END]:.0f} %"


def _look(when: str) -> dict:
    if when == LEARNED:
        return {"marker": "o", "linestyle": "-"}
    return {"marker": "s", "linestyle": (0, (3, 1.5)), "markerfacecolor": "white"}
