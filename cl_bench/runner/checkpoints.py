"""Checkpoints of a run: it resumes from one after a kill, bit for bit, with not a record lost or doubled.

In `<run folder>/checkpoint`: `task` is written after the tests that follow each task, `step` every so many
minutes within one, and at a signal to stop. A file is whole at every moment: the new one takes the place of
the old one when it is on disk. One that is damaged, or says what cannot be, is left aside.
"""

import hashlib
import inspect
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.config.environment import versions
from cl_bench.evaluation.experiment import Start
from cl_bench.records.provenance import differences
from cl_bench.runner import written_rows
from cl_bench.runner.checkpoint_fields import check_fields, check_state
from cl_bench.runner.checkpoint_file import CheckpointError, read, write
from cl_bench.runner.run_folder import CHECKPOINTS, RunFolder
from cl_bench.runner.signals import Stopping

log = logging.getLogger(__name__)

TASK, STEP = "task", "step"
LAST_STEP_SECONDS = 60.0  # without a checkpoint: then one is made at the last step of a task, too


class Found(NamedTuple):
    """What the checkpoints of a run say."""

    path: Path  # of the newest
    start: Start
    sizes: list[dict[str, int]]  # of each run folder: file of rows -> bytes that were on disk then
    seconds: tuple[float, float]  # wall and CPU that the run had taken
    versions: dict[str, str]


class Checkpoints:
    """The checkpoints of one run, or of several that are trained at once: they lie in the first one's folder.

    Args:
        folders: of the runs.
        minutes: between two checkpoints within a task.
        strategy: whose state it is; one whose state nobody can tell (Avalanche's own) has no checkpoints.
        stopping: whether the process was asked to stop.
        num_tasks: of the stream.
    """

    def __init__(
        self,
        folders: Sequence[RunFolder],
        *,
        minutes: float,
        strategy: Any,
        stopping: Stopping,
        num_tasks: int,
    ) -> None:
        if not minutes >= 0:
            raise ValueError(f"training.checkpoint_minutes must be at least 0, got {minutes}")
        self._folders, self._seconds_between = list(folders), 60 * minutes
        self._strategy, self._stopping = strategy, stopping
        self._folder = folders[0].path / CHECKPOINTS
        self.has_moved = False  # since the run began or went on
        self._num_tasks, self._after_task = num_tasks, 0
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
        """Find where the run resumes; None where it begins.

        A checkpoint that is damaged, impossible, of other runs or of other code is left aside with a warning.
        """
        between = self._read(TASK)
        within = self._read(STEP)
        newest, name = between, TASK
        if within is not None and within["after_task"] == (between["after_task"] if between else 0):
            newest, name = within, STEP
        if newest is None:
            return None
        in_task = newest["state"] if newest is within else None
        self._after_task = newest["after_task"]
        self._seconds_of_task = newest["task_seconds"]
        return Found(
            self._folder / name,
            Start(
                self._after_task,
                between["state"] if between else None,
                in_task,
                newest["task_seconds"],
            ),
            [{name: size for name, (size, _) in each.items()} for each in newest["rows"]],
            (newest["wall_seconds"], newest["cpu_seconds"]),
            newest["versions"],
        )

    def forget(self) -> None:
        """Begin anew, whatever was found."""
        self._after_task, self._seconds_of_task = 0, 0.0

    def after_task(self, task: int) -> None:
        """Note that a task was trained on and tested, and that its rows are on disk."""
        self.has_moved = True
        self._after_task, self._task_began, self._seconds_of_task = task, time.monotonic(), 0.0
        if task and self.possible:
            self._write(TASK)
            (self._folder / STEP).unlink(missing_ok=True)

    def after_step(self) -> None:
        """Note that a step was taken; write its state where it is time, or where the process is to stop."""
        self.has_moved = True
        strategy, since = self._strategy, time.monotonic() - self._newest
        is_last = strategy.steps_taken == strategy.num_steps and since >= LAST_STEP_SECONDS
        if since >= self._seconds_between or is_last or self._stopping.asked:
            self._write(STEP)
            self._stopping.stop()

    def _write(self, name: str) -> None:
        content = self._identity | {
            "after_task": self._after_task,
            "task_seconds": self._seconds_of_task + time.monotonic() - self._task_began,
            "rows": [_sizes(folder) for folder in self._folders],
            "versions": versions(),
            "made_by": self._made_by,
            "state": self._strategy.state(),
        }
        wall, cpu = self._folders[0].seconds()
        self._folders[0].check()
        write(self._folder / name, content | {"wall_seconds": wall, "cpu_seconds": cpu})
        self._newest = time.monotonic()

    def _read(self, name: str) -> dict[str, Any] | None:
        """Read a checkpoint that the run can resume from; None where there is none."""
        path = self._folder / name
        try:
            content = read(path)
            self._check(content, name)
            return content
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:  # CheckpointError, and what is no file at all
            said = str(error) if str(path) in str(error) else f"{path} {error}"
            log.warning("%s; it is left aside", said)
            return None

    def _check(self, content: dict[str, Any], name: str) -> None:
        """Check that the run can resume from a checkpoint. Raises CheckpointError."""
        for key, expected in self._identity.items():
            if content.get(key) != expected:
                raise CheckpointError(f"was written for other {key}")
        tasks = range(1, self._num_tasks + 1) if name == TASK else range(self._num_tasks)
        check_fields(content, num_runs=len(self._folders), tasks=tasks)
        changed = differences(content["made_by"], self._made_by)
        if changed:
            raise CheckpointError(f"cannot be resumed from, so the run begins anew: {'; '.join(changed)}")
        after = content["after_task"]
        check_state(content["state"], like=self._strategy.state(), after_task=after)
        for folder, sizes in zip(self._folders, content["rows"], strict=True):
            why = written_rows.problem(folder.path, sizes, after, folder.about)
            if why:
                raise CheckpointError(f"does not fit {folder.path}: {why}")


def _sizes(folder: RunFolder) -> dict[str, list[Any]]:
    """Return the bytes and hash of each file of rows."""
    return {
        name: list(each) for name, each in written_rows.on_disk(folder.path, written_rows.OF_ROWS).items()
    }


def _tells_its_state(strategy: Any) -> bool:
    """Whether a strategy can tell its state; the reason why not is logged where it is one of ours."""
    if not hasattr(strategy, "go_on_in_task"):
        return False
    try:
        strategy.state()
    except TypeError as error:
        log.info("this run has no checkpoints: %s", error)
        return False
    return True


def _code(strategy: Any) -> str:
    """Hash the source of the strategy's class and its bases: a state says nothing to other code."""
    digest = hashlib.sha256()
    for kind in type(strategy).__mro__:
        try:
            source = inspect.getsource(inspect.getmodule(kind) or kind)
        except (OSError, TypeError):
            continue
        digest.update(source.encode())
    return digest.hexdigest()[:16]
