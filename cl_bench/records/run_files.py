"""What a run left, wherever that lies: in a folder of its own, or in a compact study."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cl_bench.records import compact
from cl_bench.records.atomic import read_json
from cl_bench.records.row_files import AnyRow
from cl_bench.records.rows import FILES, read


def is_packed(path: Path) -> bool:
    """Whether a run of this path lies in a compact study: a folder counts in its place."""
    return not os.path.lexists(path) and compact.holds(path)


def about_run(path: Path) -> Any:
    """What run.json says.

    Raises:
        FileNotFoundError: where there is none.
        OSError, ValueError: where it cannot be read.
    """
    return dict(compact.run_at(path).about) if is_packed(path) else read_json(path / "run.json")


def rows_of_run(path: Path, kind: type[AnyRow]) -> list[AnyRow]:
    """All rows of one kind, in the order in which they were measured.

    A run that was resumed may hold the same test twice; the analysis takes the last.

    Raises:
        FileNotFoundError: where the run left none.
        OSError, ValueError: where they cannot be read; RecordsError names file and line.
    """
    return compact.rows_at(path, kind) if is_packed(path) else read(path / FILES[kind], kind)


def summary_of(path: Path) -> Path:
    """The file that says what the run was and how it went: its run.json, or its study's runs.json."""
    return path.parent / compact.FILE if is_packed(path) else path / "run.json"


def stamps(folder: Path) -> dict[Path, int]:
    """When each summary in or below a folder was written, in ns of the disk's clock; see `summary_of`."""
    found = {}
    for name in ("run.json", compact.FILE):
        for path in folder.rglob(name):
            with suppress(OSError):
                found[path.resolve()] = path.stat().st_mtime_ns
    return found


def left_out(path: Path) -> list[str]:
    """The files of rows that the run may have had, and its compact study has of no run."""
    return compact.study_at(path.parent).left_out if is_packed(path) else []
