"""Numbers with their intervals, a method a line: the aggregates over benchmarks, and improvements."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.analysis.looks import MethodStyle
from cl_bench.figures import layout
from cl_bench.figures.letters import wrapped
from cl_bench.figures.style import house_style

LOWER_IS_BETTER = ("optimality gap",)  # whatever the score is


def aggregate_figure(
    aggregated: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    score: str = "average accuracy (%)",
    higher_is_better: bool = True,
    factor: float = 100.0,
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """One panel a statistic, a method a line with its interval, the best interquartile mean on top.

    Args:
        aggregated: as `analysis.aggregates.aggregate_scores` gives them.
        score: what the statistics are of, with its unit.
        factor: what a value is multiplied by.
    """
    methods = list(dict.fromkeys(aggregated["method"]))
    statistics = list(dict.fromkeys(aggregated["statistic"]))
    with house_style(width):
        rows, columns = layout.grid(len(statistics), width=width)
        names, line = _names(methods, width)
        tall = 0.45 * layout.scale() + (0.6 * layout.scale() + line * len(methods)) * rows
        figure = Figure(figsize=(width, tall), layout="constrained")
        axes = layout.panels(figure, rows, columns, number=len(statistics), share_x=False)
        for panel, statistic in zip(axes, statistics, strict=True):
            draw_estimates(
                panel,
                aggregated[aggregated["statistic"] == statistic],
                methods=methods,
                styles=styles,
                factor=factor,
            )
            panel.set_title(f"{statistic} {arrow_of(statistic, higher_is_better=higher_is_better)}")
            panel.set_yticks(range(len(methods)), names)
        size = mpl.rcParams["axes.labelsize"]
        said = wrapped(f"{score}; an arrow points to what is better", 0.9 * width, size=size)
        figure.supxlabel(said, fontsize=size)
        layout.headline(figure, title or "")
        return layout.finish(figure, height=height)


def improvement_figure(
    improved: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    score: str = "average accuracy",
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """How probable it is that one method is better than each of the others, a line each.

    Args:
        improved: as `analysis.improvement.improvements` gives them, with a single first method.
        score: what is compared, without its unit.

    Raises:
        ValueError: for more than one first method.
    """
    (first, *others) = dict.fromkeys(improved["first"])
    if others:
        raise ValueError(f"the first method of all pairs must be one, got {first}, {', '.join(others)}")
    methods = list(dict.fromkeys(improved["second"]))
    width = min(width, 5.0)
    with house_style(width):
        names, line = _names(methods, width)
        tall = 0.9 * layout.scale() + line * len(methods)
        figure = Figure(figsize=(width, tall), layout="constrained")
        axes = figure.subplots()
        draw_improvement(axes, improved, styles=styles)
        axes.set_yticks(range(len(methods)), names)
        size = mpl.rcParams["axes.labelsize"]
        axes.set_xlabel(wrapped(chance_of(first, score), 0.7 * width, size=size))
        layout.headline(figure, title or "")
        return layout.finish(figure, height=height)


def chance_of(first: str, score: str) -> str:
    """What the axis of improvements is."""
    return f"chance that a run of {first} has the better {score.partition(' (')[0]} (%)"


def arrow_of(statistic: str, *, higher_is_better: bool) -> str:
    """The direction of better methods: the gap to what is perfect is lower, whatever the score is."""
    return "→" if higher_is_better and statistic not in LOWER_IS_BETTER else "←"


def draw_improvement(axes: Axes, improved: pd.DataFrame, *, styles: Mapping[str, MethodStyle]) -> None:
    """Draw the chances of one method against each other one, percent, a line each; half is a dashed line."""
    methods = list(dict.fromkeys(improved["second"]))
    rows = improved.assign(method=improved["second"])
    axes.axvline(50, color="#777777", linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    draw_estimates(axes, rows, methods=methods, styles=styles, factor=100.0)
    axes.set_xlim(-4, 104)
    axes.set_xticks(range(0, 101, 25))


def draw_estimates(
    axes: Axes,
    rows: pd.DataFrame,
    *,
    methods: Sequence[str],
    styles: Mapping[str, MethodStyle],
    factor: float = 1.0,
) -> None:
    """A method a line: a marker at `value`, on a bar from `low` to `high`; no bar without an interval.

    Args:
        rows: one a method, with the columns method, value, low and high.
        methods: from top to bottom.
    """
    places = {method: place for place, method in enumerate(methods)}
    for row in rows.to_dict("records"):
        place, style = places[str(row["method"])], styles[str(row["method"])]
        value, low, high = (factor * float(row[name]) for name in ("value", "low", "high"))
        if np.isfinite(low):
            axes.barh(place, high - low, left=low, height=0.6, color=style.color, alpha=0.35, linewidth=0)
            axes.plot([low, high], [place, place], color=style.color, linewidth=1)
        axes.plot(
            value, place, **style.line() | {"linestyle": "none", "markersize": layout.point_size()}, zorder=3
        )
    axes.use_sticky_edges = False  # a bar's ends, at which markers would be cut
    axes.margins(x=0.08)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(range(len(methods)), methods)


def _names(methods: Sequence[str], width: float) -> tuple[list[str], float]:
    """Methods in lines that fit beside the panels, and the inches that each takes."""
    size = mpl.rcParams["ytick.labelsize"]
    names = [wrapped(method, 0.36 * width, size=size) for method in methods]
    lines = max(name.count("\n") + 1 for name in names)
    return names, max(0.07 * layout.scale() + size / 66, lines * size / 66)
