"""Is it the same in another process, and beside other objects of its class?"""

import atexit
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, TypeVar

import torch

from cl_bench.conformance import elsewhere
from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.elsewhere import Ends, Job
from cl_bench.conformance.repeatability import TWO_RUNS
from cl_bench.conformance.subject import SPLIT, Subject, data_of

# so many layers that the names of weights come in another order out of a set, whatever the hash
DEEP = (*SPLIT, "model.hidden=[8,8,8,8]")
PATIENCE = 600  # seconds
NO_FORK = "this system has no fork, by which a process is made that has run nothing yet"

Answer = TypeVar("Answer")


class Server:
    """Another interpreter, with another seed of hashes; see server.py."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it is read when the process has ended)
        self._connection, theirs = Pipe()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
            "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-P", "-m", "cl_bench.conformance.server", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=self._errors,
        )
        theirs.close()
        atexit.register(self.close)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Let it end, and wait for that."""
        self._connection.close()
        self._process.wait()

    def ask(
        self, function: Callable[..., Answer], *arguments: Any, files: Mapping[str, str | None]
    ) -> Answer:
        """Return what the function answers there.

        Args:
            files: of modules that the arguments name, by name; None where there is none.

        Raises:
            ImportError: where a module is not to be found there.
            RuntimeError: for any other error, and where there is no answer.
        """
        asked = pickle.dumps((function, dict(files), pickle.dumps(arguments)))
        try:
            self._connection.send_bytes(asked)
            if not self._connection.poll(PATIENCE):
                raise RuntimeError(f"the other process gave no answer within {PATIENCE} seconds")
            answer = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"the other process ended without an answer: {' '.join(last)}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


_servers: list[Server] = []


def server() -> Server:
    """Return the only server that runs; it ends with this process."""
    if not _servers or _servers[0].has_ended:
        _servers[:] = [Server()]
    return _servers[0]


@check(
    "does a second object of its class start and train as the first does?",
    cause="state on the class or the module: a list or dictionary as class attribute or default argument, "
    "functools.cache on a task's number, a generator that all objects share",
    rests_on=TWO_RUNS,
)
def objects_share_no_state(subject: Subject) -> str:
    asked = _asked(subject)
    first, second = _alone(asked, subject), _in_company(asked, subject)
    demand(first.start == second.start, "after another object was trained, it starts at other weights")
    same = first.end == second.end
    demand(same, "with two other objects, trained before it and beside it, it ends at other weights")
    demand(first.records == second.records, "with two other objects it has other test results")
    return "alone, and with two others trained before it and beside it, it ends at the same weights"


@check(
    "are weights and tests the same in another process, with another PYTHONHASHSEED?",
    cause="an order taken from a set or from id(), a seed made by hash(), of the time or of the process's "
    "number, or a counter of the module",
    rests_on=(*TWO_RUNS, objects_share_no_state),
)
def another_process_gives_the_same_bits(subject: Subject) -> str:
    here = elsewhere.ends_of(subject.config(*DEEP))
    there = _alone(_asked(subject), subject)
    demand(here.start == there.start, "in another process it starts at other weights")
    demand(here.end == there.end, "in another process it ends at other weights")
    demand(here.records == there.records, "in another process it has other test results")
    return f"with another seed of hashes the weights and {len(here.records)} test results are equal"


Asked = Callable[..., Any]


def _alone(ask: Asked, subject: Subject) -> Ends:
    return ask(elsewhere.alone, _job(subject))


def _in_company(ask: Asked, subject: Subject) -> Ends:
    return ask(elsewhere.in_company, _job(subject), subject.config(*DEEP, seed=2))


def _asked(subject: Subject) -> Asked:
    """Ask the server; the question does not arise for a class that cannot be imported there."""
    applies(hasattr(os, "fork"), NO_FORK)
    files = _files(subject)

    def ask(function: Callable[..., Answer], *arguments: Any) -> Answer:
        try:
            return server().ask(function, *arguments, files=files)
        except ImportError as error:
            applies(False, f"its class cannot be imported in another process: {error}")
            raise

    return ask


def _job(subject: Subject) -> Job:
    config = subject.config(*DEEP)
    deterministic = torch.are_deterministic_algorithms_enabled()
    return Job(config, data_of(config), torch.get_num_threads(), deterministic)


def _files(subject: Subject) -> dict[str, str | None]:
    """Return the files of the modules of the class and its bases, by name; some have no name elsewhere."""
    modules = {kind.__module__ for kind in type(subject.built).__mro__} - {"builtins"}
    outside = sorted(name for name in modules if not name.startswith(("cl_bench.", "avalanche.", "torch.")))
    return {name: getattr(sys.modules.get(name), "__file__", None) for name in outside}
