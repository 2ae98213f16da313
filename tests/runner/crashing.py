"""A process that is killed at one call that changes the disk: before it, or in the midst of what it writes.

The calls are those of Python's `os`: files that Python opens are handled by `_pyio`, its own account of `io`,
which makes each of them by name. They are counted in the process of the run alone, below one folder.
"""

import _pyio
import builtins
import gc
import io
import json
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.errors import AnalysisError
from cl_bench.records.runs import read_runs
from cl_bench.report.outcomes import outcome_table
from cl_bench.runner import code_hashes, fingerprints
from cl_bench.runner.run import execute

from .killing import outcome

OF_PATHS = (
    *("replace", "rename", "link", "symlink", "unlink", "remove", "truncate", "mkdir", "rmdir"),
    *("utime", "chmod"),
)
OF_FILES = ("write", "pwrite", "fsync", "fdatasync", "ftruncate", "fchmod")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# of run.json: what a clock tells, and what says that the run was stopped
OF_THE_TRY = ("started", "finished", "wall_seconds", "cpu_seconds", "probe_seconds", "resumed", "files")


class Stop(NamedTuple):
    """A call that changes the disk, as the run makes it."""

    call: str
    in_its_midst: bool  # when half of the bytes are written

    def __str__(self) -> str:
        return f"{self.call}, half of it" if self.in_its_midst else self.call


class Disk:
    """Counts the calls of this process below a folder, and kills it at one of them.

    Args:
        stop_at: a number from 0; None: nowhere.
    """

    def __init__(self, root: Path, *, stop_at: int | None = None) -> None:
        self.root, self.stop_at = os.path.realpath(root), stop_at
        self.seen: list[Stop] = []
        self._descriptors: set[int] = set()  # of files below the folder

    def watch(self) -> None:
        """From now on; for a process that ends with it."""
        io.open = builtins.open = _pyio.open
        for name in OF_PATHS:
            setattr(os, name, self._watched(name, getattr(os, name), self._concerns))
        for name in OF_FILES:
            setattr(os, name, self._watched(name, getattr(os, name), self._is_open))
        os.open, os.close = self._opening(os.open), self._closing(os.close)

    def _concerns(self, *arguments: Any, dir_fd: int | None = None, **_: Any) -> bool:
        if dir_fd is not None or isinstance(arguments[0], int):
            return (arguments[0] if dir_fd is None else dir_fd) in self._descriptors
        return str(Path.cwd() / os.fsdecode(arguments[0])).startswith(self.root)

    def _is_open(self, descriptor: int, *_: Any) -> bool:
        return descriptor in self._descriptors

    def _watched(self, name: str, call: Callable[..., Any], concerns: Callable[..., bool]) -> Any:
        def watched(*arguments: Any, **more: Any) -> Any:
            if concerns(*arguments, **more):
                self._at(Stop(name, False))
                if name in ("write", "pwrite") and len(arguments[1]) > 1:
                    half = bytes(arguments[1])[: len(arguments[1]) // 2]
                    self._at(Stop(name, True), lambda: call(arguments[0], half, *arguments[2:]))
            return call(*arguments, **more)

        return watched

    def _opening(self, call: Callable[..., int]) -> Callable[..., int]:
        def opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
            concerned = self._concerns(path, dir_fd=named.get("dir_fd"))
            if concerned and flags & WRITES:
                self._at(Stop("open", False))
            descriptor = call(path, flags, *more, **named)
            if concerned:
                self._descriptors.add(descriptor)
            return descriptor

        return opening

    def _closing(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def closing(descriptor: int) -> None:
            self._descriptors.discard(descriptor)
            call(descriptor)

        return closing

    def _at(self, stop: Stop, before: Callable[[], Any] = lambda: None) -> None:
        if len(self.seen) == self.stop_at:
            before()
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(stop)


class Case(NamedTuple):
    """A command whose stops are tried.

    Attributes:
        root: its results folder.
        config: of the run or runs.
        prepare: puts what there is before the command into the folder.
    """

    root: Path
    config: Any
    prepare: Callable[[], object] = lambda: None


def run(case: Case, *, stop_at: int | None = None) -> tuple[int, list[Stop]]:
    """Do the command in a child process, which has imported all this one has.

    Returns:
        Its exit status, and the calls that it came to where it was not stopped.
    """
    reader, writer = os.pipe()
    code = code_hashes.code_of(fingerprints.targets(case.config))
    child = os.fork()
    if not child:
        status = 1
        try:
            gc.freeze()  # a collection would copy all that this process shares with its parent
            code_hashes.code_of = lambda *_, **__: code  # a third of such a small run, and changes no file
            disk = Disk(case.root, stop_at=stop_at)
            disk.watch()
            execute(case.config, show_progress=False)
            os.write(writer, json.dumps(disk.seen).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        told = said.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), [Stop(*each) for each in json.loads(told or b"[]")]


def left(root: Path) -> dict[str, Any]:
    """All that is below a results folder, without what depends on when it was made."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir():
            found[name] = "a folder"
        elif path.name == "run.json":
            about = json.loads(path.read_text())
            found[name] = {key: value for key, value in about.items() if key not in OF_THE_TRY}
        elif path.name == "states.csv":
            found[name] = outcome(path.parent)["states"]
        elif ".data" in path.parts:
            found[name] = "hashes of data"
        else:
            found[name] = path.read_bytes()
    return found


def undisturbed(case: Case) -> tuple[list[Stop], dict[str, Any]]:
    """The calls of the command, and what is there at its end."""
    _begin(case)
    status, stops = run(case)
    assert status == 0
    return stops, left(case.root)


def problem_after(case: Case, *, stop_at: int, whole: dict[str, Any]) -> str:
    """What is wrong after a stop, a report, and the same command again; empty where nothing is."""
    _begin(case)
    status, _ = run(case, stop_at=stop_at)
    if status != -signal.SIGKILL:
        return f"it was not killed, and ended with {status}"
    try:
        runs = read_runs(case.root)
        outcome_table(runs)
        broken = [run.error for run in runs if run.status == "broken"]
    except AnalysisError as error:  # there is nothing yet
        broken = [] if "no runs" in str(error) or "no folder" in str(error) else [str(error)]
    if any("run.json is missing" not in each for each in broken):
        return f"the report says {broken}"
    status, _ = run(case)
    if status:
        return f"the same command again ended with {status}"
    found = left(case.root)
    return "; ".join(_differences(found, whole))


def _differences(found: dict[str, Any], whole: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*found, *whole}):
        if name not in whole:
            yield f"{name} is left"
        elif name not in found:
            yield f"{name} is missing"
        elif found[name] != whole[name]:
            yield f"{name} differs"


def _begin(case: Case) -> None:
    shutil.rmtree(case.root, ignore_errors=True)
    case.root.mkdir()
    case.prepare()
