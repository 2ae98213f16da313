"""Locks for file systems that have none (Lustre, some NFS): a file that names the process that has it.

It is made whole, by a link that fails where another one is there. One whose process has ended is taken over.
"""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cl_bench.records import owners
from cl_bench.records.atomic import read_json
from cl_bench.records.owners import Owner

MOST = 2**12  # bytes
TORN_SECONDS = 60.0  # after which a marker that names nobody was left by a process that died while it wrote
TRIES = 20


class Found(NamedTuple):
    """A marker that is there."""

    owner: Owner | None  # None: it names nobody
    lives: bool | None  # None: nobody here can know


def look(path: Path) -> Found | None:
    """Return the marker at the path; None where there is none, or where its process has ended."""
    try:
        age = time.time() - path.lstat().st_mtime
        owner = owners.of(read_json(path, most=MOST))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        owner = None
    if owner is None:
        return None if age > TORN_SECONDS else Found(None, None)
    lives = owner.lives()
    return None if lives is False else Found(owner, lives)


def take(path: Path) -> Found | None:
    """Put this process's marker at the path; return the marker that is there already, if there is one."""
    mine = owners.as_text(owners.this_process())
    for _ in range(TRIES):
        if _create(path, mine):
            _clean(path)
            return None
        marker = look(path)
        if marker is not None:
            return marker
        _remove_ended(path)
    return look(path)


def is_mine(path: Path) -> bool:
    try:
        return owners.of(read_json(path, most=MOST)) == owners.this_process()
    except (OSError, ValueError):
        return False


def remove(path: Path) -> None:
    if is_mine(path):
        path.unlink(missing_ok=True)


def _create(path: Path, text: str) -> bool:
    whole = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    try:
        whole.write_text(text)
        try:
            os.link(whole, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            with suppress(FileExistsError), path.open("x") as file:
                file.write(text)
                return True
            return False
    finally:
        whole.unlink(missing_ok=True)
    return True


def _remove_ended(path: Path) -> None:
    """Take away a marker whose process has ended.

    One of several processes that do so at once gets it; what another one has put there meanwhile is put back.
    """
    aside = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    try:
        if look(aside) is not None:
            with suppress(OSError):
                os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _clean(path: Path) -> None:
    """Remove what was left by processes that died while they made or removed a marker."""
    for left in path.parent.glob(f"{path.name}-*"):
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > TORN_SECONDS:
                left.unlink()
