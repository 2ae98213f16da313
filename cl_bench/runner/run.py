"""One configuration in, a results folder out for each of its seeds."""

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from cl_bench.config.compose import one_seed_each
from cl_bench.config.run_rules import STACKED, check_resume
from cl_bench.evaluation.terminal import busy
from cl_bench.records.lock import RunInUseError
from cl_bench.records.provenance import KEPT, STALE
from cl_bench.runner.assembly import Parts, assemble
from cl_bench.runner.attempt import train_and_test
from cl_bench.runner.device_memory import DeviceMemoryError
from cl_bench.runner.endings import ends_alone
from cl_bench.runner.equipment import UnfitCheckpointError
from cl_bench.runner.fingerprints import changes
from cl_bench.runner.halves import free_memory, halves, release, were_too_many
from cl_bench.runner.run_folder import RunFolder, finished_since, opened
from cl_bench.runner.stopped import Stopped
from cl_bench.runner.together import to_finish_together
from cl_bench.runner.tracking import tracked

log = logging.getLogger(__name__)


class _Command(NamedTuple):
    """What the runs of a command have in common."""

    since: float  # when it began, in seconds of the clock
    show_progress: bool
    said: set[str] | None  # notes that were told already; None: they are for the log alone
    logged: set[str]  # those that are in the log alone


class _Taken(NamedTuple):
    """A run that another process is running."""

    folder: RunFolder
    error: RunInUseError


def execute(
    config: DictConfig,
    *,
    show_progress: bool = True,
    since: float | None = None,
    said: set[str] | None = None,
) -> list[Path]:
    """Train and test as configured; write every record as it is measured. Returns a run folder for each seed.

    A finished run is left as it is, unless `resume` is false. One of other code or data than now is marked as
    stale, and done again where `resume` is stale. A run that was killed resumes from its last checkpoint, and
    one that failed begins again. Several `seeds` are trained at once where training.stacked says so,
    otherwise one after another; a seed that fails, or that another process is running, does not stop the
    others: the first error is raised at the end. A run that cannot begin, since its settings or data do not
    fit, leaves nothing behind.

    Args:
        since: when the command began: with `resume=false`, what another process has finished after that is
            not done again. None: now.
        said: notes that a sweep has told already, to which those of this run are added. None: a run without
            progress tells none, since its sweep's table does.
    """
    check_resume(config.resume)
    told = set() if show_progress else said
    command = _Command(time.time() if since is None else since, show_progress, told, set())
    folders = [RunFolder(each) for each in one_seed_each(config)]
    with ends_alone():
        left = _left(folders, command)
    taken: list[_Taken] = []
    if len(left) > 1 and _stacks(config):
        left = _at_once(left, command, taken)
    errors: list[Exception] = []
    for folder in left:
        _try(folder, command, taken, errors)
    still: list[_Taken] = []
    for folder, error in taken if len(folders) > 1 else ():
        log.warning("%s; the other seeds were run meanwhile", error)
        _try(folder, command, still, errors)  # it may be finished by now
    errors += [each.error for each in (still if len(folders) > 1 else taken)]
    if errors:
        raise errors[0]
    return [folder.path for folder in folders]


def _left(folders: Sequence[RunFolder], command: _Command) -> list[RunFolder]:
    """The runs that there is something to do for, as far as can be seen without their locks."""
    group = to_finish_together(folders) if folders[0].config.resume else []
    left = [folder for folder in folders if folder not in group and not _is_done(folder, command)]
    return group if not left else [*left, *(folder for folder in group if not _is_done(folder, command))]


def _try(folder: RunFolder, command: _Command, taken: list[_Taken], errors: list[Exception]) -> None:
    """Do a run, or note why that could not be."""
    try:
        _run([folder], command, taken)
    except Exception as error:
        errors.append(error)


def _is_done(folder: RunFolder, command: _Command) -> bool:
    """Whether there is nothing to do for a run; a finished one is marked where it is stale."""
    about = folder.finished()
    if about is None:
        if folder.config.resume:
            folder.ask_again()
        return False
    if not folder.config.resume:
        return finished_since(about, command.since)
    if folder.config.resume == "stale":
        about = {key: value for key, value in about.items() if key != KEPT}
    changed, now = changes(folder.config, about)
    if changed and folder.config.resume == "stale":
        log.info("%s is stale, and done again: %s", folder.path, "; ".join(changed))
        return False
    if changed and folder.config.resume == "keep":
        _mark(folder, about, {KEPT: now, STALE: None})
    else:
        _mark(folder, about, {STALE: changed})
    log.info("%s is finished already", folder.path)
    _say_device(folder, about)
    return True


def _mark(folder: RunFolder, about: dict[str, Any], facts: dict[str, Any]) -> None:
    """Say what is to be said of a finished run, and remove what a kill at its end has left; both only where
    no other process has it.
    """
    with suppress(RunInUseError), folder.held():
        folder.seen(about, **facts)
        folder.tidy()


def _say_device(folder: RunFolder, about: dict[str, Any]) -> None:
    """Warn where another device is asked for than the run had, which is no part of a run's name."""
    wanted, had = str(folder.config.training.device), str((about.get("hardware") or {}).get("device", ""))
    kinds = (each.partition(":")[0].replace("gpu", "cuda") for each in (wanted, had))
    if had and wanted != "auto" and len(set(kinds)) > 1:
        log.warning(
            "training.device=%s: %s was finished on %s before, and that is what is shown; "
            "resume=false runs it again",
            *(wanted, folder.path.name, had),
        )


