"""What the functions that draw one panel share: the methods that are shown, and what cannot be drawn."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from cl_bench.analysis.looks import MethodStyle, for_dark, method_styles
from cl_bench.analysis.selection import Selection, select
from cl_bench.records.errors import AnalysisError

Names = str | Sequence[str] | None
Labels = str | Sequence[str] | Mapping[str, str] | None
Styles = Mapping[str, MethodStyle] | None


def chosen_of(
    table: pd.DataFrame,
    methods: Names,
    labels: Labels,
    styles: Styles,
    *,
    axes: Axes,
    several: bool = False,
) -> tuple[Selection, dict[str, MethodStyle]]:
    """The methods that are shown, and their looks by label: those that they have among all of the table,
    lighter on dark axes.
    """
    check_axes(axes)
    if not several:
        check_one_benchmark(table)
    chosen = select(table["method"], methods=methods, labels=labels)
    looks = method_styles(table["method"])
    if _is_dark(axes):
        looks = {method: look._replace(color=for_dark(look.color)) for method, look in looks.items()}
    looks |= dict(styles or {})
    return chosen, {label: looks[method] for method, label in chosen.labels.items()}


def check_axes(axes: object) -> None:
    """Refuse what is no single Axes, such as all that `subplots(1, 2)` returns."""
    if not isinstance(axes, Axes):
        what = f"{axes!r:.80}"
        if isinstance(axes, np.ndarray):
            what = f"an array of {axes.size}: take one, as in axes[0]"
        raise AnalysisError(f"axes must be the matplotlib Axes of one panel, got {what}")


def _is_dark(axes: Axes) -> bool:
    red, green, blue = to_rgb(axes.get_facecolor())
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def check_one_benchmark(table: pd.DataFrame) -> None:
    for name in ("benchmark", "study"):
        found = sorted(set(map(str, table[name])))
        if len(found) != 1:
            some = ", ".join(found[:5]) or "none"
            raise AnalysisError(
                f"a panel is of one {name}, these rows are of {len(found)} ({some}): "
                f'choose one, as in frame[frame["{name}"] == "{found[0] if found else name}"]'
            )


def check_some(table: pd.DataFrame, why: str) -> None:
    if table.empty:
        raise AnalysisError(f"there is nothing to draw: {why}")


def checked_limits(limits: Any) -> tuple[float, float]:
    """Return two finite numbers, the lower first. Raises AnalysisError for anything else."""
    try:
        low, high = map(float, limits)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise AnalysisError(f"limits must be two numbers, the lower first, got {limits=}")
    return low, high
