"""Average ranks over benchmarks, and which of them may be chance: the critical-difference diagram."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.analysis.looks import MethodStyle
from cl_bench.analysis.ranks import cliques
from cl_bench.analysis.registry import title_of
from cl_bench.figures import layout
from cl_bench.figures.letters import wrapped
from cl_bench.figures.style import house_style


def critical_difference_figure(
    aggregated: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """One panel per metric, of one study's rows of `analysis.comparison.aggregate` with ranks."""
    metrics = list(dict.fromkeys(aggregated["metric"]))
    number = aggregated["method"].nunique()
    width = min(width, 5.6)
    with house_style(width):
        unit, size = layout.scale(), mpl.rcParams["ytick.labelsize"]
        names = {method: wrapped(method, 0.42 * width, size=size) for method in aggregated["method"]}
        line = 0.06 + 0.14 * max(name.count("\n") + 1 for name in names.values())
        tall = (0.35 + (0.9 + (line + 0.04) * (number + 1.5)) * len(metrics)) * unit
        figure = Figure(figsize=(width, tall), layout="constrained")
        panels = figure.subplots(len(metrics), 1, squeeze=False).ravel()
        for axes, metric in zip(panels, metrics, strict=True):
            rows = aggregated[aggregated["metric"] == metric].sort_values("average_rank", kind="stable")
            draw_critical_difference(axes, rows, styles=styles, names=names)
            axes.set_title(f"{title_of(str(metric))}\n{_tested(rows)}")
        panels[-1].set_xlabel("average rank (1 is the best)")
        layout.headline(figure, title or "")
        return layout.finish(figure, height=height)


def draw_critical_difference(
    axes: Axes, rows: pd.DataFrame, *, styles: Mapping[str, MethodStyle], names: Mapping[str, str]
) -> None:
    """One line per method, the best on top, its marker at its average rank.

    A bar at the right joins methods that the ranks do not tell apart; the one at the bottom is the critical
    difference. Demsar's diagram turned on its side, so that many and long names have room.
    """
    ranks = rows["average_rank"].to_numpy(dtype=float)
    critical, number = float(rows["critical_difference"].iloc[0]), len(rows)
    for place, (method, rank) in enumerate(zip(rows["method"], ranks, strict=True)):
        look = styles[str(method)].line() | {"linestyle": "none", "markersize": layout.point_size()}
        axes.plot(rank, place, **look, clip_on=False, zorder=3)
    joined = cliques(ranks, critical)
    columns = _columns(joined)
    apart = min(0.03, 0.3 / (1 + max(columns, default=0)))  # shares of the axes' width
    for column, (first, last) in zip(columns, joined, strict=True):
        x = 1.03 + apart * column
        axes.plot(
            [x, x],
            [first - 0.25, last + 0.25],
            transform=axes.get_yaxis_transform(),
            color="#444444",
            linewidth=min(2.5, 85 * apart),
            solid_capstyle="butt",
            clip_on=False,
        )
    length = min(critical, number - 1)
    axes.plot([1, 1 + length], [number - 0.1, number - 0.1], color="#444444", linewidth=1, marker="|")
    said = f"critical difference {critical:.2f} (bars: within it)"
    axes.text(1, number + 0.25, said, fontsize=7 * layout.scale(), va="top")
    axes.set_xlim(1, number)
    axes.set_ylim(number + 0.9, -0.6)
    axes.set_yticks(
        range(number), [names[str(method)] for method in rows["method"]], fontsize=8 * layout.scale()
    )
    axes.spines["left"].set_visible(False)
    beside = mpl.rcParams["ytick.major.pad"] + layout.point_size() / 2  # a marker of rank 1 lies on the edge
    axes.tick_params(axis="y", length=0, pad=beside)


def _columns(joined: Sequence[tuple[int, int]]) -> list[int]:
    """The column of each bar (first, last): the first one in which no earlier bar reaches it."""
    ends: list[int] = []
    found = []
    for first, last in joined:
        free = (column for column, end in enumerate(ends) if end < first)
        found.append(next(free, len(ends)))
        ends[found[-1] :] = [last, *ends[found[-1] + 1 :]]
    return found


def _tested(rows: pd.DataFrame) -> str:
    p, number = float(rows["p_friedman"].iloc[0]), int(rows["num_benchmarks"].iloc[0])
    return f"{number} benchmarks" + (f", Friedman's p = {p:.2g}" if np.isfinite(p) else "")
