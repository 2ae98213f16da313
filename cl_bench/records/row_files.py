"""Text files that grow by whole lines: a header of column names, then one line a row of numbers.

A row is a NamedTuple of `int` and `float` fields; its `limits` say between what they lie. Floats are written
with `repr` and so come back bit for bit. A program that is killed can leave at most one torn last line, which
`read` drops and the next `append` cuts off. Fields with a default came later than the others: a file without
the last of them can still be read. Of these, `only_if_measured` names those that only some runs measure: a
file ends before the first of them from which on all would be nan. `counted_later` names those that a run
which began without them goes on without. Only the standard library is needed.
"""

import errno
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from cl_bench.records.atomic import ForeignFileError, own_place, read_whole

MOST = 2**63 - 1  # of whole numbers in tables
MOST_ROWS = 2**21  # of a file: a stream of 1,400 tasks, each tested after each
_BLOCK = 20_000  # lines that are parsed together


class Limit(NamedTuple):
    """The smallest and the largest that a number may be, both included."""

    low: float
    high: float = math.inf
    or_nan: bool = False

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high or (self.or_nan and math.isnan(value))

    def rule(self) -> str:
        if self.high not in (MOST, math.inf):
            return f"must be a fraction in [{self.low}, {self.high}]"
        least = "must not be negative" if self.low == 0 else f"must be {self.low} or more"
        return f"{least}, and below 2^63" if self.high == MOST else least


class Row(Protocol):
    """What a NamedTuple must have to be a line of a file."""

    @classmethod
    def limits(cls) -> Mapping[str, Limit]:
        """Map fields to their limits, by name. A field that is left out may be any number, or nan."""


AnyRow = TypeVar("AnyRow", bound=Row)

_SIGNS = b"0123456789+-.,\n" + b"einfatyEINFATY"  # of numbers, inf, nan and infinity


class RecordsError(ValueError):
    """A file breaks the format; the message names the file, the line and the rule."""


def header(kind: type[Row], *, num_columns: int | None = None) -> str:
    """Return the first line of a file of such rows; None: without the columns of `only_if_measured`."""
    return ",".join(_fields(kind)[: num_columns or _num_always(kind)])


def append(path: str | os.PathLike[str], *rows: Row) -> None:
    """Add whole lines, rows of one kind, on disk when this returns; a new file starts with the header.

    A torn last line is cut off first. When the rows cannot be written whole (a full disk), what was there
    before is left intact and an OSError names the file.
    """
    path = Path(path)
    if not rows:
        return
    kind = type(rows[0])
    num_columns = _num_needed(kind, rows)
    numbers = list(map(_numbers, rows))
    # Unbuffered, so that one write is one system call: a kill leaves whole lines and a prefix of the next.
    with open(path, "a+b", buffering=0, opener=own_place) as file:
        end = _end_of_whole_lines(file)
        if end:
            num_needed = _num_needed(kind, rows, but_for=counted_later(kind))
            num_columns = _check_header(file, path, kind, num_needed=num_needed)
        first = f"{header(kind, num_columns=num_columns)}\n".encode()
        lines = b"".join(_line(each, num_columns) for each in numbers)
        try:
            file.truncate(end)
            for part in (lines,) if end else (first, lines):
                if file.write(part) != len(part):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                file.truncate(end)
            reason = f"cannot append a record, the earlier lines are intact: {error.strerror}"
            raise OSError(error.errno, reason, str(path)) from error


def whole_file(kind: type[AnyRow], rows: Iterable[AnyRow]) -> bytes:
    """A file of these rows, as `append` would leave it. Raises RecordsError for a row outside its limits."""
    rows = list(rows)
    num_columns = _num_needed(kind, rows)
    lines = [_line(_numbers(row), num_columns) for row in rows]
    return b"".join([f"{header(kind, num_columns=num_columns)}\n".encode(), *lines])


def read(path: str | os.PathLike[str], kind: type[AnyRow]) -> list[AnyRow]:
    """Read all whole rows, in file order. A last line without a newline is torn, and dropped.

    A field that the file is too old to have gets its default.
    """
    path = Path(path)
    try:
        content = read_whole(path)
    except ForeignFileError as error:
        raise RecordsError(str(error)) from None
    num_rows = content.count(b"\n") - 1
    if num_rows > MOST_ROWS:
        raise RecordsError(f"{path} must have at most {MOST_ROWS:,} rows, got {num_rows:,}")
    lines = content.split(b"\n")
    lines.pop()  # what follows the last newline: nothing, or a torn line
    if not lines:
        return []
    num_columns = _num_columns(kind, lines[0])
    if num_columns is None:
        raise RecordsError(f"{path}, line 1: the header must be {header(kind)!r}, got {_shown(lines[0])}")
    rows: list[AnyRow] = []
    for first in range(1, len(lines), _BLOCK):
        block = lines[first : first + _BLOCK]
        try:
            rows += _parse(kind, block, num_columns)
        except ValueError:
            raise _first_wrong(path, kind, block, num_columns, number=first + 1) from None
    return rows


def _first_wrong(
    path: Path, kind: Any, lines: Sequence[bytes], num_columns: int, *, number: int
) -> RecordsError:
    """Say which of the lines breaks the format, and how; `number` is that of the first in the file."""
    for index, line in enumerate(lines, start=number):
        try:
            _parse_one(kind, line, num_columns)
        except ValueError as error:
            return RecordsError(f"{path}, line {index}: {error}")
    raise AssertionError(f"{path}: every line is right, but not all of them")


def _fields(kind: Any) -> tuple[str, ...]:
    return kind._fields


