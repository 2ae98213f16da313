"""A sweep continues when one of its processes is killed.

Joblib ends a sweep, and all its processes, when one of them dies, and does not say whose job that was. The
jobs that were in progress are then run one at a time. The one that is killed again has failed; the others
lose only the time since their start or their last checkpoint.
"""

import json
import pickle
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from joblib.externals.loky.process_executor import TerminatedWorkerError
from omegaconf import DictConfig

from cl_bench.records.atomic import read_json, write_whole
from cl_bench.runner.endings import described

STOP = "stop"  # a file beside the jobs' notes: none of them is to begin any more
GRACE_SECONDS = 20.0  # for jobs to end the step that they are at, and to save it

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]


class JobKilledError(RuntimeError):
    """The process of a job was killed each time that it was tried."""


class JobFailedError(RuntimeError):
    """A job failed in another process, which could not hand its error over as it was."""


class Noted:
    """A job that notes in a folder that it has begun, and how it ended."""

    def __init__(self, task: Callable[[DictConfig], Any], folder: str) -> None:
        self.task, self.folder = task, folder

    def __call__(self, config: DictConfig) -> Any:
        if Path(self.folder, STOP).exists():
            raise KeyboardInterrupt  # the sweep is over
        number = HydraConfig.get().job.num
        self._note(number, {"ended": False})
        try:
            value = self.task(config)
        except BaseException as error:
            self._note(number, {"ended": True, "error": described(error)})
            if isinstance(error, Exception) and not _travels(error):
                raise JobFailedError(described(error)) from None
            raise
        self._note(number, {"ended": True, "value": value})
        return value

    def _note(self, number: int, what: dict[str, Any]) -> None:
        write_whole(Path(self.folder, f"{number}.json"), json.dumps(what, default=str))


def launch(
    launcher: Any, start: Launch, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Return what `start` returns for all jobs, begun as often as it takes.

    Args:
        launcher: whose `task_function` is each job's.
        start: runs jobs in parallel processes; raises TerminatedWorkerError where one of these is killed.
        first: the number of the first job.
    """
    task = launcher.task_function
    results: dict[int, JobReturn] = {}
    suspects: list[int] = []  # in progress when a process was killed
    while len(results) < len(job_overrides):
        left = [job for job in range(len(job_overrides)) if job not in results]
        batch = suspects[:1] or left
        with TemporaryDirectory(prefix="cl-bench-jobs-") as folder:
            launcher.task_function = Noted(task, folder)
            try:
                with ctrl_c_waits_for_jobs(Path(folder)):
                    returns = start([job_overrides[job] for job in batch], first)
                results |= dict(zip(batch, returns, strict=True))
            except TerminatedWorkerError as error:
                notes = {job: _read(Path(folder, f"{first + place}.json")) for place, job in enumerate(batch)}
                results |= {job: _ended(note) for job, note in notes.items() if note.get("ended")}
                suspects += [job for job, note in notes.items() if note.get("ended") is False]
                if not any(notes.values()):
                    raise  # none of them had begun: this is not a job's doing
                if len(batch) == 1:
                    results.setdefault(batch[0], _failed(_killed(job_overrides[batch[0]], error)))
            finally:
                launcher.task_function = task
        suspects = [job for job in dict.fromkeys(suspects) if job not in results]
    return [results[job] for job in range(len(job_overrides))]


@contextmanager
def ctrl_c_waits_for_jobs(folder: Path) -> Iterator[None]:
    """Let Ctrl-C wait until the workers' jobs have saved what they have.

    At a terminal it reaches the workers too, and joblib kills them at once. A second one does not wait.

    Args:
        folder: of the jobs' notes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, previous)
        (folder / STOP).touch()
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and not all(
            _read(note).get("ended", True) for note in folder.glob("*.json")
        ):
            time.sleep(0.1)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _travels(error: Exception) -> bool:
    """Whether another process can be told of an error as it is. One that cannot would end the sweep."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def _ended(note: dict[str, Any]) -> JobReturn:
    if "error" in note:
        return _failed(JobFailedError(note["error"]))
    return JobReturn(status=JobStatus.COMPLETED, _return_value=note.get("value"))


def _failed(error: Exception) -> JobReturn:
    return JobReturn(status=JobStatus.FAILED, _return_value=error)


def _killed(overrides: Sequence[str], error: TerminatedWorkerError) -> JobKilledError:
    signals = sorted(set(re.findall(r"SIG[A-Z]+\(-\d+\)", str(error))))
    how = f" by {', '.join(signals)}" if signals else ""
    return JobKilledError(
        f"the process of a job was killed{how}, again when it ran alone: {' '.join(overrides)}; most often "
        "the machine's memory is too small for it: training.test_batch_size is the first setting to lower"
    )
