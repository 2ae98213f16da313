"""`cl-bench run`: Hydra's command line, whose words and settings are checked before anything is made."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode

from cl_bench.cli.exit_status import status_of
from cl_bench.cli.run_summary import overall
from cl_bench.config.choices import by_group, say_hidden
from cl_bench.config.compose import CONFIG_NAME, VERSION_BASE, all_settings, loader, register
from cl_bench.config.places import conf_folder
from cl_bench.config.sweep import find, is_choice, with_the_studys
from cl_bench.config.words import WordError, Words, one_run, read
from cl_bench.records.atomic import read_whole
from cl_bench.runner.job import job
from cl_bench.runner.run_folder import LOG
from cl_bench.runner.sweep_progress import PLAN, SweepProgress

log = logging.getLogger(__name__)

LAUNCHER, ELSEWHERE = "hydra/launcher", ("slurm", "ray")  # which start runs in other processes or places
OUR_SWEEPER = "hydra_plugins.cl_bench_sweeper"
JOBS = "multirun.yaml"  # Hydra's, of a sweep


def main(arguments: Sequence[str]) -> int:
    """Run or sweep, and say how all runs ended; return the exit status."""
    since = time.time()
    status, folder = hydra_run(arguments)
    # of a single run its error says it all
    failed_alone = status != 0 and folder is not None and (folder / "run.json").exists()
    if folder is None or not folder.is_dir() or failed_alone:
        return status
    said, complete = overall(folder, since=since, before=SweepProgress.before)
    print(said)
    return status or int(not complete)


def hydra_run(arguments: Sequence[str]) -> tuple[int, Path | None]:
    """Run or sweep.

    Returns:
        The exit status: 0, 1 where a run failed, 2 for a wrong command line. Second, the folder of the run,
        or of all runs of a sweep, where something ran.
    """
    register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise, instead of printing and leaving
    # our hydra/launcher=ray has the name of Ray's own
    warnings.filterwarnings("ignore", message="(?s).*validated against ConfigStore schema")
    # the error that Hydra tells of so is raised once more, and said then
    warnings.filterwarnings("ignore", message="(?s)Callback SweepProgress")
    given: list[Words] = []
    mode: list[RunMode | None] = []

    def look() -> None:
        given.append(read(arguments, names=all_settings, choices=by_group))
        if given[0].runs:
            mode.append(check(given[0]))

    status = status_of(look)
    if status:
        return (2 if status == 1 else status), None
    (words,) = given
    sys.argv = ["cl-bench", *words.as_hydra_reads]
    application = hydra.main(
        version_base=VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME
    )(update_wrapper(partial(job, since=time.time()), job))
    SweepProgress.folder, SweepProgress.study, SweepProgress.missing = None, None, ()
    SweepProgress.before = {}

    def work() -> None:
        try:
            with _hydra_is_quiet(), _known(mode[0]) if mode else nullcontext():
                application()
        finally:
            if SweepProgress.at_work is not None:
                SweepProgress.at_work.finish()

    status = status_of(work)
    folder = SweepProgress.folder
    if status and folder is not None and not any(folder.rglob("run.json")) and not _has_traceback(folder):
        _leave_nothing(folder, made=SweepProgress.missing)
    return status, (SweepProgress.study or folder) if status != 2 else None


def _has_traceback(folder: Path) -> bool:
    try:
        return b"Traceback" in read_whole(folder / LOG)
    except (OSError, ValueError):
        return False


def _leave_nothing(folder: Path, *, made: Sequence[Path]) -> None:
    """Remove what Hydra and a sweep's plan have left of a command that began nothing."""
    jobs = [each.parent for each in folder.glob(f"*/{LOG}") if not _has_traceback(each.parent)]
    for place in (folder, *jobs):
        for name in (LOG, PLAN, JOBS):
            (place / name).unlink(missing_ok=True)
    for place in (*jobs, *made):
        with suppress(OSError):
            place.rmdir()  # only where it is empty


def check(words: Words) -> RunMode | None:
    """Check all jobs of a command line, and say what is left out.

    Returns:
        The mode that the configuration sets, if it does.

    Raises:
        SettingError, WordError, HydraException: where nothing of it can be run.
    """
    source = loader(words.config_dirs)
    say_hidden(words.config_dirs)
    parsed = OverridesParser.create(config_loader=source).parse_overrides(words.overrides)
    hydra_own = [str(each.input_line) for each in parsed if each.is_hydra_override()]
    settings = [each for each in parsed if not each.is_hydra_override()]
    for each in settings:
        if each.value() is None and not each.is_delete() and is_choice(source, each.get_key_element()):
            raise WordError(f"{each.input_line} is no choice: type {each.key_or_group}=none, or leave it out")
    fixed = [
        str(each.input_line)
        for each in settings
        if not each.is_sweep_override() and is_choice(source, each.get_key_element())
    ]
    mode = RunMode.MULTIRUN if any(each.is_sweep_override() for each in parsed) else RunMode.RUN
    whole = source.load_configuration(CONFIG_NAME, [*hydra_own, *fixed], mode, validate_sweep_overrides=False)
    sweeps = words.sweeps or whole.hydra.mode == RunMode.MULTIRUN
    given = [str(each.input_line) for each in settings]
    elsewhere = [
        each for each in hydra_own if each.startswith(tuple(f"{LAUNCHER}={name}" for name in ELSEWHERE))
    ]
    if elsewhere and not sweeps:
        raise WordError(f"{elsewhere[0]} starts the runs of a sweep, and this is one run here: add -m")
    if not sweeps:
        find(source, one_run(given), hydra_own, anew=True, composed={tuple(fixed): whole})
    elif str(whole.hydra.sweeper["_target_"]).startswith(OUR_SWEEPER):
        sweep = find(source, with_the_studys(whole, given), hydra_own, anew=True)
        for note in sweep.notes:
            print(f"cl-bench: {note}", file=sys.stderr)
        if (
            words.sweeps
            and len(sweep.run) == 1
            and not sweep.left_out
            and not any(each.startswith("seeds=") for each in given)
        ):
            print(
                "cl-bench: -m sweeps over several values, as in seed=0,1; here are none: this is one run",
                file=sys.stderr,
            )
    return whole.hydra.mode


@contextmanager
def _hydra_is_quiet() -> Iterator[None]:
    """Keep Hydra from printing the overrides of a job that failed, before its error says why."""

    def value(done: JobReturn) -> Any:
        if done.status is not JobStatus.COMPLETED:
            raise done._return_value
        return done._return_value

    loud = JobReturn.return_value
    JobReturn.return_value = loud.getter(value)  # type: ignore[method-assign, attr-defined]
    try:
        yield
    finally:
        JobReturn.return_value = loud  # type: ignore[method-assign]


@contextmanager
def _known(mode: RunMode | None) -> Iterator[None]:
    """Spare Hydra from composing everything once more in order to find the mode."""
    finds = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: mode  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = finds  # type: ignore[method-assign]
