"""No letter is cut at the edge of a figure: titles and labels that run over it are broken into lines."""

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from cl_bench.figures.letters import inches_of, wrapped

BOLD = 1.15  # the width of bold letters over that of plain ones
_LONG = 0.7  # of a panel's share of the figure: shorter texts end within it


def keep_within(figure: Figure) -> None:
    """Break titles and labels of panels that would run over an edge of the figure."""
    texts = [text for axes in figure.axes for text in _long_ones(axes, figure)]
    if not texts:
        return
    figure.draw_without_rendering()  # where they are is known afterwards
    for text in texts:
        room, needed = _room(text, figure)
        if needed > room:
            text.set_text(wrapped(text.get_text(), room / _weight(text), size=float(text.get_fontsize())))


def _long_ones(axes: Axes, figure: Figure) -> Iterator[Text]:
    place = axes.get_subplotspec()
    rows, columns = (1, 1) if place is None else place.get_gridspec().get_geometry()
    width, height = figure.get_figwidth() / columns, figure.get_figheight() / rows
    for text, share in ((axes.title, width), (axes.xaxis.label, width), (axes.yaxis.label, height)):
        if _length(text) > _LONG * share:
            yield text


def _room(text: Text, figure: Figure) -> tuple[float, float]:
    """Inches along the text's line: of the figure around the text's middle, and of the text."""
    box = text.get_window_extent()
    upright = text.get_rotation() % 180 == 0
    first, last = (box.x0, box.x1) if upright else (box.y0, box.y1)
    whole = figure.bbox.width if upright else figure.bbox.height
    middle = (first + last) / 2
    return 2 * min(middle, whole - middle) / figure.dpi, (last - first) / figure.dpi


def _length(text: Text) -> float:
    return (
        _weight(text) * inches_of(text.get_text(), size=float(text.get_fontsize()))
        if text.get_text()
        else 0.0
    )


def _weight(text: Text) -> float:
    return BOLD if text.get_fontweight() == "bold" else 1.0
