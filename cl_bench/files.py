"""Files that are written whole or not at all, and read within bounds."""

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"
MOST = 2**28  # bytes of a file of rows: some four million of them
MOST_JSON = 2**24  # the largest of ours have 20,000


class ForeignFileError(ValueError):
    """A file is not of the kind or size that is read here."""


def write_whole(path: Path, content: str | bytes) -> Path:
    """Put `content` at `path`, on disk when this returns; where that cannot be done the old file stays.

    Raises:
        OSError: that names the file.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        return _written(path, data)
    except OSError as error:
        reason = f"cannot write the file, what was there before is intact: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from error


def _written(path: Path, data: bytes) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=UNFINISHED)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's files are the owner's alone
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def unfinished(folder: Path) -> list[Path]:
    """What processes have left there that were killed while they wrote a file."""
    return list(folder.glob(f".*{UNFINISHED}"))


def read_whole(path: str | os.PathLike[str], *, most: int = MOST) -> bytes:
    """The bytes of a file that somebody else may have made: it never blocks, and is never too much for memory.

    A link is followed. Whatever a folder of results is read with goes through here.

    Args:
        most: bytes that the file may have.

    Raises:
        OSError: where it cannot be read.
        ForeignFileError: where it is no regular file (a folder, pipe, socket or device), or larger.
    """
    path = Path(path)
    _check_regular(path, os.stat(path))  # before it is opened: opening a device can do something
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        _check_regular(path, about)
        content = file.read(min(most, max(about.st_size, 2**16)) + 1) if about.st_size <= most else b""
    if max(len(content), about.st_size) > most:
        raise ForeignFileError(f"{path} must have at most {most:,} bytes, got {about.st_size:,}")
    return content


def read_json(path: str | os.PathLike[str], *, most: int = MOST_JSON) -> Any:
    """What a JSON file holds. OSError or ValueError where it cannot be read, or is nested without an end."""
    try:
        return json.loads(read_whole(path, most=most))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _check_regular(path: Path, about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(about.st_mode), "a device")
        raise ForeignFileError(f"{path} must be a regular file, got {kind}")
