"""Files that are written whole or not at all, and read within bounds."""

import errno
import json
import os
import socket
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"
DAY = 86_400.0  # seconds, after which nobody writes a file any more
MOST = 2**28  # bytes of a file of rows: some four million of them
MOST_JSON = 2**22  # the largest of ours have 20,000
MOST_VALUES = 2**17  # in a JSON file: small ones take fifty times their bytes in memory
MOST_NESTED = 100  # lists and objects in each other


class ForeignFileError(ValueError):
    """A file is not of the kind or size that is read here."""


def write_whole(path: Path, content: str | bytes) -> Path:
    """Put `content` at `path`, on disk when this returns; where that fails the old file stays.

    Raises:
        OSError: that names the file.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        return _written(path, data)
    except OSError as error:
        reason = f"cannot write the file, what was there before is intact: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from error


def make_folder(path: Path) -> Path:
    """Make a folder, with those that it is in; one that is there stays.

    Raises:
        OSError: that names the folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot make the folder, choose another place: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from error
    return path


def _written(path: Path, data: bytes) -> Path:
    prefix = f".{path.name[:150]}-{_machine()}-{os.getpid()}-"
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=UNFINISHED)
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


def link_within(folder: Path, path: Path) -> Path | None:
    """Find a link in the folder, or below, that leads to the path: writing there lands somewhere else.

    Whoever made the folder may have made the link. One that leads to the folder itself is the user's own.
    """
    inside = folder.resolve()
    path = path.absolute()
    for part in (path, *path.parents):
        if part.is_symlink() and part.parent.resolve().is_relative_to(inside):
            return part
    return None


def unfinished(folder: Path) -> list[Path]:
    """List what processes have left in a folder that were killed while they wrote a file."""
    return list(folder.glob(f".*{UNFINISHED}"))


def abandoned(folder: Path) -> Iterator[Path]:
    """Yield unfinished files whose process has ended, of a folder that several processes write into."""
    for path in unfinished(folder):
        *_, machine, pid, _ = ["", "", *path.name.removesuffix(UNFINISHED).split("-")]
        with suppress(OSError):
            is_old = time.time() - path.lstat().st_mtime > DAY
            if is_old or (machine == _machine() and pid.isdecimal() and not _runs(int(pid))):
                yield path


def process_space() -> str:
    """Name the space in which process numbers count: on Linux each container of a machine has its own."""
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (it is no path)
    return ""


def _machine() -> str:
    return f"{zlib.crc32(f'{socket.gethostname()} {process_space()}'.encode()):08x}"


def _runs(pid: int) -> bool:
    if os.name != "posix":  # asking would end it
        return True
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def read_whole(path: str | os.PathLike[str], *, most: int = MOST) -> bytes:
    """Read a file that somebody else may have made. This never blocks, and takes `most` bytes at most.

    A link is followed. Whatever a folder of results is read with goes through here.

    Args:
        most: bytes that the file may have.

    Raises:
        OSError: where it cannot be read.
        ForeignFileError: where it is no regular file (a folder, pipe, socket or device), or larger.
    """
    path = Path(path)
    try:
        check_regular(path, path.stat())  # before it is opened: opening a device can do something
    except FileNotFoundError:
        if path.is_symlink():
            raise ForeignFileError(f"{path} is a link to what is not there") from None
        raise
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        check_regular(path, about)
        pieces, size = [], 0
        block = min(max(about.st_size + 1, 2**16), most + 1)  # a read takes all the memory that it asks for
        while about.st_size <= most and size <= most and (piece := file.read(block)):
            pieces.append(piece)
            size += len(piece)
    if max(size, about.st_size) > most:
        raise ForeignFileError(f"{path} must have at most {most:,} bytes, got {max(size, about.st_size):,}")
    return b"".join(pieces)


def read_json(path: str | os.PathLike[str], *, most: int = MOST_JSON, most_values: int = MOST_VALUES) -> Any:
    """Read what a JSON file holds: at most `most_values` values, nested at most `MOST_NESTED` deep.

    Raises:
        OSError: where it cannot be read.
        ValueError: where it is no JSON, or holds more.
    """
    content = read_whole(path, most=most)
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_shape(value, most_values)
    return value


def _check_shape(value: Any, most: int) -> None:
    level, number = [value], 1
    for _ in range(MOST_NESTED):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, (list, dict)):
                inside += each if isinstance(each, list) else each.values()
        level = inside
        number += len(level)
        if number > most:
            raise ValueError(f"it must hold at most {most:,} values")
        if not level:
            return
    raise ValueError("it is nested too deeply")


def own_place(path: str, flags: int) -> int:
    """Open a file that is added to: a regular one, in its own place and not where a link leads.

    Raises:
        OSError: where something else is there; it says what to do.
    """
    careful = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | careful, 0o666)
        try:
            check_regular(Path(path), os.fstat(descriptor))
        except ForeignFileError:
            os.close(descriptor)
            raise
    except (OSError, ForeignFileError) as error:
        if os.path.lexists(path) and (Path(path).is_symlink() or not Path(path).is_file()):
            said = "cannot write the file: a link or no regular file is in its place; remove it"
            raise OSError(errno.EINVAL, said, path) from error
        raise
    return descriptor


def check_regular(path: Path, about: os.stat_result) -> None:
    """Refuse a folder, pipe, socket or device. Raises ForeignFileError."""
    if not stat.S_ISREG(about.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(about.st_mode), "a device")
        raise ForeignFileError(f"{path} must be a regular file, got {kind}")
