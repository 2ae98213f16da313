"""The settings of all figures, and how they are saved."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, FixedFormatter, FixedLocator, MaxNLocator, ScalarFormatter

from cl_bench.records.atomic import ForeignFileError, make_folder, read_whole, write_whole

FORMATS = ("png", "svg")
FONT = "DejaVu Sans"  # ships with matplotlib: the same figure on every machine
# what would differ from one time to the next
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_MARK = {"png": "Description", "svg": "Description", "pdf": "Subject"}  # the metadata that holds a mark


_SETTINGS: Any = {
    "font.family": [FONT],
    "text.parse_math": False,  # a name with dollars in it is a name
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titley": 1.0,  # where it would be anyway, after a look at all ticks in every draw
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
    "pdf.fonttype": 42,  # TrueType: publishers refuse matplotlib's usual Type 3
    "ps.fonttype": 42,
}
# What differs in a figure for one column: letters of 6 and 7 points, as papers have them, and thinner lines.
_COLUMN: Any = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.titlepad": 3,
    "axes.labelsize": 7,
    "axes.labelpad": 2,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "legend.fontsize": 6.5,
    "legend.handlelength": 2.6,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.0,
    "legend.labelspacing": 0.35,
    "legend.borderpad": 0.2,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "figure.titlesize": 8,
}
_NARROW = 4.5  # inches below which a figure is one of a column


@contextmanager
def house_style(width: float | None = None) -> Iterator[None]:
    """The settings of all figures, for drawing and saving; the caller's own are back afterwards.

    Args:
        width: inches; a figure for one column has smaller letters. None: as wide as a page.
    """
    narrow = width is not None and width < _NARROW
    with mpl.rc_context(_SETTINGS | (_COLUMN if narrow else {})):
        yield


def save(
    figure: Figure, path: str | os.PathLike[str], *, formats: Sequence[str] = FORMATS, mark: str = ""
) -> list[Path]:
    """Write `path`.png (200 dots an inch) and `path`.svg, each whole or not at all; or other `formats`.

    The same figure gives the same bytes. A `mark` is written into the files' metadata, see `is_marked`.
    """
    path = Path(path)
    make_folder(path.parent)
    with house_style():
        _arrange(figure)
    written = []
    for kind in formats:
        # Not with_suffix: a benchmark's name may hold a dot.
        target = path.with_name(f"{path.name}.{kind}")
        metadata = {**_METADATA.get(kind, {}), **({_MARK[kind]: mark} if mark else {})}
        drawn = BytesIO()
        with house_style():
            figure.savefig(drawn, format=kind, metadata=metadata)
        written.append(write_whole(target, drawn.getvalue()))
    return written


def is_marked(path: Path, mark: str) -> bool:
    """Whether the file is a figure that was saved with this mark."""
    try:
        return mark.encode() in read_whole(path)
    except (OSError, ForeignFileError):
        return False


def _arrange(figure: Figure) -> None:
    """Lay the figure out now, once: each format that is saved would do it again. So with the ticks, which
    matplotlib works out a dozen times in each layout and each drawing.
    """
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    for axis in axes:
        if not isinstance(axis.get_major_locator(), AutoLocator):  # which goes by the size
            _fix_ticks(axis)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)
    for axis in axes:
        _fix_ticks(axis)


def _fix_ticks(axis: Axis) -> None:
    """The ticks within the limits that the axis has now, where it is linear."""
    formatter = axis.get_major_formatter()
    if not isinstance(axis.get_major_locator(), MaxNLocator) or not isinstance(formatter, ScalarFormatter):
        return
    places = np.asarray(axis.get_majorticklocs()).tolist()
    labels = formatter.format_ticks(places)
    low, high = sorted(axis.get_view_interval())
    if formatter.get_offset():  # a part of what its labels say
        return
    room = 1e-10 * (high - low)
    within = [place for place, tick in enumerate(places) if low - room <= tick <= high + room]
    axis.set_major_locator(FixedLocator([places[place] for place in within]))
    axis.set_major_formatter(FixedFormatter([labels[place] for place in within]))
