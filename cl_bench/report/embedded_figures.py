"""Figures that were drawn already, for a page that holds them, as `data:` images of 256 colours.

These take a third of what the SVG files would, which the page names.
"""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 1_700_000  # of all figures in the page, as text; what is over is named with its file
_ROUNDED = [5 * round(value / 5) for value in range(256)] * 3  # 0 and 255 stay
SCALE = 0.65  # of a file's pixels: sharp on most screens

_KINDS = {
    "forgetting": (
        "Forgetting curves: the accuracy on each task as later ones are learned, a panel a task.",
        "forgetting_curves.csv",
    ),
    "comparison": ("Average accuracy against forgetting, a point a method.", "summary.csv"),
    "heatmap": ("Accuracy on each task after each task, a panel a method.", "forgetting_curves.csv"),
}


class Figure(NamedTuple):
    """Of one file; `source` is empty where it is left out."""

    name: str
    alt: str
    file: str  # below the report's folder
    source: str
    width: int  # as shown, in pixels of a page
    height: int


def embedded(paths: Iterable[Path], *, folder: Path) -> list[Figure]:
    """The figures among the paths, which are PNG and SVG files, in their order, as long as there is room."""
    figures, used = [], 0
    for path in paths:
        if path.suffix != ".png":
            continue
        kind, _, where = path.stem.partition("-")
        what, numbers = _KINDS.get(kind, (f"{kind.capitalize()}.", "summary.csv"))
        # what comes after one that has no place is not looked at
        source, (width, height) = _data(path) if used <= MOST_BYTES else ("", (0, 0))
        used += len(source)
        figures.append(
            Figure(
                name=f"{kind}: {where}" if where else kind,
                alt=f"{what} The numbers are in {numbers}.",
                file=path.with_name(f"{path.stem}.svg").relative_to(folder).as_posix(),
                source=source if used <= MOST_BYTES else "",
                width=round(SCALE * width),
                height=round(SCALE * height),
            )
        )
    return figures


def _data(path: Path) -> tuple[str, tuple[int, int]]:
    from PIL import Image  # here, since a report without figures needs none

    with Image.open(path) as image:
        # rounded, they are fewer to choose from, which takes half the time and looks the same
        few_colors = image.convert("RGB").point(_ROUNDED).quantize(256)
    file = io.BytesIO()
    few_colors.save(file, "PNG")
    text = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return text, few_colors.size