def _converters(kind: Any) -> Sequence[Callable[[Any], Any]]:
    return [kind.__annotations__[name] for name in kind._fields]


def _num_columns(kind: Any, line: bytes) -> int | None:
    """Count the fields of a file with this header; None where it is no header of the kind."""
    names = line.decode("utf-8", errors="replace").split(",")
    required = len(kind._fields) - len(kind._field_defaults)
    fits = len(names) >= required and tuple(names) == kind._fields[: len(names)]
    return len(names) if fits else None


def only_if_measured(kind: Any) -> tuple[str, ...]:
    """Name the last fields of a kind whose columns are left out where all rows have nan in them."""
    return kind.only_if_measured() if hasattr(kind, "only_if_measured") else ()


def counted_later(kind: Any) -> tuple[str, ...]:
    """Name the fields of a kind that every new file has, and that a file of before goes on without."""
    return kind.counted_later() if hasattr(kind, "counted_later") else ()


def _num_always(kind: Any) -> int:
    return len(kind._fields) - len(only_if_measured(kind))


def _num_needed(kind: Any, rows: Sequence[Any], *, but_for: Sequence[str] = ()) -> int:
    """Count the columns up to the last one that is always written, or that has a number in these rows."""
    for index in range(len(kind._fields) - 1, _num_always(kind) - 1, -1):
        if kind._fields[index] not in but_for and any(not math.isnan(row[index]) for row in rows):
            return index + 1
    return _num_always(kind)


def _numbers(row: Any) -> list[float]:
    """Return a row's fields as plain numbers. Raises RecordsError for one outside its limits."""
    # int() and float(): the repr of a numpy number is not a number
    numbers = [convert(value) for convert, value in zip(_converters(type(row)), row, strict=True)]
    broken = _broken_rule(type(row), numbers)
    if broken:
        raise RecordsError(f"cannot append a record: {broken}")
    return numbers


def _line(numbers: Sequence[float], num_columns: int) -> bytes:
    return (",".join(map(repr, numbers[:num_columns])) + "\n").encode()


def _parse(kind: Any, lines: Sequence[bytes], num_columns: int) -> list[Any]:
    """Parse all lines by column, four times as fast as one by one. Raises ValueError without a reason."""
    together = b"\n".join(lines)
    if not _is_plain(together):
        raise ValueError
    rows = together.decode("ascii").split("\n")  # text becomes numbers faster than bytes do
    if any(row.count(",") != num_columns - 1 for row in rows):
        raise ValueError
    fields = ",".join(rows).split(",")
    limits, columns = kind.limits(), []
    # zip stops at the last column of an old file
    for index, name, convert in zip(range(num_columns), kind._fields, _converters(kind), strict=False):
        column = fields[index::num_columns]
        values = list(map(convert, column))
        if name in limits and not _all_hold(limits[name], values):
            raise ValueError
        if "nan" in column:  # always the same object, so that rows with equal lines are equal
            values = [math.nan if math.isnan(value) else value for value in values]
        columns.append(values)
    return list(map(kind, *columns))


def _is_plain(line: bytes) -> bool:
    """Whether all signs are those of numbers: Python's int and float would let others pass."""
    return not line.translate(None, _SIGNS)


def _all_hold(limit: Limit, values: Sequence[float]) -> bool:
    low, high = limit.low, limit.high
    return all(low <= value <= high for value in values) or all(map(limit.holds, values))


def _parse_one(kind: Any, line: bytes, num_columns: int) -> None:
    """Raise ValueError with what is wrong with a line."""
    fields = line.split(b",")
    if len(fields) != num_columns:
        raise ValueError(f"a line must have {num_columns} fields, got {_shown(line)}")
    if not _is_plain(line):
        raise ValueError(f"a line must be numbers and commas only, got {_shown(line)}")
    try:
        numbers = [convert(field) for convert, field in zip(_converters(kind), fields, strict=False)]
    except ValueError:
        raise ValueError(f"{_rule_of_kinds(kind)}, got {_shown(line)}") from None
    broken = _broken_rule(kind, numbers)
    if broken:
        raise ValueError(broken)


def _broken_rule(kind: Any, numbers: Sequence[float]) -> str | None:
    limits = kind.limits()
    for name, value in zip(kind._fields, numbers, strict=False):
        if name in limits and not limits[name].holds(value):
            return f"{name} {limits[name].rule()}, got {name}={value}"
    return None


def _rule_of_kinds(kind: Any) -> str:
    floats = [name for name in kind._fields if kind.__annotations__[name] is float]
    return f"{', '.join(floats)} must be numbers, the other fields whole numbers"


def _end_of_whole_lines(file: FileIO) -> int:
    """Return the position after the last newline; 0 when there is none. Reads from the back, in blocks."""
    position = file.seek(0, os.SEEK_END)
    while position:
        start = max(0, position - 4096)
        file.seek(start)
        block = file.read(position - start) or b""
        newline = block.rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _check_header(file: FileIO, path: Path, kind: Any, *, num_needed: int) -> int:
    """Return how many columns the file has; it must have those that are needed."""
    file.seek(0)
    longest = f"{header(kind, num_columns=len(kind._fields))}\n".encode()
    begins = file.read(len(longest)) or b""
    for has in range(num_needed, len(kind._fields) + 1):
        if begins.startswith(f"{header(kind, num_columns=has)}\n".encode()):
            return has
    wanted = header(kind, num_columns=num_needed)
    raise RecordsError(f"{path}, line 1: the header must be {wanted!r}, got {_shown(begins)}")


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return repr(text if len(text) <= 200 else text[:200] + "...")
