"""A run folder copied whole or not at all: the contents of its files and when they were changed, no more.

Modes, owners and attributes stay behind: a stranger's file must not become a program, or one of root's.
A link is copied where it leads within the run. One that leads out of it stands for a file that was not copied
(git annex, DVC), or for one that is none of the run's business.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

FILE_MODE, FOLDER_MODE = 0o644, 0o755
MOST_FILES = 20_000  # of one run, folders too; ours have some ten, a tracker's some hundred
MOST_BYTES = 2**34  # of all of them
CHUNK = 2**20
ADVICE = "put the file itself there (git annex unlock, dvc unprotect, cp -rL), and merge again"
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class CopyError(ValueError):
    """A folder cannot be copied whole; the message names the file and says what to do."""


class _Listed(NamedTuple):
    """What is in a folder, by its path from there."""

    folders: list[Path]  # each after the one that it lies in
    files: dict[Path, int]  # -> bytes
    links: dict[Path, str]  # -> what the link says


def copy_whole(source: Path, target: Path) -> None:
    """Make `target` a copy of a folder, in place of what is there; it is there whole, or as it was.

    Raises:
        CopyError: where a part of the source cannot be read or has no contents.
        OSError: where the target cannot be written.
    """
    listed = _listed(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    size, free = sum(listed.files.values()), shutil.disk_usage(target.parent).free
    if size > free:
        raise OSError(errno.ENOSPC, f"no room for {size:,} bytes, {free:,} are free", str(target))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_prefix(target)) as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        for folder in listed.folders:
            (new / folder).mkdir()
            (new / folder).chmod(FOLDER_MODE)
        for file, num_bytes in listed.files.items():
            _copy_file(source / file, new / file, num_bytes)
        for link, text in listed.links.items():
            (new / link).symlink_to(text)
        for folder in reversed(listed.folders):
            _take_time((source / folder).stat(), new / folder)
        if os.path.lexists(target):
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if os.path.lexists(old):
                old.rename(target)
            raise


def recover(target: Path) -> None:
    """Put back what a process that was killed while it copied had moved aside, and remove the rest."""
    for left in target.parent.glob(f"{_prefix(target)}*"):
        if left.is_symlink():  # nobody's who copies: what is behind it is not moved
            continue
        if os.path.lexists(left / "old") and not os.path.lexists(target):
            (left / "old").rename(target)
        shutil.rmtree(left, ignore_errors=True)


def _prefix(target: Path) -> str:
    """Return the beginning of a hidden folder's name; short, for a name may fill what a file system takes."""
    return f".merging-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


def _listed(source: Path) -> _Listed:
    """List what is to be copied. Raises CopyError for what cannot be."""
    folders, files, links = [Path()], {}, {}
    try:
        root = source.resolve(strict=True)
        for entry in _walk(root):
            path = Path(entry.path).relative_to(root)
            if entry.is_symlink():
                links[path] = _inner_link(Path(entry.path), root)
            elif entry.is_dir():
                folders.append(path)
            elif entry.is_file():
                files[path] = entry.stat(follow_symlinks=False).st_size
            else:
                kind = KINDS.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "no file")
                raise CopyError(f"{path} is {kind}: a run of plain files is copied; remove it")
            if len(folders) + len(files) + len(links) > MOST_FILES:
                raise CopyError(f"it must have at most {MOST_FILES:,} files")
    except OSError as error:
        raise CopyError(f"it cannot be read: {error.strerror}: {error.filename}") from error
    if sum(files.values()) > MOST_BYTES:
        largest = max(files, key=lambda each: files[each])
        raise CopyError(
            f"it must have at most {MOST_BYTES:,} bytes, got {sum(files.values()):,}, {files[largest]:,} of "
            f"them in {largest}"
        )
    return _Listed(folders, files, links)


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below, a folder before what is in it; no link is followed."""
    left = [str(root)]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)


def _inner_link(link: Path, root: Path) -> str:
    """Return what the copy of a link says: the way from there to a place within the run."""
    said = f"{link.relative_to(root)} is a link to {link.readlink()}"
    try:
        end = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: in circles
        raise CopyError(f"{said}, which is not there; {ADVICE}") from error
    if not end.is_relative_to(root):
        raise CopyError(f"{said}, outside of the run; {ADVICE}")
    return os.path.relpath(end, link.parent)


def _copy_file(source: Path, target: Path, num_bytes: int) -> None:
    """Copy so many bytes, and no more: a file may grow meanwhile."""
    with target.open("xb") as writer:
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise CopyError(f"{source} cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as reader:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise CopyError(f"{source} is no plain file any more")
            while num_bytes:
                chunk = _read(reader, min(CHUNK, num_bytes), source)
                writer.write(chunk)
                num_bytes -= len(chunk)
        writer.flush()
        os.fchmod(writer.fileno(), FILE_MODE)
        os.fsync(writer.fileno())
    _take_time(about, target)


def _read(reader: BinaryIO, num_bytes: int, source: Path) -> bytes:
    try:
        chunk = reader.read(num_bytes)
    except OSError as error:
        raise CopyError(f"{source} cannot be read: {error.strerror}") from error
    if not chunk:
        raise CopyError(f"{source} became shorter while it was read")
    return chunk


def _take_time(about: os.stat_result, target: Path) -> None:
    os.utime(target, ns=(about.st_mtime_ns, about.st_mtime_ns))
