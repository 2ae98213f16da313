"""Lines of methods with their intervals: what most figures are made of."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from cl_bench.analysis.looks import MethodStyle, ordered

MOST_BANDS = 6  # of a panel that are shaded
LEAST_SEEDS = 3  # of a band that is shaded: Student's interval of two is 12.7 standard errors to each side


def draw_curves(
    axes: Axes,
    curves: pd.DataFrame,
    *,
    x: str,
    styles: Mapping[str, MethodStyle],
    scale: float = 1.0,
    num_markers: int = 8,
    since: str | None = None,
) -> None:
    """One line per method with its interval shaded: mean, low and high times `scale` against the column x.

    Args:
        since: a column; where x is below it the line is faint.
    """
    bands, faint = [], []
    for method, rows in by_method(curves, x, styles):
        style, where = styles[method], rows[x]
        mean, low, high = (scale * rows[name] for name in ("mean", "low", "high"))
        bands.append(Band(where, low, high, style.color, is_thin=of_few_seeds(rows)))
        first = int((where >= rows[since]).argmax()) if since else 0
        if first:
            faint.append((np.column_stack([where, mean])[: first + 1], style.color))
        # a marker at every point would hide the line of a long stream
        every = max(1, round(len(where) / num_markers))
        axes.plot(where[first:], mean[first:], markevery=every, label=method, **style.line())
    draw_bands(axes, bands)
    if faint:
        lines, colors = zip(*faint, strict=True)
        axes.add_collection(LineCollection(lines, colors=colors, linewidths=0.7, alpha=0.5))


def by_method(
    curves: pd.DataFrame, x: str, styles: Mapping[str, MethodStyle]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each method and its numbers in the order of the column x, by column."""
    rows = curves.sort_values(x, kind="stable")
    numbers = {str(name): rows[name].to_numpy(dtype=float) for name in rows.select_dtypes("number")}
    places = rows.groupby("method", sort=False).indices
    for method in ordered(map(str, places), styles):
        yield method, {name: values[places[method]] for name, values in numbers.items()}


class Band(NamedTuple):
    """An interval along a curve, [n] each; where it is not finite there is none."""

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    color: str
    is_thin: bool = False  # its ends alone are drawn


def of_few_seeds(rows: Mapping[str, np.ndarray] | pd.DataFrame) -> bool:
    """Whether an interval over these rows of a method would cover a panel: see `LEAST_SEEDS`."""
    return "num_seeds" in rows and bool((np.asarray(rows["num_seeds"]) < LEAST_SEEDS).any())


def draw_bands(axes: Axes, bands: Iterable[Band], *, alpha: float = 0.18) -> None:
    """All intervals of a panel, behind its lines: one artist for those that are shaded, one for the others.

    Of more than `MOST_BANDS` methods, and of few seeds, only the ends are drawn, as thin lines: one shade
    over the other would hide all of them.
    """
    bands = list(bands)
    many = len(bands) > MOST_BANDS
    found = [(outline, each.color, many or each.is_thin) for each in bands for outline in _outlines(each)]
    shaded = [(outline, color) for outline, color, is_thin in found if not is_thin]
    ends = [(end, color) for outline, color, is_thin in found if is_thin for end in np.split(outline, 2)]
    if shaded:
        outlines, colors = zip(*shaded, strict=True)
        axes.add_collection(PolyCollection(outlines, facecolors=colors, alpha=alpha, linewidths=0))
    if ends:
        lines, colors = zip(*ends, strict=True)
        look = {"linewidths": 0.4, "alpha": 0.3} if many else {"linewidths": 0.6, "alpha": 0.5}
        axes.add_collection(LineCollection(lines, colors=colors, zorder=1.5, **look))


def _outlines(band: Band) -> Iterator[np.ndarray]:
    known = np.isfinite(band.low) & np.isfinite(band.high)
    ends = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2)
    for first, last in ends:
        x, low, high = (values[first:last] for values in band[:3])
        yield np.column_stack([np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])])
