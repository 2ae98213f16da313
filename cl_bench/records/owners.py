"""The process that holds a run, known on its own machine by its number and by when it began."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.atomic import process_space

PROCESSES = Path("/proc")  # where Linux tells of them
STATE, BEGAN = 0, 19  # places of fields in /proc/PID/stat, after the process's name
ENDED = ("Z", "X")  # a process that has ended, and whose parent has not asked how


class Owner(NamedTuple):
    """A process: its number alone would not do, since the system gives numbers out again."""

    host: str
    space: str  # in which its number counts: containers of one machine have their own
    pid: int
    began: str  # with the boot of the machine; empty where the system does not tell

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def lives(self) -> bool | None:
        """Whether the process runs at present; None where this process cannot know, as of another machine."""
        if (self.host, self.space) != (socket.gethostname(), process_space()) or os.name != "posix":
            return None
        try:
            os.kill(self.pid, 0)  # asks, and sends nothing
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:  # somebody else's
            pass
        began = _began(self.pid)
        if not began or not self.began:
            return began is not None
        return began == self.began


def this_process() -> Owner:
    return Owner(socket.gethostname(), process_space(), os.getpid(), _began(os.getpid()) or "")


def as_text(owner: Owner) -> str:
    return json.dumps(owner._asdict())


def of(content: Any) -> Owner | None:
    """Return the owner that a JSON object names; None where it names none."""
    if not isinstance(content, Mapping):
        return None
    match [content.get(name) for name in Owner._fields]:
        case [str(host), str(space), int(pid), str(began)] if pid > 0:
            return Owner(host, space, pid, began)
    return None


def _began(pid: int) -> str | None:
    """Return when a process began; None where it has ended, empty where the system does not tell."""
    if (PROCESSES / "self" / "stat").exists():
        try:
            fields = (PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()
            boot = (PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
        except OSError:  # of somebody else's process, where these are hidden
            return ""
        return None if fields[STATE] in ENDED else f"{boot} {fields[BEGAN]}"
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.split()
        if answer:
            return None if answer[0][0] in ENDED else " ".join(answer[1:])
    return ""
