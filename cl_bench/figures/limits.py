"""The ends of axes, and logarithmic axes."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)
from numpy.typing import ArrayLike

from cl_bench.analysis.registry import Metric

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def limits_around(
    mean: ArrayLike, low: ArrayLike, high: ArrayLike, *, within: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float]:
    """The ends of an axis: around all means, and around their intervals where these are not much wider.

    A few seeds can have an interval of many times what methods differ by. It runs off the axis, which goes
    beyond the means by half of what they span at most.
    """
    means, lows, highs = (np.asarray(each, dtype=float).ravel() for each in (mean, low, high))
    known = np.isfinite(means)
    if not known.any():
        return 0.0, 1.0
    first, last = float(means[known].min()), float(means[known].max())
    ends = np.concatenate([means[known], lows[np.isfinite(lows)], highs[np.isfinite(highs)]])
    lowest, highest = float(ends.min()), float(ends.max())
    span = last - first
    if span > 0:
        lowest, highest = max(lowest, first - span / 2), min(highest, last + span / 2)
    margin = 0.06 * (highest - lowest) or 0.05 * abs(first) or 0.5
    lowest, highest = lowest - margin, highest + margin
    room = 0.03 * (min(within[1], highest) - max(within[0], lowest))  # for markers at the end
    return max(lowest, within[0] - room), min(highest, within[1] + room)


def show(axes: Axes, which: str, low: float, high: float) -> None:
    """Let an axis show all from low to high, and what it is known to show already: of axes that share it, or
    by limits that were set before.

    Args:
        which: x or y.
    """
    siblings = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
    is_set = not getattr(axes, f"get_autoscale{which}_on")()
    if is_set or any(other.has_data() for other in siblings if other is not axes):
        ends = getattr(axes, f"get_{which}lim")()
        low, high = min(low, *ends), max(high, *ends)
    getattr(axes, f"set_{which}lim")(low, high)


def within(metric: Metric) -> tuple[float, float]:
    """The lowest and the highest number that a metric can have, as drawn."""
    if metric.unit != "%":
        return (-math.inf if metric.is_change else 0.0), math.inf
    return (-100.0 if metric.is_change else 0.0), 100.0


def log_axis(
    axes: Axes,
    which: str,
    values: pd.DataFrame,
    *,
    prefixes: bool = False,
    limits: tuple[float, float] | None = None,
) -> None:
    """A logarithmic axis around these values, all positive or nan; what reaches down to 0 runs off it.

    `limits` are its ends, where they are not around all values.
    Where they are close together the ticks are numbers such as 20 and 50 (with `prefixes` 20k), else powers.
    """
    low, high = float(values.min().min()), float(values.max().max())
    margin = max(1.25, (high / low) ** 0.08)
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    show(axes, which, *(limits or (low / margin, high * margin)))
    axis = getattr(axes, f"{which}axis")
    if high / low * margin**2 < 200:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(EngFormatter(sep="") if prefixes else StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    else:  # matplotlib's own would be mathematics, which the style leaves to nobody
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axis.set_minor_formatter(NullFormatter())


def power_of_ten(value: float) -> str:
    """10⁻³ for 0.001; empty for what is no power."""
    exponent = round(math.log10(value)) if value > 0 else 0
    raised = str(exponent).translate(_RAISED)
    return f"10{raised}" if math.isclose(value, 10.0**exponent) else ""
