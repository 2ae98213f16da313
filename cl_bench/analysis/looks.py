"""What a method looks like, and which tasks are shown, in figures and on the page alike.

The colours are Okabe and Ito's, told apart by all common kinds of colour vision. Markers and dashes tell the
methods apart where a figure is printed in grey. Nothing here needs matplotlib, which takes longer to import
than most reports to write.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np

Dashes = str | tuple[int, tuple[float, ...]]
MOST_TASKS = 12  # that have a panel each


class MethodStyle(NamedTuple):
    """What a method looks like in figures and on the page.

    Attributes:
        color: #RRGGBB.
        marker, dashes: as matplotlib takes them.

    >>> MethodStyle("#0072B2", marker="s", dashes="-").line()["color"]
    '#0072B2'
    """

    color: str
    marker: str
    dashes: Dashes

    def line(self) -> dict[str, Any]:
        """Keywords for `Axes.plot` and `Axes.errorbar`."""
        # Crosses are thin: the white edge would eat them.
        edge = {"markeredgecolor": "white", "markeredgewidth": 0.3 if self.marker in "XP" else 0.5}
        return {"color": self.color, "marker": self.marker, "linestyle": self.dashes, **edge}


_LONG: Dashes = (0, (6, 1.5))
_SHORT: Dashes = (0, (3, 1.5))
_DOTS: Dashes = (0, (1, 1.2))
_DASH_DOT: Dashes = (0, (5, 1.5, 1, 1.5))

# Strategies keep their look in every figure of every study; relatives are close in hue.
_KNOWN = {
    "joint": MethodStyle("#000000", "D", _SHORT),
    "finetune": MethodStyle("#7A7A7A", "X", _DOTS),
    "avalanche": MethodStyle("#CC79A7", "P", _DASH_DOT),
    # penalties on weights, and distillation
    "ewc": MethodStyle("#0072B2", "s", "-"),
    "online_ewc": MethodStyle("#5B9BD5", "s", _LONG),
    "online_laplace": MethodStyle("#332288", "h", _DASH_DOT),
    "si": MethodStyle("#AA4499", "H", _SHORT),
    "mas": MethodStyle("#6A3D9A", "p", _DOTS),
    "l2": MethodStyle("#9E9AC8", "8", _SHORT),
    "lwf": MethodStyle("#CC6677", "d", _LONG),
    # memories of examples
    "replay": MethodStyle("#56B4E9", "<", _LONG),
    "der": MethodStyle("#2A7F9E", ">", _DASH_DOT),
    "der_plus_plus": MethodStyle("#1B4F72", ">", "-"),
    "gdumb": MethodStyle("#86A5B5", "8", _DOTS),
    # Gaussian posteriors
    "vcl": MethodStyle("#009E73", "^", "-"),
    "gvcl": MethodStyle("#44AA99", "^", _SHORT),
    "mesu": MethodStyle("#117733", "h", _LONG),
    "function_prior": MethodStyle("#66A61E", "*", _DASH_DOT),
    # binary weights
    "bayesbinn": MethodStyle("#D55E00", "o", "-"),
    "bayesbinn_fixed_prior": MethodStyle("#F09A5B", "o", _DOTS),
    "bayesbinn_published": MethodStyle("#99440A", "p", _SHORT),
    "bayesbinn_published_fixed_prior": MethodStyle("#B98A68", "p", _DOTS),
    "straight_through": MethodStyle("#E69F00", "v", _LONG),
    "synaptic_metaplasticity": MethodStyle("#999933", "d", _DASH_DOT),
    "bimu": MethodStyle("#882255", "D", "-"),
    "bop": MethodStyle("#B8A500", "P", _SHORT),
    "adaste": MethodStyle("#7F6000", "v", _DOTS),
}
# For strategies of others, in alphabetical order.
_OTHER_COLORS = ("#C51B7D", "#4D9221", "#8C6BB1", "#35978F", "#A6611A", "#4575B4")
_OTHER_MARKERS = ("<", ">", "p", "h", "*", "d", "8")
_OTHER_DASHES = (_LONG, _DASH_DOT, "-", _SHORT, _DOTS)
# Variants of one strategy share its hue, and differ in lightness, marker and dashes.
_VARIANT_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d")
_VARIANT_DASHES = ("-", _SHORT, _DASH_DOT, _LONG, _DOTS)


def method_styles(methods: Iterable[str]) -> dict[str, MethodStyle]:
    """The look of each method in figures and on the page.

    Give all methods of a report at once: a method then looks the same in all figures. A method's strategy is
    the first word of its label. The suite's strategies have a fixed look; others get theirs in alphabetical
    order. Several variants of one strategy share its hue, from dark to light in the order of their settings.

    >>> styles = method_styles(["ewc", "vcl"])
    >>> styles["ewc"].color, styles["vcl"].color
    ('#0072B2', '#009E73')
    """
    variants: dict[str, list[str]] = {}
    for method in sorted(set(methods), key=natural_order):
        variants.setdefault(method.split(" ")[0], []).append(method)
    others = zip(cycle(_OTHER_COLORS), cycle(_OTHER_MARKERS), cycle(_OTHER_DASHES), strict=False)
    styles: dict[str, MethodStyle] = {}
    for strategy in sorted(variants):
        base = _KNOWN.get(strategy) or MethodStyle(*next(others))
        names = variants[strategy]
        if len(names) == 1:
            styles[names[0]] = base
            continue
        first_marker = _VARIANT_MARKERS.index(base.marker) if base.marker in _VARIANT_MARKERS else 0
        for place, name in enumerate(names):
            styles[name] = MethodStyle(
                _shade(base.color, place / (len(names) - 1)),
                _VARIANT_MARKERS[(first_marker + place) % len(_VARIANT_MARKERS)],
                _VARIANT_DASHES[place % len(_VARIANT_DASHES)],
            )
    return styles


def natural_order(label: str) -> list[tuple[int, float, str]]:
    """A sort key by which `strength=50` comes before `strength=500`, and that before `strength=1000`.

    >>> sorted(["strength=1000", "strength=50", "strength=500"], key=natural_order)
    ['strength=50', 'strength=500', 'strength=1000']
    """
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", label)
    return [(1, float(part), "") if place % 2 else (0, 0.0, part) for place, part in enumerate(parts)]


def ordered(methods: Iterable[str], styles: Mapping[str, MethodStyle]) -> list[str]:
    """Methods in the order of legends.

    Raises:
        ValueError: for a method without a style, which is an error of the caller's.

    >>> methods = ["ewc strength=1000", "ewc strength=50"]
    >>> ordered(methods, method_styles(methods))
    ['ewc strength=50', 'ewc strength=1000']
    """
    names = sorted(set(methods), key=natural_order)
    missing = [name for name in names if name not in styles]
    if missing:
        raise ValueError(f"every method needs a style, there is none for {', '.join(missing)}")
    return names


def chosen_tasks(num_tasks: int) -> list[int]:
    """The tasks that get a panel: all up to 12, else the first, the last and some between.

    >>> chosen_tasks(3), chosen_tasks(100)
    ([1, 2, 3], [1, 11, 21, 31, 41, 50, 60, 70, 80, 90, 100])
    """
    if num_tasks <= MOST_TASKS:
        return list(range(1, num_tasks + 1))
    # One fewer, so that the panel of the mean fills the last row.
    return [int(task) for task in np.linspace(1, num_tasks, MOST_TASKS - 1).round()]


def for_dark(color: str) -> str:
    """The colour, light enough to be seen on black.

    >>> for_dark("#000000"), for_dark("#E69F00")  # the darkest become the lightest
    ('#e6e6e6', '#e69f00')
    """
    red, green, blue = _rgb(color)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    lift = max(0.0, (0.9 - 2 * light) / (1 - light))  # the darkest become the lightest: they stay apart
    return _hex((red + lift * (1 - red), green + lift * (1 - green), blue + lift * (1 - blue)))


def _shade(color: str, lightness: float) -> str:
    """A shade of a colour, from darker (0) to lighter (1), never so light that it is lost on white."""
    red, green, blue = _rgb(color)
    if lightness < 0.5:
        keep = 1 - 0.45 * (1 - 2 * lightness)
        return _hex((keep * red, keep * green, keep * blue))
    keep = 1 - 0.4 * (2 * lightness - 1)
    return _hex((1 - keep * (1 - red), 1 - keep * (1 - green), 1 - keep * (1 - blue)))


def _rgb(color: str) -> tuple[float, float, float]:
    """Red, green and blue of #RRGGBB, each in [0, 1]."""
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _hex(color: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)
