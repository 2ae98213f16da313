"""Which part of the randomness the spread of a metric is due to."""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.analysis.registry import title_of
from cl_bench.figures import layout
from cl_bench.figures.letters import drawable, wrapped
from cl_bench.figures.style import house_style

# Okabe and Ito's, from dark to light, with hatches for print in grey.
_LOOKS = (
    ("#0072B2", ""),
    ("#E69F00", "////"),
    ("#009E73", "...."),
    ("#CC79A7", "xxxx"),
    ("#56B4E9", "\\\\\\\\"),
    ("#D9D9D9", ""),
)
_WRITTEN = 0.15  # a share has room for its number


def variance_figure(
    shares: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle] | None = None,
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
) -> Figure:
    """One panel a metric, a bar a method. `shares` are one benchmark's rows of `analysis.variance`."""
    methods = list(dict.fromkeys(shares["method"])) if styles is None else ordered(shares["method"], styles)
    metrics = list(dict.fromkeys(shares["metric"]))
    looks = _looks(shares)
    parts = list(looks)
    with house_style(width):
        rows, columns = layout.grid(len(metrics), most=2, width=width)
        unit, size = layout.scale(), mpl.rcParams["ytick.labelsize"]
        names = [wrapped(method, 0.3 * width, size=size) for method in methods]
        bar = unit * (0.14 + 0.14 * max(name.count("\n") + 1 for name in names))
        legend = layout.legend_height(parts, width)
        tall = 0.6 * unit + (0.65 * unit + bar * len(methods)) * rows + legend
        figure = Figure(figsize=(width, tall), layout="constrained")
        panels = layout.panels(figure, rows, columns, number=len(metrics))
        for place, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
            draw_shares(axes, shares[shares["metric"] == metric], methods=methods, looks=looks)
            axes.set_yticks(range(len(methods)), names)
            axes.set_title(title_of(str(metric)))
            if place + columns >= len(metrics):
                axes.set_xlabel("share of the variance (%)")
        layout.headline(figure, title or "")
        handles = [
            Patch(facecolor=color, hatch=hatch, edgecolor="white", label=drawable(part))
            for part, (color, hatch) in looks.items()
        ]
        ncols = layout.legend_shape(parts, width)[1]
        figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
        return layout.finish(figure, height=height)


def draw_variance(axes: Axes, shares: pd.DataFrame) -> None:
    """The bars of one metric, with the names of methods, and a label for each part of the seed."""
    methods = list(dict.fromkeys(map(str, shares["method"])))
    draw_shares(axes, shares, methods=methods, looks=_looks(shares))
    axes.set_yticks(range(len(methods)), methods)


def _looks(shares: pd.DataFrame) -> dict[str, tuple[str, str]]:
    parts = dict.fromkeys(map(str, shares["part"]))
    return {part: _LOOKS[place % len(_LOOKS)] for place, part in enumerate(parts)}


def draw_shares(
    axes: Axes, shares: pd.DataFrame, *, methods: list[str], looks: dict[str, tuple[str, str]]
) -> None:
    """Draw one bar of shares for each method, percent; none where nothing varies."""
    for place, method in enumerate(methods):
        left = 0.0
        for row in shares[shares["method"] == method].to_dict("records"):
            share = float(row["share"])
            if not share > 0:
                continue
            color, hatch = looks[str(row["part"])]
            axes.barh(
                place, 100 * share, left=100 * left, height=0.7, color=color, hatch=hatch, edgecolor="white"
            )
            if share >= _WRITTEN:
                axes.text(
                    100 * (left + share / 2),
                    place,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7 * layout.scale(),
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                )
            left += share
        if left == 0:
            axes.text(1, place, "nothing varies", va="center", fontsize=7 * layout.scale(), color="#666666")
    axes.set_xlim(0, 100)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
