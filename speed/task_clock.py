"""An Avalanche plugin that notes when each task begins and how much memory the process holds then."""

import os
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

from avalanche.core import SupervisedPlugin


class TaskStart(NamedTuple):
    """The beginning of one task."""

    seconds: float  # on a clock that runs on
    resident_bytes: int


class TaskClock(SupervisedPlugin):
    """A plugin that appends a `TaskStart` to the file at each task.

    Args:
        path: of the file.
    """

    def __init__(self, *, path: str) -> None:
        super().__init__()
        self._path = Path(path)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        with self._path.open("a") as file:
            file.write(f"{time.perf_counter()!r},{self.bytes_held(strategy)}\n")

    def state(self) -> dict[str, int]:
        """Nothing that a checkpoint would need: without this the run would have none."""
        return {}

    def restore(self, state: dict[str, int]) -> None:
        """Nothing is put back."""

    def bytes_held(self, strategy: Any) -> int:
        """Return the resident bytes of the process."""
        return resident_bytes()


def read_task_starts(path: Path) -> list[TaskStart]:
    pairs = (line.split(",") for line in path.read_text().splitlines())
    return [TaskStart(float(seconds), int(resident)) for seconds, resident in pairs]


def resident_bytes() -> int:
    """Return this process's resident bytes; where the system does not tell, the most that it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
