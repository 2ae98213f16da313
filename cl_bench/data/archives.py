"""Walk a tar archive, compressed or not, in memory. Nothing is extracted, so no path in it can escape."""

import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path


def plain_files(
    archive: Path, *, other: Callable[[tarfile.TarInfo], None] = lambda _: None
) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """The plain files and a function that reads each, in the archive's own order; `other` is told of links,
    pipes and devices.

    A file is to be read before the next is asked for: going back would decompress the archive anew. Raises
    what `image_data.reading` turns into a DataError.
    """
    with tarfile.open(archive) as members:
        for member in members:
            if member.isfile():
                yield member, partial(_read, members, member)
            elif not member.isdir():
                other(member)
        # tarfile takes an archive cut between two files for a whole one: it has read nothing after the last.
        if members.fileobj is not None and members.fileobj.tell() <= members.offset:
            raise tarfile.ReadError("no end-of-archive mark")


def _read(members: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = members.extractfile(member)
    assert file is not None  # it is a plain file
    return file.read()
