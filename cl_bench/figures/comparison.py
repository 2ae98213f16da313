"""Average accuracy against forgetting: which methods keep what they learn, at one glance."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.analysis.registry import Metric, metric_of
from cl_bench.figures import layout
from cl_bench.figures.letters import wrapped
from cl_bench.figures.limits import limits_around, within
from cl_bench.figures.style import house_style

_MARKER = 0.05  # half of a marker and a little more, as a share of an axis
METRICS = ("average_accuracy", "forgetting")  # of the vertical axis and of the horizontal one


def comparison_figure(
    summary: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    title: str | None = "",
    width: float = layout.WIDTH,
    height: float | None = None,
    metrics: tuple[str, str] = METRICS,
    ylim: tuple[float, float] | None = None,
) -> Figure:
    """One point a method with its intervals; beside it the crowded part, where most methods are in one.

    `summary` is one benchmark's rows of `analysis.summary`; the legend has their order. Methods without both
    metrics (no complete run, a stream of one task) cannot be drawn; when none is left a ValueError says so.

    Args:
        metrics: of the vertical and of the horizontal axis.
    """
    rows = drawable(summary, metrics)
    if rows.empty:
        raise ValueError(f"no method has a finite {metrics[0]} and {metrics[1]} to draw")
    methods = [str(method) for method in rows["method"]]
    crowd = _crowd(rows, metrics) if ylim is None else None
    width = width if crowd is not None else min(width, 5.0)
    with house_style(width):
        below = layout.legend_height(methods, width, points=True)
        panel = max(0.42 * width, 1.7) if crowd is not None else max(0.65 * width, 2.0)
        figure = Figure(figsize=(width, panel + 0.4 * layout.scale() + below), layout="constrained")
        panels = figure.subplots(1, 1 if crowd is None else 2, squeeze=False).ravel()
        for axes in panels:
            draw_comparison(axes, rows, styles=styles, metrics=metrics)
        if ylim is not None:
            panels[0].set_ylim(*ylim)
        if crowd is not None:
            _show_part(panels[0], panels[1], crowd)
            panels[1].set_ylabel("")
            for axes in panels:
                size = mpl.rcParams["axes.labelsize"]
                axes.set_xlabel(wrapped(axes.get_xlabel(), 0.42 * width, size=size))
        layout.headline(figure, title or "")
        layout.legend_below(figure, methods, styles, points=True)
        return layout.finish(figure, height=height)


def drawable(summary: pd.DataFrame, metrics: tuple[str, str] = METRICS) -> pd.DataFrame:
    """The rows that have a point."""
    known = [np.isfinite(summary[f"{name}_mean"].to_numpy(dtype=float)) for name in metrics]
    return summary[known[0] & known[1]]


def draw_comparison(
    axes: Axes,
    summary: pd.DataFrame,
    *,
    styles: Mapping[str, MethodStyle],
    metrics: tuple[str, str] = METRICS,
) -> None:
    """A point with interval bars for each row of the summary, in the units of the metrics.

    A bar whose end is off the axis has no cap there, see `limits_around`.
    """
    ordered(summary["method"], styles)
    vertical, horizontal = (metric_of(name) for name in metrics)
    for row in summary.to_dict("records"):
        style = styles[str(row["method"])]
        x, x_error = layout.bar(row, horizontal.name, scale=horizontal.factor)
        y, y_error = layout.bar(row, vertical.name, scale=vertical.factor)
        layout.draw_point(axes, x, y, style=style, label=str(row["method"]), x_error=x_error, y_error=y_error)
    for metric, which in ((horizontal, "x"), (vertical, "y")):
        parts = (metric.factor * summary[f"{metric.name}_{part}"] for part in ("mean", "low", "high"))
        limits = limits_around(*parts, within=within(metric))
        getattr(axes, f"set_{which}lim")(*limits)
        getattr(axes, f"set_{which}label")(axis_label(metric))


def axis_label(metric: Metric) -> str:
    """The metric with its unit, and which way is better."""
    unit = "percentage points" if metric.is_change and metric.unit == "%" else metric.unit
    arrow = {"higher": "→ is better", "lower": "← is better", "": ""}[metric.better]
    words = "; ".join(filter(None, [unit, arrow]))
    return f"{metric.title} ({words})" if words else metric.title


def _crowd(rows: pd.DataFrame, metrics: tuple[str, str]) -> np.ndarray | None:
    """[2, 2], the lowest and highest of both metrics, as drawn, of the better half of the methods where these
    lie in a corner: within a third of both axes. Otherwise None.
    """
    vertical, horizontal = (metric_of(name) for name in metrics)
    points = np.stack(
        [
            metric.factor * rows[f"{metric.name}_mean"].to_numpy(dtype=float)
            for metric in (horizontal, vertical)
        ]
    )
    if points.shape[1] < 6:
        return None
    order = points[1] if vertical.better != "lower" else -points[1]
    better = points[:, order >= np.median(order)]
    span, of_all = np.ptp(better, axis=1), np.ptp(points, axis=1)
    if not (span < of_all / 3).all():
        return None
    margin = np.maximum(0.15 * span, 0.01 * of_all)[:, None]
    return _past_markers(
        np.stack([better.min(axis=1), better.max(axis=1)], axis=1) + margin * [-1, 1], points
    )


def _past_markers(limits: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Wider limits, [2, 2], where a marker would be cut by one: its point [2, N] is shown then."""
    for _ in range(points.shape[1]):
        low, high = limits.T[..., None]
        room = _MARKER * (high - low)
        seen = ((points > low - room) & (points < high + room)).all(axis=0)
        shown = points[:, seen]
        wider = np.stack(
            [
                np.minimum(low[:, 0], (shown - room).min(axis=1)),
                np.maximum(high[:, 0], (shown + room).max(axis=1)),
            ],
            axis=1,
        )
        if np.array_equal(wider, limits):
            break
        limits = wider
    return limits


def _show_part(whole: Axes, part: Axes, limits: np.ndarray) -> None:
    """A panel of a part, which is framed in the panel of the whole."""
    (left, right), (bottom, top) = limits
    part.set_xlim(left, right)
    part.set_ylim(bottom, top)
    part.set_title("the better half (zoom)")
    whole.set_title("all")
    whole.add_patch(Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor="#999999"))
