"""What a method looks like, and which tasks are shown, in figures and on the page alike.

The colours are Okabe and Ito's, told apart by all common kinds of colour vision. Markers and dashes tell the
methods apart where a figure is printed in grey. Nothing here needs matplotlib, which takes longer to import
than most reports to write.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from cl_bench.records.runs import Run

Dashes = str | tuple[int, tuple[float, ...]]
Marker = str | tuple[int, int, int]
MOST_TASKS = 12  # that have a panel each
_SUITE = "cl_bench."


class MethodStyle(NamedTuple):
    """What a method looks like in figures and on the page.

    Attributes:
        color: #RRGGBB.
        marker, dashes: as matplotlib takes them.

    >>> MethodStyle("#0072B2", marker="s", dashes="-").line()["color"]
    '#0072B2'
    """

    color: str
    marker: Marker
    dashes: Dashes

    def line(self) -> dict[str, Any]:
        """Keywords for `Axes.plot` and `Axes.errorbar`."""
        if self.marker in _OWN_MARKERS:  # thin stars
            edge: dict[str, Any] = {"markeredgecolor": self.color, "markeredgewidth": 1.2}
            return {"color": self.color, "marker": self.marker, "linestyle": self.dashes, **edge}
        # Crosses are thin: the white edge would eat them.
        edge = {"markeredgecolor": "white", "markeredgewidth": 0.3 if self.marker in ("X", "P") else 0.5}
        return {"color": self.color, "marker": self.marker, "linestyle": self.dashes, **edge}


# Of strategies from elsewhere, such as the reader's own: full lines, and markers that no other has.
_OWN_COLORS = ("#E3000F", "#5B00E3", "#008F7A", "#B5007E", "#7A4B00", "#0040FF")
_OWN_MARKERS = ("*", "H", "8", (4, 1, 0), (6, 1, 0), (3, 1, 0))
_LONG: Dashes = (0, (6, 1.5))
_SHORT: Dashes = (0, (3, 1.5))
_DOTS: Dashes = (0, (1, 1.2))
_DASH_DOT: Dashes = (0, (5, 1.5, 1, 1.5))

# The two ends of every comparison have no hue: all tasks together, and one after another.
_ENDS = {
    "joint": MethodStyle("#000000", "D", _SHORT),
    "finetune": MethodStyle("#7A7A7A", "X", _DOTS),
}
# Any two of them are told apart, as far as 36 colours can be: the first 26 are 30 apart in CIELAB, all 25.
# Each of the last 30 was chosen far from those before it, from grey, and from the first two of `_OWN_COLORS`
# (on white, and for who has no green cones).
_COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#332288", "#841824",
    "#FC006C", "#6C6000", "#0CC03C", "#F0849C", "#9084FC", "#00B4CC", "#90B430",
    "#CC9C6C", "#246C0C", "#E46CFC", "#603C60", "#C09CCC", "#18543C", "#F000A8",
    "#840CB4", "#482400", "#003C54", "#2454F0", "#D800FC", "#9CB478", "#00009C",
    "#002460", "#E45454", "#9C6054", "#B41860", "#84B4A8", "#A86024", "#E490F0",
    "#6C0048",
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d")
_DASHES = ("-", _SHORT, _DASH_DOT, _LONG, _DOTS)
_LINES = [
    (marker, dashes)
    for dashes in _DASHES
    for marker in _MARKERS
    if all((marker, dashes) != end[1:] for end in _ENDS.values())
]
# Of millions of numbers those by which the suite's names meet least, and ewc, vcl and bayesbinn have the
# first looks of all. Of the colours, those of the strategies that most studies have are far apart.
_COLOR_SALT, _LINE_SALT = 26648277, 1275735
# How light the others of a family are: 1 is the lightest, 0 the darkest.
_LIGHTNESS = (0.95, 0.05, 0.75, 0.3)


def families(runs: Iterable[Run]) -> dict[str, str]:
    """Strategy -> its family, the class that it is: `online_ewc` is of the family of `ewc`.

    A strategy of which the settings name no class is a family of its own.

    >>> families([])
    {}
    """
    return {
        run.strategy: str(run.settings.get("strategy._target_") or run.strategy).rpartition(".")[2]
        for run in runs
    }


def from_elsewhere(runs: Iterable[Run]) -> set[str]:
    """The strategies whose class is not the suite's.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> target = {"strategy._target_": "my_module.Modest"}
    >>> from_elsewhere([Run(Path("a"), "few", strategy="modest", settings=target)])
    {'modest'}
    """
    targets = {run.strategy: str(run.settings.get("strategy._target_") or _SUITE) for run in runs}
    return {strategy for strategy, target in targets.items() if not target.startswith(_SUITE)}


def method_styles(
    methods: Iterable[str], families: Mapping[str, str] | None = None, *, own: Collection[str] = ()
) -> dict[str, MethodStyle]:
    """The look of each method in figures and on the page, which follows from its name and its family.

    Give all methods of a report at once: a method then looks the same in all figures. A method's strategy is
    the first word of its label. A family has one hue: its strategies, and the variants of a strategy, differ
    in lightness, marker and dashes; variants get lighter in the order of their settings. Where two families
    would have the same colour, the later one in the alphabet has another.

    The order of the styles is that of legends, the natural one.

    Args:
        families: strategy -> family, as `families` gives them; one that is not in it is its own.
        own: strategies of the reader's own, as `from_elsewhere` finds them. Their lines are full, and no
            other has their markers and colours. They change the look of no other.

    >>> styles = method_styles(["ewc", "vcl"])
    >>> styles["ewc"].color, styles["vcl"].color
    ('#0072B2', '#009E73')
    """
    names_in_order = sorted(set(methods), key=natural_order)
    variants: dict[str, list[str]] = {}
    for method in names_in_order:
        variants.setdefault(_strategy(method), []).append(method)
    colors = _colors({name: _plain((families or {}).get(name, name)) for name in variants if name not in own})
    added = [name for name in variants if name in own]
    colors |= {name: _OWN_COLORS[place % len(_OWN_COLORS)] for place, name in enumerate(added)}
    looks = {}  # method -> its colour, and the name that its line follows from
    for strategy, names in variants.items():
        for number, method in enumerate(names):
            shaded = _shade(colors[strategy], number / max(len(names) - 1, 1))
            looks[method] = (shaded, method) if len(names) > 1 else (colors[strategy], strategy)
    wanted = {
        method: _place(name, len(_LINES), _LINE_SALT)
        for method, (_, name) in looks.items()
        if name not in _ENDS and _strategy(name) not in own
    }
    lines: dict[str, tuple[Marker, Dashes]] = {
        method: _LINES[place] for method, place in _without_twins(wanted, len(_LINES)).items()
    }
    own_methods = [method for method in names_in_order if _strategy(method) in own]
    lines |= {method: _own_line(place) for place, method in enumerate(own_methods)}
    styles = {
        method: MethodStyle(color, *lines[method]) if method in lines else _ENDS[name]
        for method, (color, name) in looks.items()
    }
    return {method: styles[method] for method in names_in_order}


def _strategy(method: str) -> str:
    """The first word of a label."""
    return method.split(" ")[0]


def _own_line(place: int) -> tuple[Marker, Dashes]:
    """Full lines first, each with its own marker; then the same markers with dashes."""
    round_, marker = divmod(place, len(_OWN_MARKERS))
    return _OWN_MARKERS[marker], _DASHES[round_ % len(_DASHES)]


def _colors(family_of: Mapping[str, str]) -> dict[str, str]:
    """The colour of each strategy: that of its family for the one that is called like it, else a shade."""
    families = set(family_of.values()) - _ENDS.keys()
    places = _without_twins(
        {family: _place(family, len(_COLORS), _COLOR_SALT) for family in families}, len(_COLORS)
    )
    members: Counter[str] = Counter()
    colors = {}
    for strategy in sorted(family_of, key=lambda name: (_plain(name) != family_of[name], name)):
        family = family_of[strategy]
        color = _ENDS[family].color if family in _ENDS else _COLORS[places[family]]
        number = members[family]
        colors[strategy] = _shade(color, _LIGHTNESS[(number - 1) % len(_LIGHTNESS)]) if number else color
        members[family] += 1
    return colors


def _plain(name: str) -> str:
    """StraightThrough and straight_through are the same name."""
    return name.replace("_", "").casefold()


def _place(name: str, number: int, salt: int) -> int:
    """A place from 0 to number - 1 that is the same for a name on every machine."""
    return int.from_bytes(blake2b(f"{salt} {name}".encode(), digest_size=8).digest(), "big") % number


def _without_twins(wanted: Mapping[str, int], number: int) -> dict[str, int]:
    """The places that names want, each to the first in the alphabet; then the next free ones for the
    others. Once all are taken, all are free again.
    """
    places: dict[str, int] = {}
    for name in sorted(wanted):
        if wanted[name] not in places.values():
            places[name] = wanted[name]
    taken = set(places.values())
    for name in sorted(wanted.keys() - places.keys()):
        if len(taken) == number:
            taken.clear()
        place = wanted[name]
        while place in taken:
            place = (place + 1) % number
        taken.add(place)
        places[name] = place
    return places


def natural_order(label: str) -> list[tuple[int, float, str]]:
    """A sort key by which `strength=50` comes before `strength=500`, and that before `strength=1000`.

    >>> sorted(["strength=1000", "strength=50", "strength=500"], key=natural_order)
    ['strength=50', 'strength=500', 'strength=1000']
    """
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", label)
    return [(1, float(part), "") if place % 2 else (0, 0.0, part) for place, part in enumerate(parts)]


def ordered(methods: Iterable[str], styles: Mapping[str, MethodStyle]) -> list[str]:
    """Methods in the order of legends, which is that of the styles.

    Raises:
        ValueError: for a method without a style, which is an error of the caller's.

    >>> methods = ["ewc strength=1000", "ewc strength=50"]
    >>> ordered(methods, method_styles(methods))
    ['ewc strength=50', 'ewc strength=1000']
    """
    wanted = set(methods)
    missing = sorted(wanted - styles.keys(), key=natural_order)
    if missing:
        raise ValueError(f"every method needs a style, there is none for {', '.join(missing)}")
    return [name for name in styles if name in wanted]


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
