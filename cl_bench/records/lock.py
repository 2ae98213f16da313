"""One process a run folder: a second one is refused, and the lock of one that died is free.

The lock is on a file in `.locks` beside the run folders. It is also on the run's folder itself, which nobody
can remove without removing the run. A file system without locks has a marker instead (see markers.py).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cl_bench.records import flocks, markers, owners
from cl_bench.records.atomic import make_folder
from cl_bench.records.flocks import UnsupportedError

LOCKS = ".locks"  # where no report looks; a file is empty when it is free
MOST_TEXT = 200  # bytes that are shown of what a lock says of its process


class RunInUseError(RuntimeError):
    """Another process is running this run."""


class RunLostError(RunInUseError):
    """The run's folder was removed or replaced while this process was running it."""


def is_held(folder: Path) -> bool:
    """Whether a process is running this run, as far as this machine can see. The look disturbs nobody."""
    return _is_seized(_lock_of(folder)) or _is_seized(folder) or markers.look(_marker_of(folder)) is not None


@contextmanager
def alone_in(folder: Path) -> Iterator["Hold"]:
    """Hold the lock of a run folder. It is free when the process ends, however it ends.

    Raises:
        RunInUseError: where another process holds it; names that process.
        OSError: where the lock's file cannot be made.
    """
    hold = Hold(folder)
    try:
        hold.take()
        yield hold
    finally:
        hold.release()


class Hold:
    """The hold of this process on a run folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock, self._marker = folder, _lock_of(folder), _marker_of(folder)
        self._descriptor: int | None = None  # of the lock's file
        self._of_folder: int | None = None
        self._marked = False

    def take(self) -> None:
        """Take the lock of the run. Raises RunInUseError."""
        _make_locks(self._lock.parent)
        self._take_lock()
        self.cover()

    def cover(self) -> None:
        """Hold the run's folder too, where it is there. Raises RunInUseError."""
        if self._of_folder is not None or not self._folder.is_dir():
            return
        try:
            self._of_folder = _seized(self._folder, os.O_RDONLY)
        except UnsupportedError:  # as on NFS, where a lock needs a file that is written
            return
        if self._of_folder is None:
            raise RunInUseError(_in_use(self._folder, "another process"))

    def check(self) -> None:
        """Check that the folder is still the one that is held. Raises RunLostError.

        Otherwise, whatever is written there now belongs to somebody else.
        """
        if self._of_folder is not None:
            if flocks.is_at(self._of_folder, self._folder):
                return
        elif self._still_locked():
            return
        raise RunLostError(
            f"{self._folder} was removed or replaced while this process was running it: nothing more is "
            "written there; the same command begins it again"
        )

    def release(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
        for descriptor in (self._of_folder, self._descriptor):
            if descriptor is not None:
                with suppress(OSError):
                    flocks.release(descriptor)
                os.close(descriptor)
        self._descriptor = self._of_folder = None
        if self._marked:
            markers.remove(self._marker)
            self._marked = False

    def _take_lock(self) -> None:
        try:
            self._descriptor = self._seized_lock()
        except UnsupportedError:
            self._take(markers.take(self._marker))
            self._marked = True
            return
        if self._descriptor is None:
            raise RunInUseError(_in_use(self._folder, _said_by(self._lock)))
        self._take(markers.look(self._marker))  # of a machine that mounts this file system without locks
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{owners.this_process()}\n".encode(), 0)

    def _seized_lock(self) -> int | None:
        """Return a descriptor of the lock's file, with its lock; None where another process has it.

        A file that is another file too, by a hard link, is left alone, and a new one made: it is going to be
        emptied.
        """
        while (descriptor := _seized(self._lock, os.O_RDWR | os.O_CREAT)) is not None:
            if os.fstat(descriptor).st_nlink < 2:
                break
            self._lock.unlink(missing_ok=True)
            os.close(descriptor)
        return descriptor

    def _take(self, marker: markers.Found | None) -> None:
        """Put a marker where there are no locks. Raises RunInUseError for a marker of somebody else."""
        if marker is None:
            return
        if marker.lives:
            raise RunInUseError(_in_use(self._folder, str(marker.owner)))
        raise RunInUseError(
            f"a run folder belongs to one process at a time, got {self._folder}, which "
            f"{marker.owner or 'another process'} was running; on this file system nobody else can see "
            f"whether it still does: where it does not, remove {self._marker}"
        )

    def _still_locked(self) -> bool:
        """Whether the lock's file is the one that is held.

        A file that was removed is made again, which fails where another process has done so.
        """
        if self._marked:
            return markers.is_mine(self._marker) or self._again()
        return self._descriptor is None or flocks.is_at(self._descriptor, self._lock) or self._again()

    def _again(self) -> bool:
        lost, self._descriptor, self._marked = self._descriptor, None, False
        try:
            self.take()
        except (RunInUseError, OSError):
            return False
        finally:
            if lost is not None:
                os.close(lost)
        return True


def _lock_of(folder: Path) -> Path:
    return folder.parent / LOCKS / f"{folder.name}.lock"


def _marker_of(folder: Path) -> Path:
    return folder.parent / LOCKS / f"{folder.name}.owner"


def _make_locks(place: Path) -> None:
    make_folder(place)
    if place.is_symlink():  # what is written would go wherever somebody has let it lead
        raise OSError(errno.ELOOP, "cannot lock a run: the folder of locks must not be a link", str(place))


def _seized(path: Path, flags: int) -> int | None:
    """Open the file or folder, with its lock, and return its descriptor; None where another process has it.

    Raises:
        UnsupportedError: where the file system has no locks.
        OSError: where it cannot be opened, or is neither a folder nor a regular file.
    """
    while True:
        descriptor = _opened(path, flags)
        seized = False
        try:
            seized = flocks.seize(descriptor)
            if not seized:
                return None
            if flocks.is_at(descriptor, path):
                return descriptor
            seized = False  # it was removed or replaced before it was locked: another one is there
        finally:
            if not seized:
                os.close(descriptor)


def _is_seized(path: Path) -> bool:
    try:
        descriptor = _opened(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # for all that can be seen
    except OSError:
        return False  # neither a file nor a folder: nothing that can be held
    try:
        return flocks.is_seized(descriptor)
    except UnsupportedError:
        return False
    finally:
        os.close(descriptor)


def _opened(path: Path, flags: int) -> int:
    """Open a folder or a regular file and return its descriptor; never what a link or a pipe leads to."""
    mode = 0o644
    careful = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_dir():  # a run's folder may well be a link
        careful = 0
    elif path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "cannot lock what is no regular file", str(path))
    descriptor = os.open(path, flags | careful, mode)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "cannot lock what is no regular file", str(path))


def _said_by(lock: Path) -> str:
    """Name the process that has the lock."""
    with suppress(OSError, ValueError):
        descriptor = _opened(lock, os.O_RDONLY)
        try:
            said = os.read(descriptor, MOST_TEXT).decode().strip()
        finally:
            os.close(descriptor)
        if said.isprintable() and said:
            return said
    return "another process"


def _in_use(folder: Path, owner: str) -> str:
    return (
        f"a run folder belongs to one process at a time, got {folder}, which {owner} is running: wait "
        "for it or stop it; the same command then does what is left"
    )
