"""Check the files of a run: their sizes, hashes, and which tests they hold."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cl_bench import records
from cl_bench.records.atomic import MOST, read_whole
from cl_bench.records.protocol import TEST_ALL_AT_END, TEST_LAST, tasks_tested
from cl_bench.records.rows import ALSO_TESTED, Foreign, Record, State
from cl_bench.records.run_files import is_packed, rows_of_run

CONFIG = "config.yaml"
OF_ROWS = tuple(records.FILES.values())

Sizes = dict[str, tuple[int, str]]  # of the files that a run has: bytes, and the SHA-256 of these bytes


def on_disk(folder: Path, names: tuple[str, ...] = (*OF_ROWS, CONFIG)) -> Sizes:
    """Return the bytes and hash of each of these files that is there."""
    sizes = {}
    for name in names:
        if (folder / name).exists():
            content = (folder / name).read_bytes()
            sizes[name] = (len(content), hashlib.sha256(content).hexdigest())
    return sizes


def are_whole(folder: Path, about: Mapping[str, Any]) -> bool:
    """Whether a finished run's files are as it left them; an old run, without hashes, must have its tests.

    Args:
        about: run.json.

    Raises:
        OSError, ValueError, KeyError, TypeError: where a file, or run.json, cannot be read.
    """
    hashes = about.get("files")
    # the rows of a packed run are checked when they are packed, and counted when they are read
    if hashes is not None and not is_packed(folder):
        if not isinstance(hashes, Mapping):
            return False
        known = {name: hashes[name] for name in (*OF_ROWS, CONFIG) if name in hashes}
        if {name: _sha256(folder / name) for name in known} != known:
            return False
    rows = rows_of_run(folder, Record)
    num_tasks = about["num_tasks"]
    if num_tasks > len(rows):  # each was tested at least once
        return False
    wanted = tests(num_tasks, about)
    return {(row.after_task, row.on_task) for row in rows} == set(wanted) and all(
        row.seed == about["seed"] for row in rows
    )


def tests(after_task: int, about: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield (after_task, on_task) of all tests that a run makes before it trains on the next task.

    Args:
        about: run.json.
    """
    settings, num_tasks = about["settings"], about["num_tasks"]
    last, all_at_end = settings.get(TEST_LAST), settings.get(TEST_ALL_AT_END) is True
    for after in range(after_task + 1):
        for on in tasks_tested(after, num_tasks=num_tasks, test_last=last, all_at_end=all_at_end):
            yield after, on


def problem(
    folder: Path, sizes: Mapping[str, tuple[int, str]], after_task: int, about: Mapping[str, Any]
) -> str:
    """Say why the first bytes of a run's files are not what it had after a task; empty where they are.

    Args:
        sizes: of each file that there was then.
        about: run.json.
    """
    for name, (size, sha256) in sizes.items():
        try:
            content = read_whole(folder / name)[:size]
        except (OSError, ValueError) as error:
            return f"{name} cannot be read: {error}"
        if len(content) < size or not content.endswith(b"\n") or _hash(content) != sha256:
            return f"{name} does not begin with the rows that there were"
    try:
        tests_there = _first(folder, sizes, Record)
        states_there = _first(folder, sizes, State)
    except (OSError, ValueError) as error:
        return str(error)
    wanted = tests(after_task, about)
    if {(row.after_task, row.on_task) for row in tests_there} != set(wanted):
        return f"the rows in {records.FILES[Record]} are not those of {after_task} tasks"
    if {row.after_task for row in states_there} != set(range(after_task + 1)):
        return f"the rows in {records.FILES[State]} are not those of {after_task} tasks"
    if any(row.seed != about["seed"] for row in (*tests_there, *states_there)):
        return "its rows are of another seed"
    return _lacks(folder, sizes, after_task, about, tests_there)


def _lacks(
    folder: Path,
    sizes: Mapping[str, tuple[int, str]],
    after_task: int,
    about: Mapping[str, Any],
    tests_there: Sequence[Record],
) -> str:
    """Say what the rows lack that is asked for now, and was not when they were written; empty: nothing."""
    settings = about["settings"]
    also_test = settings.get("training.also_test") or ""
    columns = [column for name, column in ALSO_TESTED.items() if name in also_test]
    if any(math.isnan(getattr(row, column)) for row in tests_there for column in columns):
        return "its tests are without what training.also_test asks for"
    if settings.get("training.ood") not in (None, "[]"):
        after = {row.after_task for row in _first(folder, sizes, Foreign)}
        if after != set(range(1, after_task + 1)):
            return "it was not tested on what training.ood asks for"
    return ""


def _first(folder: Path, sizes: Mapping[str, tuple[int, str]], kind: Any) -> list[Any]:
    """Read the rows of a kind within the sizes."""
    name = records.FILES[kind]
    if name not in sizes:
        return []
    rows = records.read(folder / name, kind)
    num_lines = read_whole(folder / name)[: sizes[name][0]].count(b"\n")
    return rows[: num_lines - 1]


def _sha256(path: Path) -> str:
    return _hash(read_whole(path, most=MOST))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
