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

from cl_bench.figures.style import FORMATS, save
from cl_bench.records.errors import AnalysisError
from cl_bench.records.row_files import RecordsError

FEWEST = 6  # figures that are worth the start of processes


class Drawing(NamedTuple):
    """A figure to be made and saved, see `save`."""

    path: Path
    make: Callable[..., Figure]
    arguments: dict[str, Any]
    formats: tuple[str, ...] = FORMATS
    mark: str = ""
    title: str = ""  # of what it is, for words about it


class Drawn(NamedTuple):
    """What became of drawings."""

    paths: list[Path]  # the files, which all exist
    refused: list[tuple[Drawing, Exception]]  # an AnalysisError or RecordsError says why


def draw(drawings: Sequence[Drawing], *, processes: int | None = None, strict: bool = True) -> Drawn:
    """Draw them all, and wait for it; the arguments are those of `started`."""
    with started(drawings, processes=processes, strict=strict) as collect:
        return collect()


@contextmanager
def started(
    drawings: Sequence[Drawing], *, processes: int | None = None, strict: bool = True
) -> Iterator[Callable[[], Drawn]]:
    """Start to draw, and give a function that waits for the drawings and collects what became of them.

    Processes (by default one a core, or none for fewer than `FEWEST` figures) are forked: they start at once
    and have the data already. Only Linux forks safely with the libraries at hand; elsewhere, and where there
    is one core, the figures are drawn one after another, when they are collected.

    Args:
        strict: what else goes wrong in a figure is raised when it is collected; otherwise it is a reason why
            the figure was not drawn.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    number = processes or (cores if len(drawings) >= FEWEST else 1)
    if number == 1:
        yield lambda: _sorted(drawings, [_draw(drawing, strict=strict) for drawing in drawings])
        return
    fork = multiprocessing.get_context("fork")
    # the drawings are there already when a process is forked; sent to it, their tables would be pickled
    with ProcessPoolExecutor(
        number, mp_context=fork, initializer=_given.extend, initargs=(drawings,)
    ) as executor:
        futures: list[Future[list[Path] | Exception]] = [
            executor.submit(_draw_given, place, strict) for place in range(len(drawings))
        ]
        yield lambda: _sorted(drawings, [future.result() for future in futures])


def _sorted(drawings: Sequence[Drawing], results: Sequence[list[Path] | Exception]) -> Drawn:
    """What was drawn, and what was refused."""
    pairs = list(zip(drawings, results, strict=True))
    return Drawn(
        [path for _, result in pairs if not isinstance(result, Exception) for path in result],
        [(drawing, result) for drawing, result in pairs if isinstance(result, Exception)],
    )


_given: list[Drawing] = []  # what a forked process is to draw some of


def _draw_given(place: int, strict: bool) -> list[Path] | Exception:
    return _draw(_given[place], strict=strict)


def _draw(drawing: Drawing, *, strict: bool) -> list[Path] | Exception:
    try:
        figure = drawing.make(**drawing.arguments)
        return save(figure, drawing.path, formats=drawing.formats, mark=drawing.mark)
    except (AnalysisError, RecordsError) as error:
        return error
    except OSError:  # a full disk is not a figure's fault
        raise
    except Exception as error:  # numbers that no axis holds, say
        if strict:
            raise
        return AnalysisError(f"it cannot be drawn ({type(error).__name__}: {error})")
