"""What goes into one figure: a benchmark of a study, or a study where a kind is over benchmarks."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cl_bench.analysis.matrix import RunMatrix
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import MOST_METHODS
from cl_bench.records.runs import Run
from cl_bench.report.figure_kinds import OVER_BENCHMARKS

LONGEST_NAME = 150  # bytes of a study and benchmark in a file's name; most disks take 255 in all


class Part(NamedTuple):
    """What goes into one figure."""

    name: str  # for its file
    title: str
    results: Results


def parts_of_kinds(results: Results, kinds: Iterable[str], *, together: bool) -> dict[str, list[Part]]:
    """Kind -> a part a study and benchmark, or a study where the kind is over benchmarks.

    With `together` the studies of a benchmark are in one figure. No parts where no run is complete.
    """
    each, over = _parts(results, over=False, together=together), _parts(results, over=True, together=together)
    return {kind: over if kind in OVER_BENCHMARKS else each for kind in kinds}


class Place(NamedTuple):
    """The study or benchmark whose runs go into one figure."""

    name: str  # for its file
    title: str
    where: dict[str, str]  # study, benchmark or both; empty where it is of all


def _parts(results: Results, *, over: bool, together: bool) -> list[Part]:
    found = places(results.complete, over=over, together=together)
    return [_part(place.name, place.title, results.only(**place.where)) for place in found]


def places(runs: Sequence[Run | RunMatrix], *, over: bool = False, together: bool = False) -> list[Place]:
    """What each figure of these complete runs is of; `over` where a kind is over benchmarks."""
    studies, benchmarks = sorted({run.study for run in runs}), sorted({run.benchmark for run in runs})
    where: dict[str, dict[str, str]]  # title -> what the part is of
    if over:
        where = {study: {"study": study} for study in studies}
        if together and runs:
            where = {", ".join(studies): {}}
    elif together or len(studies) == 1:
        where = {benchmark: {"benchmark": benchmark} for benchmark in benchmarks}
    else:
        pairs = sorted({(run.study, run.benchmark) for run in runs})
        where = {f"{study}: {name}": {"study": study, "benchmark": name} for study, name in pairs}
    taken: set[str] = set()
    return [
        Place(_unique(_file_name("-".join(chosen.values()) or "all"), taken), title, chosen)
        for title, chosen in where.items()
    ]


def _part(name: str, title: str, results: Results) -> Part:
    drawn = results.most_accurate(MOST_METHODS)
    number = results.summary["method"].nunique()
    said = "" if drawn is results else f" (the best {MOST_METHODS} of {number} methods)"
    return Part(name, title + said, drawn)


def _file_name(text: str) -> str:
    """The text as a part of a file's name; a long one is cut and told apart by a hash."""
    name = re.sub(r"[^\w.=+-]+", "_", text)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    kept = name.encode()[: LONGEST_NAME - 9].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _unique(name: str, taken: set[str]) -> str:
    """The name, or one with a number: names that differ in case alone are one file on some disks."""
    candidates = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    free = next(candidate for candidate in candidates if _on_disk(candidate) not in taken)
    taken.add(_on_disk(free))
    return free


def _on_disk(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
