"""`cl_bench.sweep`: all runs of a sweep, in this process or in several, as one frame."""

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cl_bench.analysis.frame import load
from cl_bench.analysis.results import Results
from cl_bench.config.choices import by_group
from cl_bench.config.compose import (
    CONFIG_NAME,
    all_settings,
    compose,
    explain,
    hydra_apart,
    loader,
    one_seed_each,
    run_folder,
)
from cl_bench.config.sweep import Sweep, find, is_choice, values_of, with_the_studys
from cl_bench.config.words import WordError, check_words, read
from cl_bench.python.settings import Folders, folders_of, with_results_dir
from cl_bench.records.runs import Run, read_run
from cl_bench.report.outcomes import provenance_notes
from cl_bench.runner.endings import described
from cl_bench.runner.run import execute
from cl_bench.runner.sweep_progress import SweepProgress, write_values

MOST_TOLD = 5  # failures in a warning; run.json of each run has its own


class SweepError(RuntimeError):
    """None of the runs of a sweep came to its end; the message has the first error."""


class _Asked(NamedTuple):
    """What a sweep asks for."""

    given: list[str]  # words of the command line, without flags
    folders: tuple[str, ...]  # of more YAML files
    hydra: list[str]  # words about Hydra itself
    sweep: Sweep
    values: dict[str, list[str]]  # of each setting

    def configs(self) -> Iterator[DictConfig]:
        """Compose each run when it is asked for: it takes a while."""
        return (compose([*self.hydra, *each], config_dirs=self.folders) for each in self.sweep.run)


Ended = dict[Path, str]  # each run's folder, and what was raised, if anything


def sweep(
    overrides: Sequence[str],
    *,
    jobs: int = 1,
    config_dir: Folders = None,
    results_dir: str | PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Run every combination of some values, as `cl-bench run -m` does, and return all records.

    Write `cl_bench.sweep(["strategy=ewc,vcl", "benchmark=permuted_digits", "seed=0,1,2"])`, or
    `cl_bench.sweep(["experiment=digits"])`. Runs that are finished are read, not repeated, and one that was
    killed resumes. They are below the setting `results_dir`, as those of the command line.

    Args:
        overrides: the words of the command line.
        jobs: how many runs at a time. 1: in this process. More: in as many others.
        config_dir: a folder of more YAML files, or several.
        results_dir: as the word results_dir=...: the folder that the study is written into.
        progress: whether a bar is shown, where standard error is a terminal.

    Returns:
        One row per record, and one column per swept setting; see `cl_bench.analysis.load`. A run that failed
        is told by a warning, and has the status `failed` in what it recorded.

    Raises:
        ValueError: for a word, a setting or a value that is wrong, before anything runs.
        SweepError: where no run came to its end.
    """
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise ValueError(f"jobs must be a whole number, at least 1, got {jobs=}")
    check_words(overrides)
    if any(each.startswith("hydra/launcher") for each in overrides):
        raise WordError(
            "jobs takes the place of hydra/launcher, got both: give jobs=2 for two runs at a time"
        )
    asked = _asked(with_results_dir(overrides, results_dir), folders_of(config_dir))
    for note in asked.sweep.notes:
        warnings.warn(note, stacklevel=2)
    first = next(asked.configs())
    write_values(run_folder(first).parent, asked.values, asked.sweep.left_out, seeds=first.seeds)
    if jobs == 1:
        return _told(_one_by_one(asked, progress=progress))
    return _told(_at_once(asked, jobs))


def _asked(overrides: Sequence[str], folders: tuple[str, ...]) -> _Asked:
    """Find the runs of a sweep. Raises ValueError where there is none."""
    with hydra_apart():
        given = [*(f"--config-dir={folder}" for folder in folders), *map(str, overrides)]
        words = read(given, names=all_settings, choices=by_group)
        source = loader(words.config_dirs)
        hydra = [each for each in words.overrides if each.lstrip("+~").startswith("hydra")]
        given = [each for each in words.overrides if each not in hydra]
        try:
            chosen = [
                f"{key}={values[0]}"
                for key, values in values_of(source, given).items()
                if len(values) == 1 and is_choice(source, key) and not key.startswith("~")
            ]
            whole = source.load_configuration(CONFIG_NAME, [*hydra, *chosen], RunMode.MULTIRUN)
            every_one = with_the_studys(whole, given)
            found = find(source, every_one, hydra, anew=True)
            return _Asked(given, tuple(words.config_dirs), hydra, found, values_of(source, every_one))
        except (HydraException, OmegaConfBaseException) as error:
            raise ValueError(explain(error)) from error


def _one_by_one(asked: _Asked, *, progress: bool) -> Ended:
    """Do all runs in this process."""
    ended: Ended = {}
    since, bar = time.time(), SweepProgress()
    for number, config in enumerate(asked.configs()):
        folders = [run_folder(each) for each in one_seed_each(config)]
        if progress and number == 0:
            num_runs = len(asked.sweep.run) * len(folders)
            bar.start(folder=folders[0].parent, num_runs=num_runs, label=str(config.study))
        try:
            execute(config, show_progress=False, since=since)
            ended |= dict.fromkeys(folders, "")
        except Exception as error:
            ended |= dict.fromkeys(folders, described(error))
        except BaseException:
            bar.finish()
            raise
    bar.finish()
    return ended


def _at_once(asked: _Asked, jobs: int) -> Ended:
    """Do all runs in other processes, by the command line."""
    flags = [word for folder in asked.folders for word in ("--config-dir", folder)]
    command = [sys.executable, "-m", "cl_bench", "run", "-m", *flags, *asked.hydra, *asked.given]
    command += ["hydra/launcher=local", f"hydra.launcher.n_jobs={jobs}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stderr.strip().removeprefix("cl-bench: ") if done.returncode else ""
    return {run_folder(one): said for each in asked.configs() for one in one_seed_each(each)}


def _told(ended: Ended) -> pd.DataFrame:
    """Return the records of the runs, and warn of those that have not finished."""
    runs = [read_run(each) for each in ended]
    failed = {run.path.name: _how(run, ended[run.path]) for run in runs if run.status != "finished"}
    if len(failed) == len(runs):
        raise SweepError(f"none of {len(runs)} runs came to its end: {next(iter(failed.values()))}")
    if failed:
        told = "; ".join(f"{name}: {how}" for name, how in list(failed.items())[:MOST_TOLD])
        more = f"; and {len(failed) - MOST_TOLD} more" if len(failed) > MOST_TOLD else ""
        message = f"{len(failed)} of {len(runs)} runs did not come to their end: {told}{more}"
        warnings.warn(message, stacklevel=3)
    there = [run.path for run in runs if run.status != "broken"]
    for note in provenance_notes(Results.read(*there).found):
        warnings.warn(note, stacklevel=3)
    return load(*there)


def _how(run: Run, raised: str) -> str:
    """Say how a run ended that has not finished: by what was raised, where it has left nothing."""
    return raised if run.status == "broken" and raised else f"{run.status}: {run.error}"
