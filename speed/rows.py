"""The table of speed: what is measured against what, the ratio to reach, and the ratio measured."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.atomic import read_whole
from speed.bench import Measurement
from speed.clock import median, ratio

AT_MOST, AT_LEAST = "<=", ">="
NO_CUDA = "no CUDA device on this machine"
NOT_MEASURED = "not measured"


class Target(NamedTuple):
    """A ratio to reach: at most, of the work to its reference (`<=`); or at least, turned over (`>=`)."""

    kind: str
    bound: float

    def __str__(self) -> str:
        return f"{self.kind} {self.bound:g}"

    def is_reached(self, value: float) -> bool:
        return value <= self.bound if self.kind == AT_MOST else value >= self.bound


class Line(NamedTuple):
    """A line of the table before it is measured."""

    name: str
    group: str
    work: str
    against: str
    target: Target | None = None
    note: str = ""
    devices: tuple[str, ...] = ("cpu", "cuda")


class Row(NamedTuple):
    """A line of the table. Ratios are medians over rounds with their quartiles; None where not measured."""

    name: str
    work: str
    against: str
    device: str
    target: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None  # of the work, a median
    reference_seconds: float | None = None
    times_limit: float | None = None  # the work's seconds over those of its matrix products alone
    reached: str = ""  # yes, no; empty where there is no target or no ratio
    note: str = ""


NUMBERS = ("ratio", "low", "high", "seconds", "reference_seconds", "times_limit")


def measured(line: Line, device: str, measurement: Measurement) -> Row:
    work, reference = measurement.work, measurement.reference
    faster = line.target is not None and line.target.kind == AT_LEAST
    reached = ratio(reference, work) if faster else ratio(work, reference)
    return empty(line, device, "; ".join(filter(None, [line.note, measurement.note])))._replace(
        ratio=reached.median,
        low=reached.low,
        high=reached.high,
        seconds=median(work) if measurement.in_seconds else None,
        reference_seconds=median(reference) if measurement.in_seconds else None,
        times_limit=ratio(work, measurement.limit).median if measurement.limit else None,
        reached="" if line.target is None else ("yes" if line.target.is_reached(reached.median) else "no"),
    )


def empty(line: Line, device: str, note: str) -> Row:
    return Row(line.name, line.work, line.against, device, str(line.target or ""), note=note)


class Results:
    """What has been measured so far of the table's lines, on which devices there are."""

    def __init__(self, lines: Sequence[Line], devices: Sequence[str], kept: Iterable[Row] = ()) -> None:
        self.lines, self.devices = lines, devices
        self._kept = {(row.name, row.device): row for row in kept}  # of an earlier call
        self.failed: dict[tuple[str, str], str] = {}  # (group, device) -> what the rows say
        self._found: dict[tuple[str, str], Measurement] = {}  # (name, device)

    def add(self, device: str, measurements: Mapping[str, Measurement]) -> None:
        self._found |= {(name, device): each for name, each in measurements.items()}

    def fail(self, group: str, device: str, error: Exception) -> None:
        # without its message, which may name a path of this machine
        self.failed[group, device] = f"failed: {type(error).__name__}"

    def rows(self) -> list[Row]:
        """Return every line on each of its devices; what was not measured has no numbers, and says why."""
        return [self._row(line, device) for line in self.lines for device in line.devices]

    def _row(self, line: Line, device: str) -> Row:
        if (line.name, device) in self._found:
            return measured(line, device, self._found[line.name, device])
        if (line.name, device) in self._kept and (line.group, device) not in self.failed:
            return self._kept[line.name, device]
        reason = NOT_MEASURED if device in self.devices else NO_CUDA
        return empty(line, device, self.failed.get((line.group, device), reason))


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """Write rows with four significant digits; whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows([_cell(value) for value in row] for row in rows)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text.getvalue())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else f"{value:.4g}"


def read_csv(path: Path) -> list[Row]:
    """Read the measured rows of a file that `write_csv` wrote; none where there is no such file."""
    if not path.exists():
        return []
    text = io.StringIO(read_whole(path).decode(), newline="")
    rows = [Row(**{name: _parsed(name, cell) for name, cell in row.items()}) for row in csv.DictReader(text)]
    return [row for row in rows if row.ratio is not None]


def _parsed(name: str, cell: str) -> Any:
    if name not in NUMBERS:
        return cell
    return float(cell) if cell else None


def text_table(rows: Iterable[Row]) -> str:
    """Format the measured rows for the terminal."""
    header = ("work", "against", "device", "target", "ratio", "quartiles", "x limit", "reached")
    lines = [
        (
            row.work,
            row.against,
            row.device,
            row.target,
            _cell(row.ratio),
            f"{_cell(row.low)} to {_cell(row.high)}",
            _cell(row.times_limit),
            row.reached,
        )
        for row in rows
        if row.ratio is not None
    ]
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (header, *lines)
    )
