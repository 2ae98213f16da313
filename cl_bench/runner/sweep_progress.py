"""One bar over a whole sweep, whoever runs its jobs."""

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cl_bench.config.sweep import LeftOut, jobs, values_of, with_the_studys
from cl_bench.evaluation.terminal import Bar
from cl_bench.records.atomic import make_folder, write_whole
from cl_bench.records.protocol import TEST_ALL_AT_END, TEST_LAST, num_tests
from cl_bench.records.run_files import stamps

POLL_SECONDS = 0.5
# of the last sweep into a study's folder, beside its runs; analysis/missing_runs.py reads it
PLAN, LEFT_OUT = "sweep.json", "left_out"


class SweepProgress(Callback):
    """A watcher of a sweep's run folders, which alone tell how far jobs in other processes are.

    `folder` is where this process's run, or all runs of its sweep, are written. A run of several seeds has a
    folder for each of them in `study`.

    Hydra sends its callbacks to every worker, whoever launches it. The bar belongs to this process's terminal
    and stays behind.
    """

    folder: Path | None = None
    study: Path | None = None
    missing: tuple[Path, ...] = ()  # of the folder and those it lies in, what was not there before
    before: Mapping[Path, int] = {}  # when each summary in it, or in the study, had been written then
    at_work: "SweepProgress | None" = None  # where this process runs a sweep
    _bar: Bar | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        SweepProgress.folder = SweepProgress.study = None
        with suppress(OmegaConfBaseException):  # a setting without a value: the run itself says so
            self._note(Path(config.hydra.run.dir))
            SweepProgress.study = None if config.seeds is None else Path(config.hydra.sweep.dir)
            if SweepProgress.study is not None:
                SweepProgress.before = stamps(SweepProgress.study)

    @staticmethod
    def _note(folder: Path) -> None:
        SweepProgress.folder = folder
        SweepProgress.missing = tuple(each for each in (folder, *folder.parents) if not each.exists())
        SweepProgress.before = stamps(folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        num_runs = count_jobs(config) * len(config.seeds or [config.seed])
        folder = Path(config.hydra.sweep.dir)
        self._note(folder)
        write_plan(folder, config)
        self.start(folder=folder, num_runs=num_runs, label=config.study)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        self.finish()

    def start(self, *, folder: Path, num_runs: int, label: str) -> None:
        """Show how far the runs in `folder` are from now on."""
        SweepProgress.at_work = self
        self.said: set[str] = set()  # notes on its data and tasks, before any training
        self._bar = Bar(total=num_runs, label=label, count="{n:.1f} of {total:.0f} runs")
        if not self._bar.hidden:
            self._stopped = threading.Event()
            self._watch = threading.Thread(target=self._follow, args=(folder, time.time()), daemon=True)
            self._watch.start()

    def finish(self) -> None:
        """Clear the bar."""
        SweepProgress.at_work = None
        if self._bar is None:
            return
        if not self._bar.hidden:
            self._stopped.set()
            self._watch.join()
        self._bar.close()
        self._bar = None

    def _follow(self, sweep_folder: Path, since: float) -> None:
        assert self._bar is not None
        ended_before: dict[Path, bool] = {}
        while not self._stopped.wait(POLL_SECONDS):
            shares = {path: _share_done(path, self.before) for path in sweep_folder.glob("*/run.json")}
            begun = {path: share for path, share in shares.items() if share is not None}
            for path, share in begun.items():
                if share == 1 and path not in ended_before:
                    ended_before[path] = _ended_before(path, since)
            note = "" if begun else "loading torch and Avalanche"
            self._bar.show(sum(begun.values()), note, free=sum(ended_before.values()))
            self._bar.refresh()


def write_plan(folder: Path, config: DictConfig) -> None:
    """Write what the sweep is going to run, so that a report can say what is missing."""
    write_values(folder, choices(config), jobs(config).left_out, seeds=config.seeds)


def write_values(
    folder: Path,
    values: Mapping[str, list[str]],
    left_out: Iterable[LeftOut],
    *,
    seeds: Sequence[int] | None,
) -> None:
    """Write the values of each setting of a sweep into a study's folder.

    Args:
        left_out: jobs of these values that cannot run.
        seeds: that each job has, in place of one.
    """
    planned: dict[str, Any] = {key.lstrip("+"): each for key, each in values.items()}
    if seeds is not None:
        planned["seed"] = [str(seed) for seed in seeds]
    planned.pop("seeds", None)
    where = [each.where for each in left_out]
    planned |= {LEFT_OUT: where} if where else {}
    make_folder(folder)
    write_whole(folder / PLAN, json.dumps(planned, indent=1) + "\n")


def count_jobs(config: DictConfig) -> int:
    """Count the jobs of the sweep: its combinations, less those that are left out."""
    return len(jobs(config).run)


def choices(config: DictConfig) -> dict[str, list[str]]:
    """Return the values that the sweep gives each setting of its command line and of its study."""
    given = with_the_studys(config, config.hydra.overrides.task)
    values_by_key = values_of(GlobalHydra.instance().config_loader(), given)
    return {key.lstrip("+"): values for key, values in values_by_key.items()}


def _ended_before(summary: Path, since: float) -> bool:
    """Whether a run that the sweep has met was finished already."""
    try:
        return datetime.fromisoformat(json.loads(summary.read_text())["finished"]).timestamp() < since - 1
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _share_done(summary: Path, before: Mapping[Path, int]) -> float | None:
    """Return the share of a run that is done, 0 to 1; None for a run that this sweep has not touched."""
    try:
        if summary.stat().st_mtime_ns == before.get(summary.resolve()):
            return None
        about = json.loads(summary.read_text())
        if about["status"] != "running":
            return 1.0
        num_tasks = about.get("num_tasks")
        rows = (summary.parent / "records.csv").read_bytes().count(b"\n") - 1
        settings = about.get("settings", {})
        last, all_at_end = settings.get(TEST_LAST), settings.get(TEST_ALL_AT_END) is True
        wanted = num_tests(num_tasks=num_tasks, test_last=last, all_at_end=all_at_end) if num_tasks else 0
        return max(rows, 0) / wanted if wanted else 0.0
    except (OSError, ValueError, KeyError):
        return 0.0 if summary.exists() else None
