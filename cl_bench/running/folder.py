"""What a run leaves: config.yaml, run.json and files of rows such as records.csv in a folder of its own."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cl_bench import records
from cl_bench.files import read_json, unfinished, write_whole
from cl_bench.lines import Row
from cl_bench.protocol import TEST_LAST, num_tests
from cl_bench.records import Record
from cl_bench.running.compose import config_hash, flatten, plain, run_folder, settings
from cl_bench.running.environment import versions
from cl_bench.running.stops import Stopped
from cl_bench.running.tuned import arguments, provenance, test_data, tuned_by

SUMMARY, CONFIG = "run.json", "config.yaml"
LOG = "run.log"  # Hydra's
CHECKPOINTS = "checkpoint"  # a folder; see running/checkpoints.py
EXPECTED = "expected.json"  # of the study, beside its runs
PROBE_SETTINGS = ("training.probe_every", "training.probe_size", "seed_for.probe")


class RunFolder:
    """The folder of one run. What it says of the run is whole at every moment.

    run.json holds status, settings, the arguments of `cl-bench run` that do it again, where settings were
    tuned, versions, hardware, seconds and a hash of the final weights.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config, self.path = config, run_folder(config)
        self.listeners: list[Callable[[Row], None]] = []  # told of every row

    def finished(self) -> dict[str, Any] | None:
        """run.json of a run that is finished, with its records whole and probed as is asked; else None."""
        try:
            about = read_json(self.path / SUMMARY)
            whole = about["status"] == "finished" and self._has_probes(about["settings"])
            return about if whole and self._has_records(about) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _has_records(self, about: dict[str, Any]) -> bool:
        rows = {(row.after_task, row.on_task) for row in records.read(self.path / records.FILES[Record])}
        test_last = about["settings"].get(TEST_LAST)
        return len(rows) == num_tests(num_tasks=about["num_tasks"], test_last=test_last)

    def _has_probes(self, settings: dict[str, Any]) -> bool:
        """Whether the finished run probed as is asked now; they are no part of its name."""
        wanted = flatten(plain(self.config))
        return wanted[PROBE_SETTINGS[0]] is None or all(
            settings.get(name) == wanted[name] for name in PROBE_SETTINGS
        )

    def seen(self, about: dict[str, Any], **facts: Any) -> None:
        """Say that this sweep has met the finished run, and what is to be said of it; None: nothing more."""
        told = {key: value for key, value in (about | facts).items() if key not in facts or value}
        self.write_expected()
        if told != about:
            write_whole(self.path / SUMMARY, json.dumps(told, indent=1) + "\n")
        os.utime(self.path / SUMMARY)

    def discard(self) -> None:
        """Remove the folder of a run that cannot begin, where it has nothing but Hydra's log."""
        with suppress(OSError):
            if [each.name for each in self.path.iterdir()] == [LOG]:
                (self.path / LOG).unlink()
            self.path.rmdir()  # only where it is empty

    def write_expected(self) -> None:
        """The published numbers that the study is compared with, beside its runs."""
        if self.config.expected:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            numbers = OmegaConf.to_container(self.config.expected, resolve=True)
            write_whole(self.path.parent / EXPECTED, json.dumps(numbers, indent=1) + "\n")

    def open(self) -> None:
        """Say that the run is under way; rows of an earlier try are not touched yet."""
        self.path.mkdir(parents=True, exist_ok=True)
        for left in (*unfinished(self.path), *unfinished(self.path / CHECKPOINTS)):
            left.unlink(missing_ok=True)  # by a process that was killed
        self._seconds_before = (0.0, 0.0)
        self.about: dict[str, Any] = {
            "study": str(self.config.study),
            "benchmark": self.config.benchmark.name,
            "strategy": self.config.strategy.name,
            "seed": self.config.seed,
            "hash": config_hash(self.config),
            "status": "running",
            "error": None,
            "settings": settings(self.config),
            "arguments": arguments(self.config),
            "tuning": provenance(self.config),
            **({"tuned_by": told} if (told := tuned_by(self.config)) else {}),
            "test_data": test_data(self.config),
            "versions": versions(),
            "started": _now(),
        }
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self.write_expected()
        write_whole(self.path / CONFIG, OmegaConf.to_yaml(OmegaConf.create(plain(self.config))))
        self.tell()

    def begin(self) -> None:
        """From the start: rows of an earlier try stay in records.previous.csv and the like until `finish`."""
        for name in records.FILES.values():
            rows, previous = self.path / name, self.path / _previous(name)
            if not rows.exists():
                continue
            if previous.exists() and previous.stat().st_size > rows.stat().st_size:  # of several, the longest
                rows.unlink()
            else:
                rows.replace(previous)

    def has(self, rows: Mapping[str, int]) -> bool:
        """Whether the files of rows have at least so many bytes."""
        return all(
            (self.path / name).exists() and (self.path / name).stat().st_size >= size
            for name, size in rows.items()
        )

    def go_on(self, rows: Mapping[str, int], seconds: tuple[float, float], **facts: Any) -> None:
        """With the rows that there were at a checkpoint: what came after them is computed again.

        Args:
            rows: bytes of each file.
            seconds: wall and CPU, that the run had taken.
            facts: for run.json.
        """
        for name in records.FILES.values():
            if name in rows:
                os.truncate(self.path / name, rows[name])
            else:
                (self.path / name).unlink(missing_ok=True)
        self._seconds_before = seconds
        self.tell(**facts)

    def drop_checkpoints(self) -> None:
        shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)

    def seconds(self) -> tuple[float, float]:
        """Wall and CPU, of all tries since the beginning."""
        wall, cpu = self._seconds_before
        return (
            wall + time.perf_counter() - self._started,
            cpu + time.process_time() - self._cpu_started,
        )

    def tell(self, **facts: Any) -> None:
        """Add to run.json."""
        self.about |= facts
        write_whole(self.path / SUMMARY, json.dumps(self.about, indent=1) + "\n")

    def append(self, *rows: Row) -> None:
        """Rows of one kind, to the file of that kind."""
        if rows:
            records.append(self.path / records.FILES[type(rows[0])], *rows)
        for row in rows:
            for listener in self.listeners:
                listener(row)

    def finish(self, *, share: float, **facts: Any) -> None:
        """`share`: of the seconds since `open`, where several runs were trained at once."""
        self.tell(status="finished", **facts, **self._seconds(share))
        for name in records.FILES.values():
            (self.path / _previous(name)).unlink(missing_ok=True)

    def fail(self, error: BaseException, *, share: float) -> None:
        """Say how the run ended: interrupted, where the process was told to stop, or failed."""
        if isinstance(error, KeyboardInterrupt | Stopped):
            reason = "by Ctrl-C" if isinstance(error, KeyboardInterrupt) else str(error)
            self.tell(status="interrupted", error=reason, **self._seconds(share))
        else:
            self.tell(status="failed", error=f"{type(error).__name__}: {error}", **self._seconds(share))

    def _seconds(self, share: float) -> dict[str, Any]:
        wall, cpu = self.seconds()
        return {
            "wall_seconds": round(wall * share, 3),
            "cpu_seconds": round(cpu * share, 3),
            "finished": _now(),
        }


def _previous(name: str) -> str:
    """records.csv -> records.previous.csv"""
    return name.replace(".", ".previous.", 1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
