"""Performance profiles: the share of runs that reach a score, for every score, one line per method."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle
from cl_bench.figures import layout
from cl_bench.figures.curves import draw_curves
from cl_bench.figures.style import house_style


def performance_profile_figure(
    profiles: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    score: str = "average accuracy (%)",
    higher_is_better: bool = True,
    factor: float = 100.0,
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """One panel, one line per method with its band, and the legend below.

    Args:
        profiles: as `analysis.profiles.performance_profiles` gives them.
        score: what the thresholds are of, with its unit.
        factor: what a threshold is multiplied by.
    """
    width = min(width, 5.0)
    with house_style(width):
        methods = list(dict.fromkeys(profiles["method"]))
        below = layout.legend_height(methods, width)
        figure = Figure(figsize=(width, max(0.55 * width, 1.7) + below), layout="constrained")
        axes = figure.subplots()
        draw_performance_profile(
            axes, profiles, styles=styles, score=score, higher_is_better=higher_is_better, factor=factor
        )
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles)
        return layout.finish(figure, height=height)


def draw_performance_profile(
    axes: Axes,
    profiles: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    score: str = "average accuracy (%)",
    higher_is_better: bool = True,
    factor: float = 100.0,
) -> None:
    """Draw the share of runs (percent) that are as good as each threshold, one line per method."""
    shown = profiles.assign(threshold=factor * profiles["threshold"])
    draw_curves(axes, shown, x="threshold", styles=styles, scale=100)
    axes.set_ylim(-2, 102)
    axes.margins(x=0)
    axes.set_xlabel(f"{score}: τ")
    axes.set_ylabel(f"runs of τ or {'more' if higher_is_better else 'less'} (%)")
