"""The border between training and analysis: one line of `records.csv` a record.

A run appends a record each time it has tested one task; the analysis reads them and nothing else of the run's
numbers. The file is plain text, so that it can be read in ten years: the header names the columns, floats are
written with `repr` and so come back bit for bit. A run that is killed can leave at most one torn last line,
which `read` drops and the next `append` cuts off. Only the standard library is needed.
"""

import errno
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple


class RecordsError(ValueError):
    """A records file breaks the format; the message names the file, the line and the rule."""


class Record(NamedTuple):
    """The test of one task after training on some tasks. Tasks count from 1."""

    seed: int
    after_task: int  # the last task trained on; 0 is the untrained network
    on_task: int  # the task tested
    accuracy: float  # fraction of the test examples
    nll: float  # mean negative log-likelihood, nats an example; nan and inf are kept, for a run that diverged
    num_examples: int


HEADER = ",".join(Record._fields)
_HEADER_LINE = f"{HEADER}\n".encode()


def append(path: str | os.PathLike[str], record: Record) -> None:
    """Add one whole line, on disk when this returns; a new file starts with the header.

    A torn last line is cut off first. When the line cannot be written whole (a full disk), what was there
    before is left intact and an OSError naming the file is raised.
    """
    path = Path(path)
    line = _line(record)
    # Unbuffered, so that one write is one system call: a kill leaves a whole line, a prefix of it, or
    # nothing.
    with path.open("a+b", buffering=0) as file:
        end = _end_of_whole_lines(file)
        if end:
            _check_header(file, path)
        try:
            file.truncate(end)
            for part in (line,) if end else (_HEADER_LINE, line):
                if file.write(part) != len(part):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                file.truncate(end)
            reason = f"cannot append a record, the earlier lines are intact: {error.strerror}"
            raise OSError(error.errno, reason, str(path)) from error


def read(path: str | os.PathLike[str]) -> list[Record]:
    """All whole records, in file order. A last line without a newline is torn, and dropped.

    A run that was resumed may hold the same test twice; the analysis takes the last.
    """
    path = Path(path)
    lines = path.read_bytes().split(b"\n")
    lines.pop()  # what follows the last newline: nothing, or a torn line
    if not lines:
        return []
    if lines[0] + b"\n" != _HEADER_LINE:
        raise RecordsError(f"{path}, line 1: the header must be {HEADER!r}, got {_shown(lines[0])}")
    records = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            records.append(_parse(line))
        except ValueError as error:
            raise RecordsError(f"{path}, line {number}: {error}") from None
    return records


def _line(record: Record) -> bytes:
    # int() and float() first: the repr of a numpy number is not a number.
    whole = Record(
        seed=int(record.seed),
        after_task=int(record.after_task),
        on_task=int(record.on_task),
        accuracy=float(record.accuracy),
        nll=float(record.nll),
        num_examples=int(record.num_examples),
    )
    broken = _broken_rule(whole)
    if broken:
        raise RecordsError(f"cannot append a record: {broken}")
    return (",".join(map(repr, whole)) + "\n").encode()


def _parse(line: bytes) -> Record:
    fields = line.split(b",")
    if len(fields) != len(Record._fields):
        raise ValueError(f"a line must have {len(Record._fields)} fields, got {_shown(line)}")
    if b"_" in line or b" " in line or b"\r" in line:  # Python's int and float would let these pass
        raise ValueError(f"a line must be numbers and commas only, got {_shown(line)}")
    seed, after_task, on_task, accuracy, nll, num_examples = fields
    try:
        record = Record(
            int(seed), int(after_task), int(on_task), float(accuracy), float(nll), int(num_examples)
        )
    except ValueError:
        rule = "accuracy and nll must be numbers, the other fields whole numbers"
        raise ValueError(f"{rule}, got {_shown(line)}") from None
    broken = _broken_rule(record)
    if broken:
        raise ValueError(broken)
    return record


def _broken_rule(record: Record) -> str | None:
    if record.after_task < 0:
        return f"after_task must not be negative, got after_task={record.after_task}"
    if record.on_task < 1:
        return f"on_task must be 1 or more, got on_task={record.on_task}"
    if not 0 <= record.accuracy <= 1:
        return f"accuracy must be a fraction in [0, 1], got accuracy={record.accuracy}"
    if record.num_examples < 1:
        return f"num_examples must be 1 or more, got num_examples={record.num_examples}"
    return None


def _end_of_whole_lines(file: FileIO) -> int:
    """The position after the last newline; 0 when there is none. Reads from the back, in blocks."""
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


def _check_header(file: FileIO, path: Path) -> None:
    file.seek(0)
    found = file.read(len(_HEADER_LINE)) or b""
    if found != _HEADER_LINE:
        raise RecordsError(f"{path}, line 1: the header must be {HEADER!r}, got {_shown(found)}")


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return repr(text if len(text) <= 100 else text[:100] + "...")
