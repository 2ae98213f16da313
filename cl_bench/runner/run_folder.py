"""What a run leaves: config.yaml, run.json and files of rows such as records.csv in a folder of its own."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cl_bench import records
from cl_bench.config.compose import config_hash, later, plain, run_folder, settings
from cl_bench.config.environment import versions
from cl_bench.config.tuned import arguments, provenance, test_data, tuned_by
from cl_bench.records import saved
from cl_bench.records.atomic import abandoned, make_folder, unfinished, write_whole
from cl_bench.records.compact_files import write_about
from cl_bench.records.identity import flatten
from cl_bench.records.lock import Hold, RunLostError, alone_in
from cl_bench.records.row_files import Row
from cl_bench.records.run_files import about_run, summary_of
from cl_bench.runner import besides, written_rows
from cl_bench.runner.device_memory import DeviceMemoryError
from cl_bench.runner.endings import described, is_interruption
from cl_bench.runner.written_rows import CONFIG

log = logging.getLogger(__name__)

SUMMARY = "run.json"
LOG = "run.log"  # Hydra's
CHECKPOINTS = "checkpoint"  # a folder; see runner/checkpoints.py
EXPECTED = "expected.json"  # of the study, beside its runs
OF_GOING_ON = ("resumed", "began_with_versions")  # in run.json
CLOCKS_DIFFER = 60.0  # seconds at most, between the machines of a cluster


class RunFolder:
    """The folder of one run. What it says of the run is whole at every moment.

    run.json holds status, settings, and the arguments of `cl-bench run` that do it again. It tells where
    settings were tuned, versions, hardware, seconds, and a hash of the final weights.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config, self.path = config, run_folder(config)
        self.hold: Hold | None = None  # whose loss is noticed before anything is written
        self.listeners: list[Callable[[Row], None]] = []  # told of every row
        self.facts: dict[str, Any] = {}  # of this command's earlier attempts, for run.json

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the folder for this process alone, unless it has it already. Raises RunInUseError."""
        if self.hold is not None:
            yield
            return
        try:
            with alone_in(self.path) as self.hold:
                yield
        finally:
            self.hold = None

    def finished(self) -> dict[str, Any] | None:
        """Return run.json of a run that is finished, whole, and has all that is asked; else None."""
        try:
            about = about_run(self.path)  # of a folder, or of a run that was packed into a compact study
            whole = about["status"] == "finished" and written_rows.are_whole(self.path, about)
            return about if whole and self._has_what_is_asked(about) else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _has_what_is_asked(self, about: dict[str, Any]) -> bool:
        """Whether the finished run measured besides, and saved, what is asked now; no part of its name."""
        wanted, settings = flatten(plain(self.config)), about["settings"]
        measured = besides.is_measured(settings, wanted)
        names = self.plan(about["num_tasks"]).names(about["num_tasks"])
        return measured and not saved.lacking(self.path, names, about.get(saved.FACT))

    def ask_again(self) -> None:
        """Ask for what a finished run has besides, too, so that it loses nothing where it is done again."""
        try:
            about = about_run(self.path)
            finished = about["status"] == "finished"
            kept = besides.to_keep(about["settings"], flatten(plain(self.config))) if finished else {}
            for name, value in kept.items():
                OmegaConf.update(self.config, name, value, force_add=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError):
            return  # of a run that nobody can read there is nothing to keep
        if kept:
            asked = ", ".join(f"{name}={value}" for name, value in kept.items())
            log.info("%s is done again, with what it had besides: %s", self.path, asked)

    def plan(self, num_tasks: int) -> saved.Plan:
        """Return what training.save asks for, of a stream of so many tasks."""
        training = self.config.training
        return saved.plan_of(training.get("save"), num_tasks=num_tasks, test_last=training.test_last)

    def seen(self, about: dict[str, Any], **facts: Any) -> None:
        """Say that this sweep has met the finished run, and what is to be said of it; None: nothing more."""
        told = {key: value for key, value in (about | facts).items() if key not in facts or value}
        self.write_expected()
        if told != about:
            write_about(self.path, told)
        os.utime(summary_of(self.path))

    def discard(self) -> None:
        """Remove the folder of a run that cannot begin, where it has nothing but Hydra's log."""
        with suppress(OSError):
            if [each.name for each in self.path.iterdir()] == [LOG]:
                (self.path / LOG).unlink()
            self.path.rmdir()  # only where it is empty

    def leftovers(self) -> list[Path]:
        """What a process that was killed may have left beside the files of a finished run."""
        previous = [self.path / _previous(name) for name in records.FILES.values()]
        previous.append(self.path / saved.PREVIOUS)
        return [
            *unfinished(self.path),
            *(path for path in (self.path / CHECKPOINTS, *previous) if path.exists()),
            *abandoned(self.path.parent),
        ]

    def tidy(self) -> None:
        """Remove the leftovers. A process that has no right to must not fail for that."""
        self.check()
        for left in self.leftovers():
            _remove(left)

    def write_expected(self) -> None:
        """Write the published numbers that the study is compared with, beside its runs."""
        if self.config.expected:
            make_folder(self.path.parent)
            numbers = OmegaConf.to_container(self.config.expected, resolve=True)
            write_whole(self.path.parent / EXPECTED, json.dumps(numbers, indent=1) + "\n")

    def open(self) -> None:
        """Say that the run is under way; rows of an earlier try are not touched yet."""
        make_folder(self.path)
        if self.hold is not None:
            self.hold.cover()
        self.check()
        written = (self.path, self.path / CHECKPOINTS, self.path / saved.FOLDER)
        left_by_the_killed = (unfinished(each) for each in written)
        for left in (*chain(*left_by_the_killed), *abandoned(self.path.parent)):
            left.unlink(missing_ok=True)
        self._seconds_before = (0.0, 0.0)
        self.about: dict[str, Any] = {**about_begun(self.config), **self.facts}
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self.write_expected()
        write_whole(self.path / CONFIG, OmegaConf.to_yaml(OmegaConf.create(plain(self.config))))
        self.tell()

    def check(self) -> None:
        """Check that the folder is still this process's. Raises RunLostError."""
        if self.hold is not None:
            self.hold.check()

    def begin(self) -> None:
        """Begin anew: until `finish` an earlier try stays, in records.previous.csv, saved.previous, ..."""
        self.check()
        self._seconds_before = (0.0, 0.0)
        if any(self.about.pop(name, None) for name in OF_GOING_ON):  # it could not go on after all
            self.tell()
        for name in records.FILES.values():
            newest, previous = self.path / name, self.path / _previous(name)
            if not newest.exists():
                continue
            if previous.exists() and previous.stat().st_size > newest.stat().st_size:  # the longest of them
                newest.unlink()
            else:
                newest.replace(previous)

        (self.path / saved.METRICS).unlink(missing_ok=True)  # of predictions that there are no more
        if (self.path / saved.FOLDER).is_dir():
            _remove(self.path / saved.PREVIOUS)
            (self.path / saved.FOLDER).replace(self.path / saved.PREVIOUS)

    def go_on(self, sizes: Mapping[str, int], seconds: tuple[float, float], **facts: Any) -> None:
        """Continue with the rows that there were at a checkpoint: what came after them is computed again.

        Args:
            sizes: bytes of each file of rows.
            seconds: wall and CPU, that the run had taken.
            facts: for run.json.
        """
        self.check()
        for name in records.FILES.values():
            if name in sizes:
                os.truncate(self.path / name, sizes[name])
            else:
                (self.path / name).unlink(missing_ok=True)
        self._seconds_before = seconds
        self.tell(**facts)

    def drop_checkpoints(self) -> None:
        self.check()
        _remove(self.path / CHECKPOINTS)

    def seconds(self) -> tuple[float, float]:
        """Return the seconds, wall and CPU, of all tries since the beginning."""
        wall, cpu = self._seconds_before
        return (
            wall + time.perf_counter() - self._started,
            cpu + time.process_time() - self._cpu_started,
        )

    def tell(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.check()
        self.about |= facts
        write_whole(self.path / SUMMARY, json.dumps(self.about, indent=1) + "\n")

    def append(self, *measured: Row) -> None:
        """Append rows of one kind to the file of that kind."""
        self.check()
        if measured:
            records.append(self.path / records.FILES[type(measured[0])], *measured)
        for row in measured:
            for listener in self.listeners:
                listener(row)

    def finish(self, *, share: float, **facts: Any) -> None:
        """Say that the run is finished.

        Args:
            share: of the seconds since `open`, where several runs were trained at once.
        """
        hashes = {name: size_and_hash[1] for name, size_and_hash in written_rows.on_disk(self.path).items()}
        facts |= self._seconds(share) | saved.facts(self.path)
        self.tell(status="finished", **facts, files=hashes)
        for name in records.FILES.values():
            (self.path / _previous(name)).unlink(missing_ok=True)
        _remove(self.path / saved.PREVIOUS)

    def fail(self, error: BaseException, *, share: float) -> None:
        """Say how the run ended: interrupted, where the process was told to stop, or failed."""
        if is_interruption(error):
            reason = "by Ctrl-C" if isinstance(error, KeyboardInterrupt) else str(error)
            self.tell(status="interrupted", error=reason, **self._seconds(share))
        else:
            self.tell(status="failed", error=described(error), **self._seconds(share))

    def _seconds(self, share: float) -> dict[str, Any]:
        wall, cpu = self.seconds()
        return {
            "wall_seconds": round(wall * share, 3),
            "cpu_seconds": round(cpu * share, 3),
            "finished": _now(),
        }


@contextmanager
def opened(folder: RunFolder, *, share: float) -> Iterator[None]:
    """Let the folder say that its run is under way, and, where it ends early, how.

    Args:
        share: of the seconds since then, where several runs were trained at once.
    """
    folder.open()
    try:
        yield
    except BaseException as error:
        log.info("the run ended early", exc_info=error)
        # a full disk, most likely: the first error is the one to show
        with suppress(OSError, RunLostError):
            folder.fail(error, share=share)
            if not is_interruption(error) and not _may_pass(error):
                folder.drop_checkpoints()  # from there it would only fail again
        raise


def _may_pass(error: BaseException) -> bool:
    """Whether the same run may do well another time: it had no memory, or no disk."""
    return isinstance(error, OSError | DeviceMemoryError)


def about_begun(config: DictConfig) -> dict[str, Any]:
    """Return what run.json says of a run that begins now."""
    return {
        "study": str(config.study),
        "benchmark": config.benchmark.name,
        "strategy": config.strategy.name,
        "seed": config.seed,
        "hash": config_hash(config),
        "status": "running",
        "error": None,
        "settings": settings(config),
        **({"neutral": told} if (told := later(config)) else {}),
        "arguments": arguments(config),
        "tuning": provenance(config),
        **({"tuned_by": told} if (told := tuned_by(config)) else {}),
        "test_data": test_data(config),
        "versions": versions(),
        "started": _now(),
    }


def finished_since(about: Mapping[str, Any], since: float) -> bool:
    """Whether the run of a run.json ended after a time, in seconds of the clock, and not in the future."""
    try:
        ended = datetime.fromisoformat(str(about.get("finished"))).timestamp()
    except (ValueError, OverflowError):
        return False
    return since <= ended <= time.time() + CLOCKS_DIFFER


def _remove(path: Path) -> None:
    """Remove a file or folder, as far as that is possible; of a link the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _previous(name: str) -> str:
    """Name the file of an earlier try: records.csv -> records.previous.csv."""
    return name.replace(".", ".previous.", 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
