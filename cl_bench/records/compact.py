"""A compact study: many finished runs in a few text files, read as run folders are.

    <study>/runs.json      what each run's run.json and config.yaml say; what several say stands there once
    <study>/records.csv    the rows of all runs, each with its run's number in place of the seed
    <study>/states.csv     and calibration.csv, probes.csv, ood.csv: the same

A run of such a study has the path <study>/<name>, at which there is no folder. A folder of that name counts
in its place. See `compact_files` for how the files are written.
"""

import os
from collections import defaultdict, namedtuple
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.atomic import read_json
from cl_bench.records.identity import flatten
from cl_bench.records.row_files import MOST, AnyRow, Limit, RecordsError, only_if_measured
from cl_bench.records.rows import FILES, read
from cl_bench.records.shared_values import joined, weight

FILE = "runs.json"
FORMAT = 1
MOST_RUNS = 10_000
MOST_BYTES, MOST_VALUES = 2**23, 2**19  # of runs.json
MOST_JOINED = 2**20  # values of all runs together, when each has what it shares with others
SUMMARY, CONFIG, SETTINGS, NUMBER, NUM_ROWS = "run.json", "config.yaml", "settings", "number", "rows"


class CompactRun(NamedTuple):
    """What runs.json says of one run."""

    number: int  # in the files of rows
    about: dict[str, Any]  # its run.json
    config: dict[str, Any] | None  # its config.yaml; None: it had none
    num_rows: dict[str, int]  # file -> how many there must be


class CompactStudy(NamedTuple):
    """A compact study's runs by name, and what runs.json says of all of them."""

    runs: dict[str, CompactRun]
    checks_made: dict[str, Any]
    left_out: list[str]  # files of rows that the runs had


def holds(path: Path) -> bool:
    """Whether a path is that of a run in a compact study. A runs.json that cannot be read holds none."""
    try:
        return path.name in study_at(path.parent).runs
    except (OSError, ValueError):
        return False


def is_compact(folder: Path) -> bool:
    """Whether a folder has the file that makes it a compact study, readable or not."""
    return os.path.lexists(folder / FILE)


def study_at(folder: Path) -> CompactStudy:
    """The study in a folder.

    Raises:
        OSError: where runs.json is missing or cannot be read.
        ValueError: where it breaks the format; the message says how.
    """
    found = _study(folder / FILE, _stamp(folder / FILE))
    if isinstance(found, Exception):
        raise found.with_traceback(None)
    return found


def run_at(path: Path) -> CompactRun:
    """The run of this path.

    Raises:
        FileNotFoundError: where its study has none of this name.
        OSError, ValueError: see `study_at`.
    """
    found = study_at(path.parent).runs.get(path.name)
    if found is None:
        raise FileNotFoundError(f"{path.parent / FILE} has no run {path.name}")
    return found


def rows_at(path: Path, kind: type[AnyRow]) -> list[AnyRow]:
    """The rows of one kind that the run of this path left.

    Raises:
        FileNotFoundError: where it left none, or they were left out of the study.
        OSError: where runs.json cannot be read.
        ValueError: where it breaks the format, or the rows cannot be read or are not as many as there were.
    """
    run, file = run_at(path), path.parent / FILES[kind]
    if FILES[kind] not in run.num_rows:
        raise FileNotFoundError(f"{path.name} has no rows in {file}")
    try:
        by_run = _rows(file, kind, _stamp(file))
    except OSError as error:  # the run has rows in it: it is not a run without such a file
        raise RecordsError(f"{file} cannot be read: {error.strerror}") from error
    if isinstance(by_run, Exception):
        raise by_run.with_traceback(None)
    found = by_run.get(run.number, [])
    if len(found) != run.num_rows[FILES[kind]]:
        raise RecordsError(
            f"{file} must have {run.num_rows[FILES[kind]]:,} rows of run {run.number}, {path.name}, "
            f"got {len(found):,}"
        )
    seed: Any = run.about.get("seed")
    make: Any = kind
    return [make(seed, *row[1:]) for row in found]