def _stacks(config: DictConfig) -> bool:
    """Whether several seeds are to be trained at once: `auto` does so on a GPU, where it pays."""
    from cl_bench.config.build import device_of

    if config.training.stacked not in STACKED:
        raise ValueError(f"training.stacked must be auto, true or false, got {config.training.stacked!r}")
    if config.training.stacked == "auto":
        return device_of(config.training.device).type == "cuda"
    return config.training.stacked


def _at_once(folders: list[RunFolder], command: _Command, taken: list[_Taken]) -> list[RunFolder]:
    """Train all seeds together, or in halves, and halves of these, where memory is too small; returns those
    that are left to be run one by one.
    """
    if len(folders) > 1 and not were_too_many(folders):
        held_by_others: list[_Taken] = []
        left = _tried_at_once(folders, command, held_by_others)
        if left is not None:
            taken += held_by_others
            return left
        free_memory()
    if len(folders) == 1:
        return folders
    return [left for half in halves(folders) for left in _at_once(half, command, taken)]


def _tried_at_once(
    folders: list[RunFolder], command: _Command, taken: list[_Taken]
) -> list[RunFolder] | None:
    """Train all seeds together; returns those that are left to be run one by one, and None where memory is
    too small.
    """
    from cl_bench.records.errors import NonFiniteLossError

    try:
        _run(folders, command, taken)
    except DeviceMemoryError as error:
        seeds = ", ".join(str(folder.config.seed) for folder in folders)
        log.warning("seeds %s at once: %s; they begin anew in two halves", seeds, str(error))
        release(error)
        return None
    except NonFiniteLossError as error:  # of one seed; the others need not share its fate
        log.warning("seeds trained at once: %s; they are run one by one", error)
        return folders
    except (ValueError, RuntimeError) as error:
        if folders[0].config.training.stacked != "auto":
            raise
        # settings that say that they do not stack; or an operation that does not: worth knowing
        level = logging.INFO if isinstance(error, ValueError) else logging.WARNING
        log.log(level, "these seeds could not be trained at once; they are run one by one", exc_info=True)
        return folders
    return []


def _run(folders: Sequence[RunFolder], command: _Command, taken: list[_Taken]) -> None:
    """Do a run, or several at once. Those that another process has are `taken`, and left to it."""
    with ends_alone(), _leaves_no_garbage(), ExitStack() as stack:
        ours = []
        for folder in folders:
            try:
                stack.enter_context(folder.held())
                ours.append(folder)
            except RunInUseError as error:
                taken.append(_Taken(folder, error))
        # what another process has done meanwhile; of some that finish together all have their last checkpoint
        if not (len(ours) > 1 and to_finish_together(ours) == ours):
            ours = [folder for folder in ours if not _is_done(folder, command)]
        if ours:
            _do(ours, command, stack)


@contextmanager
def _leaves_no_garbage() -> Iterator[None]:
    """Free what a run has made: strategies are reference cycles, and a sweep continues with the next run.

    Objects of before are not looked at meanwhile: torch and Avalanche have 200,000.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


def _do(folders: Sequence[RunFolder], command: _Command, stack: ExitStack) -> None:
    """Train and test; the folders are this process's, which is as before afterwards."""
    with busy("loading torch", hidden=not command.show_progress):
        from cl_bench.learner.process import process_restored
    stack.enter_context(process_restored())
    parts, share = _assembled(folders, show_progress=command.show_progress), 1 / len(folders)
    _tell(parts, folders[0], command)
    for folder in folders:
        stack.enter_context(opened(folder, share=share))
        folder.tell(**parts.facts)
        stack.enter_context(tracked(folder))
    hashes = None
    while hashes is None:
        try:
            hashes = train_and_test(folders, parts, show_progress=command.show_progress)
        except UnfitCheckpointError as error:
            log.warning("%s; it is left aside", error)
            error.path.unlink(missing_ok=True)
            del parts  # one strategy alone has room
            release(error)
            parts = assemble(folders, show_progress=command.show_progress)
    del parts  # for the collection of garbage that follows
    for folder, sha256 in zip(folders, hashes, strict=True):
        folder.finish(share=share, weights_sha256=sha256)
    for folder in folders:  # the first one's are of all
        folder.drop_checkpoints()


def _tell(parts: Parts, folder: RunFolder, command: _Command) -> None:
    """Tell what there is to know before any training, once a command; in a sweep what a run records, since
    its table says the rest.
    """
    for note in parts.notes:
        told = note if command.show_progress else f"{folder.config.benchmark.name}: {note}"
        if command.said is None or not (command.show_progress or note in parts.facts["notes"]):
            if told not in command.logged:
                log.info(told)
                command.logged.add(told)
        elif told not in command.said:
            log.warning(told)
            command.said.add(told)


def _assembled(folders: Sequence[RunFolder], *, show_progress: bool) -> Parts:
    """The parts of a run. Where the settings or data of a single run do not fit, its error says all and
    nothing is left behind. A run of a sweep has failed, so that the sweep's table can say why; so has one
    with an error that nobody foresaw, which has a log.
    """
    try:
        with ends_alone():
            return assemble(folders, show_progress=show_progress)
    except (KeyboardInterrupt, Stopped):
        for folder in folders:
            folder.discard()
        raise
    except Exception as error:
        if show_progress and isinstance(error, ValueError | OSError):
            for folder in folders:
                folder.discard()
            raise
        log.info("the run cannot begin", exc_info=error)
        for folder in folders:
            folder.open()
            folder.fail(error, share=1 / len(folders))
        raise
