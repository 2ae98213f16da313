"""The file metrics.csv in a run's folder: what `cl-bench metric` computed from the run's saved predictions.

A line is the number that a metric has for one test. The file says of itself what a table needs to show it.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cl_bench.records.atomic import ForeignFileError, read_whole, write_whole
from cl_bench.records.row_files import MOST, MOST_ROWS, RecordsError
from cl_bench.records.saved import METRICS

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
BETTER = ("higher", "lower", "")
UNITS = ("%", "")  # a fraction that is shown in percent; a number that is shown as it is
MOST_NAMES = 100
MOST_BYTES = 2**26


class MetricRow(NamedTuple):
    """The number that a metric has for one test."""

    seed: int  # of the run
    after_task: int  # the last task trained on
    on_task: int  # the task tested
    name: str  # of the metric
    value: float
    unit: str = ""  # of UNITS
    better: str = ""  # of BETTER


def check_words(name: str, *, unit: str, better: str) -> None:
    """Check what is said of a metric. Raises ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"a metric's name must be at most 40 small letters, digits and _, got {name!r:.60}")
    if unit not in UNITS:
        raise ValueError(f"the unit of {name} must be % (of a fraction) or empty, got {unit!r:.40}")
    if better not in BETTER:
        raise ValueError(f"better of {name} must be higher, lower or empty, got {better!r:.40}")


def write_metrics(folder: Path, rows: Iterable[MetricRow]) -> Path:
    """Put rows into a run's metrics.csv, in place of those that it has of the same metrics.

    Raises:
        OSError: where it cannot be written.
        RecordsError: where what is there cannot be read.
        ValueError: for a name, unit or direction that cannot be.
    """
    new = list(rows)
    for name, unit, better in {(row.name, row.unit, row.better) for row in new}:
        check_words(name, unit=unit, better=better)
    names = {row.name for row in new}
    kept = [row for row in read_metrics(folder) if row.name not in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(MetricRow._fields)
    for row in [*kept, *new]:
        numbers = int(row.seed), int(row.after_task), int(row.on_task)
        writer.writerow([*numbers, row.name, repr(float(row.value)), row.unit, row.better])
    return write_whole(folder / METRICS, text.getvalue())


def read_metrics(folder: Path) -> tuple[MetricRow, ...]:
    """Read a run's metrics.csv; nothing where there is none. Of two rows about the same the last counts.

    Raises:
        OSError: where it cannot be read.
        RecordsError: that names the line and the rule.
    """
    path = folder / METRICS
    try:
        content = read_whole(path, most=MOST_BYTES).decode()
    except FileNotFoundError:
        return ()
    except (ForeignFileError, UnicodeDecodeError) as error:
        raise RecordsError(f"{path} cannot be read: {error}") from error
    found: dict[tuple[int, int, str], MetricRow] = {}
    words: dict[str, tuple[str, str]] = {}
    lines = content.splitlines()
    if not lines or lines[0] != ",".join(MetricRow._fields):
        raise RecordsError(f"{path}, line 1: the header must be {','.join(MetricRow._fields)!r}")
    if len(lines) > MOST_ROWS:
        raise RecordsError(f"{path} must have at most {MOST_ROWS:,} rows, got {len(lines):,}")
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = _row(line.split(","))
            if words.setdefault(row.name, (row.unit, row.better)) != (row.unit, row.better):
                raise ValueError(f"{row.name} must have one unit and one direction")
        except ValueError as error:
            raise RecordsError(f"{path}, line {number}: {str(error)[:200]}") from None
        found[row.after_task, row.on_task, row.name] = row
    if len(words) > MOST_NAMES:
        raise RecordsError(f"{path} must have at most {MOST_NAMES} metrics, got {len(words)}")
    return tuple(found.values())


def _row(fields: list[str]) -> MetricRow:
    if len(fields) != len(MetricRow._fields):
        raise ValueError(f"a line must have {len(MetricRow._fields)} fields, got {len(fields)}")
    seed, after_task, on_task, name, value, unit, better = fields
    check_words(name, unit=unit, better=better)
    number = float(value)
    number = math.nan if math.isnan(number) else number
    return MetricRow(_whole(seed), _whole(after_task), _whole(on_task), name, number, unit, better)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:20]) <= MOST and len(text) < 20):
        raise ValueError(f"seed, after_task and on_task must be whole numbers, got {text[:40]!r}")
    return int(text)


def words_of(rows: Iterable[MetricRow]) -> Mapping[str, tuple[str, str]]:
    """Map each metric to its unit and which way is better."""
    return {row.name: (row.unit, row.better) for row in rows}
