"""Locks of the operating system on open files: free when the process ends, however it ends."""

import errno
import os
import random
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]

HELD = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK}
# by Lustre without -o flock, NFS without its lock service, NFS on a folder
UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.EBADF}
PATIENCE = 1.0  # seconds, with a process that has the lock: it may only be asking what is left to do
PATIENCE_WITH_LOOKS = 60.0  # seconds, with processes that look, each for an instant


class UnsupportedError(OSError):
    """The file system has no such locks."""


def seize(descriptor: int) -> bool:
    """Take the lock for this process alone. Return False where another process keeps it.

    Somebody who looks, and so shares the lock for an instant, is waited for.

    Raises:
        UnsupportedError: where the file system has no locks.
    """
    began = time.monotonic()
    while not _lock(descriptor, shared=False):
        waited = time.monotonic() - began
        is_kept = not _lock(descriptor, shared=True)  # looks can be shared, so that somebody else has it
        release(descriptor)
        if waited > (PATIENCE if is_kept else PATIENCE_WITH_LOOKS):
            return False
        time.sleep(random.SystemRandom().uniform(0, 0.02 if is_kept else 0.002))
    return True


def is_seized(descriptor: int) -> bool:
    """Whether a process has the lock for itself. Looks disturb neither each other nor `seize`."""
    if _lock(descriptor, shared=True):
        release(descriptor)
        return False
    return True


def release(descriptor: int) -> None:
    """Free the lock, also where a child of this process has a copy of the descriptor."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at the path: not one that was removed or replaced."""
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _lock(descriptor: int, *, shared: bool) -> bool:
    if fcntl is None:
        raise UnsupportedError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        if error.errno in UNSUPPORTED:
            raise UnsupportedError(error.errno, error.strerror) from error
        raise
    return True
