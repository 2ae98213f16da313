"""One process a run folder: a second one is refused, and the lock of one that died is free."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCKS = ".locks"  # beside the run folders, where no report looks; the files are empty of meaning when free


class RunInUseError(RuntimeError):
    """Another process is running this run."""


def is_held(folder: Path) -> bool:
    """Whether a process is running this run, as far as this machine can see."""
    path = _lock_of(folder)
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def _lock_of(folder: Path) -> Path:
    return folder.parent / LOCKS / f"{folder.name}.lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. The operating system frees it when the process ends, however it ends.

    Raises:
        RunInUseError: where another process holds it; names that process.
    """
    path = _lock_of(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = "another process"
        with suppress(OSError):
            owner = path.read_text().strip() or owner
        raise RunInUseError(
            f"a run folder belongs to one process at a time, got {folder}, which {owner} is running: wait "
            "for it or stop it; the same command then does what is left"
        ) from None
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        lock.release()
