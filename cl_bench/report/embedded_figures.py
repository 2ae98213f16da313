"""Figures that were drawn already, for a page that holds them, as `data:` images of 256 colours.

These take a quarter of what the SVG files would, which the page names.
"""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 1_000_000  # of all figures in the page, as text; what is over is named with its file
_ROUNDED = [5 * round(value / 5) for value in range(256)] * 3  # 0 and 255 stay
SCALE = 0.65  # of a file's pixels: sharp on most screens


class Figure(NamedTuple):
    """One file; `source` is empty where it is left out."""

    kind: str
    where: str  # what the name of the file says after the kind
    file: str  # below the report's folder
    source: str
    width: int  # as shown, in pixels of a page
    height: int


def embedded(paths: Iterable[Path], *, folder: Path) -> list[Figure]:
    """The figures among the paths, which are PNG and SVG files, in their order.

    The smallest are embedded first, so that as many as can be are, as long as there is room.
    """
    drawn = [path for path in paths if path.suffix == ".png"]
    found, used = {}, 0
    for path in sorted(drawn, key=lambda path: path.stat().st_size):
        # what comes after one that has no room is not looked at
        source, (width, height) = _data(path) if used <= MOST_BYTES else ("", (0, 0))
        used += len(source)
        kind, _, where = path.stem.partition("-")
        found[path] = Figure(
            kind=kind,
            where=where,
            file=path.with_name(f"{path.stem}.svg").relative_to(folder).as_posix(),
            source=source if used <= MOST_BYTES else "",
            width=round(SCALE * width),
            height=round(SCALE * height),
        )
    return [found[path] for path in drawn]


def _data(path: Path) -> tuple[str, tuple[int, int]]:
    from PIL import Image, features  # here, since a report without figures needs none

    with Image.open(path) as image:
        # rounded, they are fewer to choose from; an octree is the quickest choice, and looks the same
        few_colors = image.convert("RGB").point(_ROUNDED).quantize(256, Image.Quantize.FASTOCTREE)
    file = io.BytesIO()
    kind = "webp" if features.check("webp") else "png"
    if kind == "webp":  # a third smaller; the quickest method that is
        few_colors.convert("RGB").save(file, "WEBP", lossless=True, quality=40, method=1)
    else:
        few_colors.save(file, "PNG")
    text = f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()
    return text, few_colors.size
