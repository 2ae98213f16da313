"""Many figures at once: in as many processes as there are cores, where that is safe and pays."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from cl_bench.figures.style import save

FEWEST = 6  # figures that are worth the start of processes


class Drawing(NamedTuple):
    """A figure to be made and saved, see `save`."""

    path: Path
    make: Callable[..., Figure]
    arguments: dict[str, Any]


@contextmanager
def drawn(drawings: Sequence[Drawing], *, processes: int | None = None) -> Iterator[list[Path]]:
    """Draws meanwhile; the paths of the files, which all exist after it.

    Processes (by default one a core, or none for fewer than `FEWEST` figures) are forked: they start at once
    and have the data already. Only Linux forks safely with the libraries at hand; elsewhere, and where there
    is one core, the figures are drawn one after another, at the end.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    number = processes or (cores if len(drawings) >= FEWEST else 1)
    paths: list[Path] = []
    if number == 1:
        yield paths
        for drawing in drawings:
            paths += _draw(drawing)
        return
    with ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("fork")) as executor:
        futures: list[Future[list[Path]]] = [executor.submit(_draw, drawing) for drawing in drawings]
        yield paths
        for future in futures:
            paths += future.result()


def _draw(drawing: Drawing) -> list[Path]:
    return save(drawing.make(**drawing.arguments), drawing.path)
