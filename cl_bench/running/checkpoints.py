"""Checkpoints of a run: where it goes on after a kill, bit for bit, with not a record lost or doubled.

In `<run folder>/checkpoint`: `task` is written after the tests that follow each task, `step` every so many
minutes in the midst of one, and at a signal to stop. A file is its own SHA-256 and then what torch.save makes
of plain values; it is read with weights_only, which runs nobody's code. It is whole at every moment: the new
one takes the place of the old one when it is on disk.
"""

import hashlib
import inspect
import io
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cl_bench import records
from cl_bench.files import write_whole
from cl_bench.provenance import differences
from cl_bench.running.environment import versions
from cl_bench.running.folder import CHECKPOINTS, RunFolder
from cl_bench.running.stopping import Stopping
from cl_bench.training.experiment import Start

log = logging.getLogger(__name__)

TASK, STEP = "task", "step"
MAGIC = b"cl_bench checkpoint 1\n"
CONTENT = {
    *("after_task", "task_seconds", "rows", "versions", "made_by", "state", "wall_seconds", "cpu_seconds"),
}
LAST_STEP_SECONDS = 60.0  # without a checkpoint: then one is made at the last step of a task, too


class CheckpointError(ValueError):
    """A checkpoint is damaged, or not of this run."""


class Found(NamedTuple):
    """What the checkpoints of a run say."""

    start: Start
    rows: list[dict[str, int]]  # of each run folder: file -> bytes that were on disk then
    seconds: tuple[float, float]  # wall and CPU that the run had taken
    versions: dict[str, str]


def write(path: Path, content: dict[str, Any]) -> None:
    """Put plain values into a file, whole."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    path.parent.mkdir(exist_ok=True)
    write_whole(path, MAGIC + hashlib.sha256(payload).digest() + payload)


def read(path: Path) -> dict[str, Any]:
    """What was put there.

    Raises:
        CheckpointError: for a file that is cut short, changed, or holds anything but plain values.
        OSError: where it cannot be read.
    """
    data = path.read_bytes()
    digest, payload = data[len(MAGIC) : len(MAGIC) + 32], data[len(MAGIC) + 32 :]
    if not data.startswith(MAGIC) or hashlib.sha256(payload).digest() != digest:
        raise CheckpointError(f"a checkpoint must be as it was written, got a damaged {path}")
    try:
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the reader meets in a file that somebody made
        raise CheckpointError(f"a checkpoint must hold plain values, got {path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"a checkpoint must hold a dictionary, got {path}")
    return content


class Checkpoints:
    """Of one run, or of several that are trained at once: they lie in the first one's folder.

    Args:
        folders: of the runs.
        minutes: between two checkpoints in the midst of a task.
        strategy: whose state it is; one whose state nobody can tell (Avalanche's own) has no checkpoints.
        stopping: whether the process was asked to stop.
    """

    def __init__(
        self, folders: Sequence[RunFolder], *, minutes: float, strategy: Any, stopping: Stopping
    ) -> None:
        if not minutes >= 0:
            raise ValueError(f"training.checkpoint_minutes must be at least 0, got {minutes}")
        self._folders, self._seconds_between = list(folders), 60 * minutes
        self._strategy, self._stopping = strategy, stopping
        self._folder = folders[0].path / CHECKPOINTS
        self._after_task = 0
        self._newest = self._task_began = time.monotonic()
        self._seconds_of_task = 0.0
        self.possible = _tells_its_state(strategy)
        self._identity = {
            "runs": [folder.path.name for folder in folders],
            "code": _code(strategy),
        }
        about = folders[0].about
        self._made_by = {name: about.get(name) for name in ("code", "data")}

    def find(self) -> Found | None:
        """Where the run goes on; None where it begins: without checkpoints, or with ones that are damaged, of
        other runs or of other code, which are told of.
        """
        between = self._read(TASK)
        within = self._read(STEP)
        newest = between
        if within is not None and within["after_task"] == (between["after_task"] if between else 0):
            newest = within
        if newest is None:
            return None
        in_task = newest["state"] if newest is within else None
        self._after_task = newest["after_task"]
        self._seconds_of_task = newest["task_seconds"]
        return Found(
            Start(
                self._after_task,
                between["state"] if between else None,
                in_task,
                newest["task_seconds"],
            ),
            newest["rows"],
            (newest["wall_seconds"], newest["cpu_seconds"]),
            newest["versions"],
        )

    def after_task(self, task: int) -> None:
        """A task was trained on and tested, and its rows are on disk."""
        self._after_task, self._task_began, self._seconds_of_task = task, time.monotonic(), 0.0
        if task and self.possible:
            self._write(TASK)
            (self._folder / STEP).unlink(missing_ok=True)

    def after_step(self) -> None:
        """A step was taken: where it is time, or the process is to stop, write where it led to."""
        strategy, since = self._strategy, time.monotonic() - self._newest
        is_last = strategy.steps_taken == strategy.num_steps and since >= LAST_STEP_SECONDS
        if since >= self._seconds_between or is_last or self._stopping.asked:
            self._write(STEP)
            self._stopping.stop()

    def _write(self, name: str) -> None:
        content = self._identity | {
            "after_task": self._after_task,
            "task_seconds": self._seconds_of_task + time.monotonic() - self._task_began,
            "rows": [_sizes(folder.path) for folder in self._folders],
            "versions": versions(),
            "made_by": self._made_by,
            "state": self._strategy.state(),
        }
        wall, cpu = self._folders[0].seconds()
        write(self._folder / name, content | {"wall_seconds": wall, "cpu_seconds": cpu})
        self._newest = time.monotonic()

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self._folder / name
        try:
            content = read(path)
        except FileNotFoundError:
            return None
        except CheckpointError as error:
            log.warning("%s: it is left aside", error)
            return None
        for key, expected in self._identity.items():
            if content.get(key) != expected:
                log.warning("%s is of other %s, and left aside", path, key)
                return None
        if not content.keys() >= CONTENT:
            log.warning("%s says too little, and is left aside", path)
            return None
        changed = differences(content["made_by"], self._made_by)
        if changed:
            log.warning("%s is left aside, and the run begins anew: %s", path, "; ".join(changed))
            return None
        return content


def _sizes(folder: Path) -> dict[str, int]:
    """Of the files of rows, in bytes."""
    paths = [folder / name for name in records.FILES.values()]
    return {path.name: path.stat().st_size for path in paths if path.exists()}


def _tells_its_state(strategy: Any) -> bool:
    """Whether it can; why not is told where it is one of ours."""
    if not hasattr(strategy, "go_on_in_task"):
        return False
    try:
        strategy.state()
    except TypeError as error:
        log.info("this run has no checkpoints: %s", error)
        return False
    return True


def _code(strategy: Any) -> str:
    """A hash of the source of the strategy's class and its bases: a state says nothing to other code."""
    digest = hashlib.sha256()
    for kind in type(strategy).__mro__:
        try:
            source = inspect.getsource(inspect.getmodule(kind) or kind)
        except (OSError, TypeError):
            continue
        digest.update(source.encode())
    return digest.hexdigest()[:16]
