"""The rows of results.csv: appended as they are had; the last one of a result counts."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cl_bench.records.atomic import read_whole
from gpu.items import DONE, FAIL, Row

NUMBERS = ("value", "seconds")


def append(path: Path, *rows: Row) -> None:
    """Add whole lines, on disk when this returns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    content = read_whole(path) if path.exists() else b""
    whole = _whole_lines(content)
    if not whole:  # a kill may come before the first line is written
        writer.writerow(Row._fields)
    writer.writerows([_cell(value) for value in row] for row in rows)
    if len(whole) < len(content):  # a kill in the midst of a line
        os.truncate(path, len(whole))
    with path.open("a", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Row]:
    """Read all whole lines; none where there is no file."""
    if not path.exists():
        return []
    whole = _whole_lines(read_whole(path)).decode()
    lines = list(csv.reader(io.StringIO(whole, newline="")))
    if lines and tuple(lines[0]) != Row._fields:
        raise ValueError(f"{path} must have the columns {', '.join(Row._fields)}, got {', '.join(lines[0])}")
    return [Row(**dict(map(_parsed, Row._fields, line))) for line in lines[1:]]


def newest(rows: Iterable[Row]) -> dict[tuple[str, str, str], Row]:
    """Return the last row of each result and item, by its key, in the order of the first ones."""
    return {row.key: row for row in rows}


def is_finished(rows: Iterable[Row], part: str, item: str) -> bool:
    """Whether there is nothing left to do for an item."""
    last = newest(rows)
    ended = last.get((part, item, ""))
    return ended is not None and ended.status == DONE


def known_of(rows: Iterable[Row], part: str, item: str) -> dict[str, Row]:
    """Return results of an item that need not be had again: all that did not fail."""
    return {
        row.result: row
        for row in newest(rows).values()
        if (row.part, row.item) == (part, item) and row.result and row.status != FAIL
    }


def _whole_lines(content: bytes) -> bytes:
    """Drop a torn last line, which may end within a letter."""
    return content[: content.rfind(b"\n") + 1]


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    return "" if value is None else f"{value:.6g}"


def _parsed(name: str, cell: str) -> tuple[str, Any]:
    if name not in NUMBERS:
        return name, cell
    return name, float(cell) if cell else None
