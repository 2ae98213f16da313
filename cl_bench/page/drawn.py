"""Figures that were drawn already, for a page that holds them: SVG as `data:` images."""

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 2_000_000  # of all figures in the page, as text; what is over is named with its file

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


def embedded(paths: Iterable[Path], *, folder: Path) -> list[Figure]:
    """The SVG files among the paths, in their order, as long as there is room."""
    figures, used = [], 0
    for path in paths:
        if path.suffix != ".svg":
            continue
        kind, _, where = path.stem.partition("-")
        what, numbers = _KINDS.get(kind, (f"{kind.capitalize()}.", "summary.csv"))
        source = _data(path)
        used += len(source)
        figures.append(
            Figure(
                name=f"{kind}: {where}" if where else kind,
                alt=f"{what} The numbers are in {numbers}.",
                file=str(path.relative_to(folder)),
                source=source if used <= MOST_BYTES else "",
            )
        )
    return figures


def _data(path: Path) -> str:
    """Coordinates in points, to a hundredth: what cannot be seen costs a third of the file."""
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", path.read_text(encoding="utf-8"))
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()
