"""How every figure looks: one colour, marker and line for each method, the same in all figures.

The colours are Okabe and Ito's, told apart by all common kinds of colour vision; markers and dashes tell the
methods apart where a figure is printed in grey.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from cl_bench.files import ForeignFileError, read_whole

Dashes = str | tuple[int, tuple[float, ...]]


FORMATS = ("png", "svg")
FONT = "DejaVu Sans"  # ships with matplotlib: the same figure on every machine
# what would differ from one time to the next
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_MARK = {"png": "Description", "svg": "Description", "pdf": "Subject"}  # the metadata that holds a mark


class MethodStyle(NamedTuple):
    """What a method looks like."""

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

_SETTINGS: Any = {
    "font.family": [FONT],
    "text.parse_math": False,  # a name with dollars in it is a name
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#444444",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "figure.titlesize": 10,
    "figure.facecolor": "white",
    "figure.dpi": 200,  # as it is saved: at fewer dots the layout takes text for larger than it is
    "savefig.dpi": 200,
    "svg.hashsalt": "cl_bench",  # the same numbers give the same file
    "hatch.linewidth": 0.5,
}


@contextmanager
def house_style() -> Iterator[None]:
    """The settings of all figures, in force for drawing and saving; the caller's own are back afterwards."""
    with mpl.rc_context(_SETTINGS):
        yield


def method_styles(methods: Iterable[str]) -> dict[str, MethodStyle]:
    """Method -> its look. Give all methods of a report at once: a method then looks the same in all figures.

    A method's strategy is the first word of its label. The suite's strategies have a fixed look; others get
    theirs in alphabetical order. Several variants of one strategy share its hue, from dark to light in the
    order of their settings.
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
    """Sort key: `strength=50` before `strength=500`, and that before `strength=1000`."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", label)
    return [(1, float(part), "") if place % 2 else (0, 0.0, part) for place, part in enumerate(parts)]


def save(
    figure: Figure, path: str | os.PathLike[str], *, formats: Sequence[str] = FORMATS, mark: str = ""
) -> list[Path]:
    """Write `path`.png (200 dots an inch) and `path`.svg, each whole or not at all; or other `formats`.

    The same figure gives the same bytes. A `mark` is written into the files' metadata, see `is_marked`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with house_style():
        _arrange(figure)
    written = []
    for kind in formats:
        # Not with_suffix: a benchmark's name may hold a dot.
        target = path.with_name(f"{path.name}.{kind}")
        # a short name: the figure's own may be as long as names can be
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".figure-", suffix=f".{kind}")
        os.close(descriptor)
        metadata = {**_METADATA.get(kind, {}), **({_MARK[kind]: mark} if mark else {})}
        try:
            with house_style():
                figure.savefig(temporary, format=kind, metadata=metadata)
            Path(temporary).chmod(0o644)  # mkstemp's files are the owner's alone
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)
        written.append(target)
    return written


def is_marked(path: Path, mark: str) -> bool:
    """Whether the file is a figure that was saved with this mark."""
    try:
        return mark.encode() in read_whole(path)
    except (OSError, ForeignFileError):
        return False


def _arrange(figure: Figure) -> None:
    """Lay the figure out now, once: each format that is saved would do it again."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def for_dark(color: str) -> str:
    """The colour, light enough to be seen on black."""
    red, green, blue = to_rgb(color)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    lift = max(0.0, (0.9 - 2 * light) / (1 - light))  # the darkest become the lightest: they stay apart
    return to_hex((red + lift * (1 - red), green + lift * (1 - green), blue + lift * (1 - blue)))


def _shade(color: str, lightness: float) -> str:
    """From a darker (0) to a lighter (1) shade of a colour, never so light that it is lost on white."""
    red, green, blue = to_rgb(color)
    if lightness < 0.5:
        keep = 1 - 0.45 * (1 - 2 * lightness)
        return to_hex((keep * red, keep * green, keep * blue))
    keep = 1 - 0.4 * (2 * lightness - 1)
    return to_hex((1 - keep * (1 - red), 1 - keep * (1 - green), 1 - keep * (1 - blue)))