@cache
def numbered(kind: Any) -> Any:
    """The kind of row with a run's number in place of the seed."""
    names = ("run", *kind._fields[1:])
    make: Any = namedtuple  # whose fields are not known before
    made = make(kind.__name__, names, defaults=tuple(kind._field_defaults.values()))
    types = kind.__annotations__
    made.__annotations__ = {"run": int} | {name: types[name] for name in names[1:]}
    made.limits = classmethod(lambda _: {"run": Limit(1, MOST), **kind.limits()})
    made.only_if_measured = classmethod(lambda _: only_if_measured(kind))
    return made


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does. Raises OSError."""
    about = path.stat()
    return about.st_mtime_ns, about.st_size, about.st_ino


# An error is remembered as well: a file that takes long to be refused is read once, not once a run.


@lru_cache(maxsize=32)
def _study(path: Path, stamp: tuple[int, ...]) -> CompactStudy | Exception:
    try:
        return _checked(read_json(path, most=MOST_BYTES, most_values=MOST_VALUES))
    except (OSError, ValueError) as error:
        return error


@lru_cache(maxsize=8)
def _rows(path: Path, kind: Any, stamp: tuple[int, ...]) -> dict[int, list[Any]] | Exception:
    """The rows by their run's number. Those of a run that runs.json does not know are nobody's."""
    try:
        found = defaultdict(list)
        for row in read(path, numbered(kind)):
            found[row.run].append(row)
    except OSError as error:
        return RecordsError(f"{path} cannot be read: {error.strerror}")
    except ValueError as error:
        return error
    return dict(found)


class _Room:
    """How many values may still be made of what is said once for many."""

    def __init__(self) -> None:
        self._left = MOST_JOINED

    def take(self, number: int) -> None:
        """Raises ValueError where there is no room."""
        self._left -= number
        if self._left < 0:
            raise ValueError(f"its runs must have at most {MOST_JOINED:,} values in all")


def _checked(content: Any) -> CompactStudy:
    study = _mapping(content, "runs.json")
    if study.get("format") != FORMAT:
        raise ValueError(f"format must be {FORMAT}, got {str(study.get('format'))[:100]}")
    of_all = _mapping(study.get("all"), "all")
    groups = study.get("groups")
    if not isinstance(groups, list):
        raise ValueError("groups must be a list")
    runs: dict[str, CompactRun] = {}
    room = _Room()
    heavy = weight(of_all)
    for each in groups:
        group = _mapping(each, "a group")
        of_group = _mapping(group.get("all"), "all of a group")
        shared = heavy + weight(of_group)
        room.take(shared)  # before it is made
        common = joined(of_all, of_group)
        for name, own in _mapping(group.get("runs"), "runs").items():
            room.take(shared + weight(own))
            if name in runs or len(runs) == MOST_RUNS:
                raise ValueError(f"it must hold at most {MOST_RUNS:,} runs, each once, got {name[:100]!r}")
            _check_name(name)
            runs[name] = _run(joined(common, _mapping(own, "a run")))
    numbers = {run.number for run in runs.values()}
    if len(numbers) < len(runs):
        raise ValueError("each run must have a number of its own")
    left_out = study.get("left_out", [])
    if not isinstance(left_out, list) or not set(map(str, left_out)) <= {*FILES.values()}:
        raise ValueError(f"left_out must name files of rows, got {str(left_out)[:100]}")
    return CompactStudy(runs, _mapping(study.get("checks_made", {}), "checks_made"), left_out)


def _run(said: Mapping[str, Any]) -> CompactRun:
    number = said.get(NUMBER)
    if type(number) is not int or not 1 <= number <= MOST:
        raise ValueError(f"the number of a run must be a whole number from 1, got {str(number)[:100]}")
    num_rows = _mapping(said.get(NUM_ROWS, {}), NUM_ROWS)
    if not num_rows.keys() <= {*FILES.values()} or any(type(each) is not int for each in num_rows.values()):
        raise ValueError(f"{NUM_ROWS} must have a number for files of rows, got {str(num_rows)[:100]}")
    about = _mapping(said.get(SUMMARY), SUMMARY)
    config = _mapping(said[CONFIG], CONFIG) if said.get(CONFIG) is not None else None
    if SETTINGS in said:
        about = {**about, SETTINGS: flatten(config or {}) | _mapping(said[SETTINGS], SETTINGS)}
    return CompactRun(number, about, config, num_rows)


def _check_name(name: str) -> None:
    """Raises ValueError for what is not a folder's name, or leads elsewhere."""
    encoded = name.encode(errors="replace")
    whole = encoded.decode() == name  # no half of a character, which no file system takes
    if not whole or name[:1] in ("", ".") or len(encoded) > 255 or any(sign in name for sign in "/\\\0"):
        raise ValueError(f"the name of a run must be that of a folder, got {name[:100]!r}")


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must hold an object, got {type(value).__name__}")
    return value
