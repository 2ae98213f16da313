"""Walk a tar archive, compressed or not, in memory. Nothing is extracted, so no path in it can escape.

An archive may claim anything. Three sizes are bounded before anything is made of them: what it unpacks to,
the number of its members, and the length of a header.
"""

import bz2
import gzip
import lzma
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from cl_bench.data.image_data import DataError
from cl_bench.records.same_files import open_regular

MOST_MEMBERS = 2**19  # CIFAR-10 as a tree has 60,000
ANY_SIZE = 2**30  # bytes that any archive may unpack to
MOST_RATIO = 100  # of more than that: as many times as it has packed; archives of images have 1 to 3
MOST_HEADER = 2**16  # bytes that tell of one member: a name has 4,000 at most
MOST_GLOBAL = 100  # headers for all members
_NUMBER = re.compile(rb"\d{256}")  # time grows with the square of its length in Python's own reader
_FORMATS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ": lzma.open,
    b"BZh": bz2.open,
}


def plain_files(
    archive: Path,
    *,
    other: Callable[[tarfile.TarInfo], None] = lambda _: None,
    most_members: int = MOST_MEMBERS,
) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Yield the plain files of an archive in its own order, and a function that reads each.

    `other` is told of links, pipes, devices, and files with holes, whose size is not what they hold. Read a
    file before the next is asked for: going back would decompress the archive anew.

    Raises:
        DataError: for an archive that claims more than an archive of images has; and for what
            `image_data.reading` turns into one.
    """
    with _opened(archive) as stream, _members(stream) as members:
        last = -1
        for _ in range(most_members + 1):
            member = _next(members, stream)
            if member is None:
                break
            if members.offset <= last:  # a negative size leads back, for ever
                raise tarfile.ReadError("a member of negative size")
            last = members.offset
            cast(Any, members).members.clear()  # kept by tarfile, for nobody
            if member.isfile() and not member.issparse():
                yield member, partial(_read, members, member, stream)
            elif not member.isdir():
                other(member)
        else:
            raise DataError(
                f"{archive} must have at most {most_members:,} members, got more; unpack it and give the "
                "folder's path"
            )
        # tarfile takes an archive cut between two files for a whole one: it has read nothing after the last.
        if stream.tell() <= members.offset:
            raise tarfile.ReadError("no end-of-archive mark")


class _Bounded:
    """The unpacked bytes of an archive: up to a bound in all, and so many at once."""

    def __init__(self, file: BinaryIO, archive: Path, *, most: int | None) -> None:
        self._file, self._archive, self._most = file, archive, most
        self.allowed = MOST_HEADER  # bytes that may be read before this is set anew
        self.in_header = True

    def read(self, size: int) -> bytes:
        if size < 0 or size > self.allowed:
            raise DataError(
                f"{self._archive} must have headers of at most {MOST_HEADER:,} bytes, got more; unpack it "
                "and give the folder's path"
            )
        self._check(self._file.tell() + size)
        self.allowed -= size
        content = self._file.read(size)
        if self.in_header and _NUMBER.search(content):
            raise DataError(
                f"{self._archive} must have headers that give names and sizes alone, got one with a number "
                "of another kind; unpack it and give the folder's path"
            )
        return content

    def seek(self, place: int) -> int:
        if place < 0:
            raise tarfile.ReadError("a position before the beginning")
        self._check(place)
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()

    def _check(self, place: int) -> None:
        if self._most is not None and place > self._most:
            raise DataError(
                f"{self._archive} must unpack to at most {self._most:,} bytes ({MOST_RATIO} times what it "
                "has, or 1 GiB), got more; unpack it and give the folder's path"
            )


@contextmanager
def _opened(archive: Path) -> Iterator[_Bounded]:
    """Unpack by the first bytes and not by the name: a .tar may well be compressed. Never wait for a pipe."""
    with ExitStack() as stack:
        packed = stack.enter_context(open_regular(archive))
        size, first = os.fstat(packed.fileno()).st_size, packed.peek(6)
        unpack = next((each for magic, each in _FORMATS.items() if first.startswith(magic)), None)
        if unpack is None:
            yield _Bounded(cast(BinaryIO, packed), archive, most=None)
            return
        unpacked = stack.enter_context(cast(BinaryIO, unpack(packed)))
        yield _Bounded(unpacked, archive, most=max(ANY_SIZE, MOST_RATIO * size))


def _members(stream: _Bounded) -> tarfile.TarFile:
    with _reading_headers():
        return tarfile.open(fileobj=cast(Any, stream), mode="r:")


def _next(members: tarfile.TarFile, stream: _Bounded) -> tarfile.TarInfo | None:
    stream.allowed, stream.in_header = MOST_HEADER, True
    with _reading_headers():
        member = members.next()
    if len(members.pax_headers) > MOST_GLOBAL:
        raise tarfile.ReadError("too many headers for all members")
    return member


@contextmanager
def _reading_headers() -> Iterator[None]:
    """Turn what tarfile raises about impossible headers into its own error."""
    try:
        yield
    except (DataError, tarfile.TarError):
        raise
    except (RecursionError, OverflowError, ValueError) as error:
        raise tarfile.ReadError(f"headers that cannot be read ({type(error).__name__})") from error


def _read(members: tarfile.TarFile, member: tarfile.TarInfo, stream: _Bounded) -> bytes:
    stream.allowed, stream.in_header = member.size + 1, False
    file = members.extractfile(member)
    assert file is not None  # it is a plain file
    return file.read()
