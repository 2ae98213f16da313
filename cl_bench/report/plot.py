"""`cl-bench plot KIND DIR...`: one kind of figure, of the runs of one folder or of several together."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cl_bench.analysis.looks import families, from_elsewhere, method_styles
from cl_bench.analysis.results import Results
from cl_bench.analysis.selection import select, select_benchmarks
from cl_bench.records.atomic import link_within
from cl_bench.records.errors import AnalysisError, NotMeasuredError
from cl_bench.records.text import cut, one_line, there_are
from cl_bench.report.figure_kinds import KINDS
from cl_bench.report.figure_options import Options
from cl_bench.report.figure_parts import parts_of_kinds
from cl_bench.report.notes import LONGEST_NOTE

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from cl_bench.figures.parallel import Drawing

FORMATS = ("png", "svg", "pdf")


class Plotted(NamedTuple):
    """The files of a kind, what could not be drawn, a sentence each, and what each file is of."""

    paths: list[Path]
    notes: list[str]
    titles: list[str]  # of each path: its benchmark, and its study where there are several


def plot(
    kind: str,
    *folders: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Plotted:
    """One figure per benchmark, of all runs below the folders.

    Of one folder with several studies there is one figure per study. Several folders are compared: the runs
    of a benchmark are in one figure, and methods that several studies have are told apart by study.

    A file that holds something else, another figure or not, is never replaced: this one's name then goes on
    with the kind or a number, and a note says so. `figures` in the one folder is the report's own, and is.

    Args:
        kind: one of `figure_kinds.KINDS`.
        output: a file that ends in .png, .svg or .pdf, or a folder, which exists or ends in a slash. Without
            an ending both .png and .svg are written. With several benchmarks each has its name added.
            Default: `figures` in the one folder, or where one is. With options the name ends in `-chosen`
            there, since the report draws its own figures again.
        options: those of `figure_options.Options`: methods, labels, benchmarks, metric, cost, tasks,
            interval, ylim, title, width, height.

    Raises:
        AnalysisError, RecordsError: where there is nothing to draw, a format is not written, or the kind has
            no use for an option; it says why.
    """
    from cl_bench.figures.parallel import FEWEST, draw

    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, n=1)
        raise AnalysisError(f"there is no kind of figure {kind!r}; {there_are(', '.join(KINDS), near=near)}")
    asked = Options(**options)
    asked.check(kind)
    together = len(folders) > 1
    default = Path() if together else Path(folders[0]) / "figures"
    if output is not None and not _is_folder(output):
        _check_ending(Path(output))
    results = Results.read(*folders, interval=asked.interval or "t")
    _ = results.frame  # reading it makes the metrics of `cl-bench metric` known
    if together:
        results = results.told_apart()
    if asked.benchmarks is not None:
        there = {run.benchmark for run in results.complete}
        results = results.of_benchmarks(select_benchmarks(there, asked.benchmarks))
    planned = drawings(results, [kind], folder=default, together=together, options=asked)
    if not planned:
        raise AnalysisError(f"{kind}: no run is complete: each must have tested all that was to be tested")
    kept: list[str] = []
    if asked.differ and output is None:
        planned = [each._replace(path=each.path.with_name(f"{each.path.name}-chosen")) for each in planned]
    if together or asked.differ or (output is not None and Path(output).resolve() != default.resolve()):
        put = planned if output is None else _put(planned, Path(output), folder=_is_folder(output))
        planned, kept = _beside_others(put, source=sorted(str(Path(each).resolve()) for each in folders))
    _check_no_links(planned, folders)
    if len(planned) >= FEWEST:  # drawn in processes, whose finds are not known here
        _ = results.calibration, results.probes
    done = draw(planned)
    reasons = dict.fromkeys(str(error) for _, error in done.refused)
    if not done.paths:
        raise AnalysisError(f"{kind}: {'; '.join(reasons)}")
    notes = [*refusals(done.refused, quiet=()), *results.left_out(), *kept, *_without_any(results, planned)]
    titles = {path: drawing.title for drawing in planned for path in _files(drawing)}
    return Plotted(
        done.paths,
        [cut(one_line(note), LONGEST_NOTE) for note in notes],
        [titles.get(path, "") for path in done.paths],
    )


def drawings(
    results: Results,
    kinds: Iterable[str],
    *,
    folder: Path,
    together: bool = False,
    options: Options | None = None,
) -> "list[Drawing]":
    """The figures of these kinds, <folder>/<kind>-<benchmark>; a method looks the same in all of them.

    Raises:
        AnalysisError: for methods that are not there.
    """
    from cl_bench.figures import layout
    from cl_bench.figures.parallel import Drawing

    asked = options or Options()
    recorded = [run for run in results.found if run.records]
    methods = {run.method for run in recorded}
    styles = method_styles(methods, families(recorded), own=from_elsewhere(recorded))
    if asked.methods is not None or asked.labels:
        chosen = select(methods, methods=asked.methods, labels=asked.labels)
        results = results.selected(chosen)
        styles = {label: styles[method] for method, label in chosen.labels.items()}
    found = parts_of_kinds(results, kinds, together=together)
    return [
        Drawing(
            folder / f"{kind}-{part.name}",
            KINDS[kind],
            {"results": part.results, "styles": styles} | asked.look(kind, part.title, width=layout.WIDTH),
            title=part.title,
        )
        for kind, parts in found.items()
        for part in parts
    ]


def refusals(
    refused: "Iterable[tuple[Drawing, Exception]]", *, quiet: tuple[type, ...] = (NotMeasuredError,)
) -> list[str]:
    """A sentence for each figure that could not be drawn, but for reasons of the quiet kind."""
    return [
        f"{drawing.title} has no {drawing.make.__name__} figure: {error}."
        for drawing, error in refused
        if not isinstance(error, quiet)
    ]


def _without_any(results: Results, planned: "Sequence[Drawing]") -> list[str]:
    """A sentence for each benchmark that has no figure, since no chosen method was run on it."""
    drawn = {run.benchmark for drawing in planned for run in drawing.arguments["results"].found}
    left = sorted({run.benchmark for run in results.complete} - drawn)
    return [f"{benchmark} has no figure: none of the chosen methods was run on it." for benchmark in left]


def _check_ending(output: Path) -> None:
    ending = output.suffix.removeprefix(".")  # a name may go on after a dot: run-1.2
    if ending.isalpha() and ending.lower() not in FORMATS:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise AnalysisError(f"the ending of a figure must be {endings} or none, got output={str(output)!r}")


def _is_folder(output: str | os.PathLike[str]) -> bool:
    return Path(output).is_dir() or os.fspath(output).endswith(("/", os.sep))


def _check_no_links(planned: "Sequence[Drawing]", folders: Iterable[str | os.PathLike[str]]) -> None:
    for folder, place in product(map(Path, folders), {drawing.path.parent for drawing in planned}):
        link = link_within(folder, place)
        if link is not None:
            raise AnalysisError(
                f"cannot write into {place}: {link} is a link, and nothing is written through a link of a "
                "results folder; remove it, or name another place with -o"
            )


def _put(planned: "Sequence[Drawing]", output: Path, *, folder: bool) -> "list[Drawing]":
    """Put the drawings where the user wants them."""
    if folder:
        return [drawing._replace(path=output / drawing.path.name) for drawing in planned]
    ending = output.suffix.lower().removeprefix(".")
    if ending in FORMATS:
        planned = [drawing._replace(formats=(ending,)) for drawing in planned]
        output = output.with_suffix("")
    if len(planned) == 1:
        return [planned[0]._replace(path=output)]
    return [
        drawing._replace(path=output.with_name(f"{output.name}-{drawing.path.name.split('-', 1)[1]}"))
        for drawing in planned
    ]


def _beside_others(
    planned: "Sequence[Drawing]", *, source: Sequence[str]
) -> "tuple[list[Drawing], list[str]]":
    """Move drawings beside files that hold something else, and say a sentence for each that moved.

    A drawing is marked by its kind, its title and the folders of its runs: what has its mark is an earlier
    version of it.
    """
    moved, notes = [], []
    for drawing in planned:
        about = (drawing.make.__name__, drawing.title, *source)
        marked = drawing._replace(mark=f"cl-bench {hashlib.sha256(repr(about).encode()).hexdigest()[:16]}")
        free = next(each for each in _candidates(marked) if not _others(each))
        if free.path != drawing.path:
            names = " and ".join(str(path) for path in _others(marked))
            notes.append(f"{names} holds something else, and is kept: this figure is {free.path.name}.")
        moved.append(free)
    return moved, notes


def _candidates(drawing: "Drawing") -> "Iterator[Drawing]":
    yield drawing
    name, kind = drawing.path.name, drawing.make.__name__
    if kind not in name:
        name = f"{name}-{kind}"
        yield drawing._replace(path=drawing.path.with_name(name))
    yield from (drawing._replace(path=drawing.path.with_name(f"{name}-{number}")) for number in count(2))


def _files(drawing: "Drawing") -> list[Path]:
    return [drawing.path.with_name(f"{drawing.path.name}.{each}") for each in drawing.formats]


def _others(drawing: "Drawing") -> list[Path]:
    """Which of its files are there already and hold something else."""
    from cl_bench.figures.style import is_marked

    return [
        path
        for path in _files(drawing)
        if path.exists() and not (path.is_file() and is_marked(path, drawing.mark))
    ]
