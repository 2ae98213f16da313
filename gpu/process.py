"""A process that does items, seen from outside: it may die or hang, and the programme continues."""

import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from gpu.budget import Budget
from gpu.items import LeftOutError

PREPARE = "gpu.worker:prepare"
GRACE = 10.0  # seconds, for a run to write its checkpoint


class WorkerDiedError(RuntimeError):
    """The process of an item ended without an answer."""


class TimeIsOverError(RuntimeError):
    """An item did not end in its time."""


class ItemError(RuntimeError):
    """An item raised an error, whose type and message this one has."""


class Worker:
    """A process of `worker.py`; it starts with the first item, and again where it has died.

    Args:
        device: cpu, cuda, ...
        log: of the processes' standard output and error.
        environment: of theirs, besides ours.
        prepare: `module:function`, called with the device when a process starts.
    """

    def __init__(self, device: str, log: Path, environment: dict[str, str], prepare: str = PREPARE) -> None:
        self._device, self._log, self._environment, self._prepare = device, log, environment, prepare
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, work: str, given: Any, budget: Budget) -> Iterator[Any]:
        """Yield each result of the function `module:function`, as it is had.

        Args:
            given: to the function.

        Raises:
            ItemError, LeftOutError: where the function does.
            TimeIsOverError, WorkerDiedError: the process has ended.
        """
        if self._process is None:
            self._start()
        try:
            self._connection.send((work, given))
            while True:
                if not self._connection.poll(budget.left):
                    raise TimeIsOverError(f"the time of {work} was over")
                kind, what = self._connection.recv()
                if kind == "answer":
                    yield what
                elif kind in ("error", "last error"):
                    if kind == "last error":
                        self._end()
                    raise ItemError(what)
                elif kind == "left out":
                    raise LeftOutError(what)
                else:
                    return
        except (EOFError, OSError):
            status = self._end()
            raise WorkerDiedError(f"the process ended with status {status}: see {self._log.name}") from None
        except TimeIsOverError:
            self._end()
            raise

    def close(self) -> None:
        """End the process, which notices that nobody listens; one at work gets time for its checkpoint."""
        if self._process is None:
            return
        self._connection.close()
        os.close(self._alive)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        alive, self._alive = os.pipe()  # closed when this process ends, however it does
        given = (str(theirs.fileno()), str(alive), self._prepare, self._device)
        command = [sys.executable, "-m", "gpu.worker", *given]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno(), alive],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._environment,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends its workers
            )
        theirs.close()
        os.close(alive)

    def _end(self) -> int | None:
        process = self._process
        self.close()
        return None if process is None else process.returncode
