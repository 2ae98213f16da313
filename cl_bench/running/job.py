"""One configuration in, a results folder out for each of its seeds."""

import gc
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from cl_bench.provenance import KEPT, STALE
from cl_bench.running.assembly import Parts, assemble
from cl_bench.running.compose import one_seed_each
from cl_bench.running.device_memory import DeviceMemoryError, with_advice
from cl_bench.running.fingerprints import changes
from cl_bench.running.folder import RunFolder
from cl_bench.running.lock import alone_in
from cl_bench.running.run_rules import STACKED, check_resume
from cl_bench.running.stops import Stopped
from cl_bench.running.tracking import tracked

log = logging.getLogger(__name__)


def execute(config: DictConfig, *, show_progress: bool = True) -> list[Path]:
    """Train and test as configured; write every record as it is measured. Returns a run folder for each seed.

    A finished run is left as it is, unless `resume` is false; one of other code or data than now is marked as
    stale, and done again where `resume` is stale. A run that was killed goes on from its last checkpoint, and
    one that failed begins again. Several `seeds` are trained at once where training.stacked says so,
    otherwise one after another; a seed that fails does not stop the others: the first error is raised at the
    end. A run that cannot begin, since its settings or data do not fit, leaves nothing behind.
    """
    check_resume(config.resume)
    folders, said = [RunFolder(each) for each in one_seed_each(config)], set[str]()
    left = [folder for folder in folders if not _is_done(folder)]
    if len(left) > 1 and _stacks(config):
        left = _at_once(left, show_progress=show_progress, said=said)
    errors = []
    for folder in left:
        try:
            _run([folder], show_progress=show_progress, said=said)
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return [folder.path for folder in folders]


def _is_done(folder: RunFolder) -> bool:
    """Whether there is nothing to do for a run; a finished one is marked where it is stale."""
    about = folder.finished() if folder.config.resume else None
    if about is None:
        return False
    if folder.config.resume == "stale":
        about = {key: value for key, value in about.items() if key != KEPT}
    changed, now = changes(folder.config, about)
    if changed and folder.config.resume == "stale":
        log.info("%s is stale, and done again: %s", folder.path, "; ".join(changed))
        return False
    if changed and folder.config.resume == "keep":
        folder.seen(about, **{KEPT: now, STALE: None})
    else:
        folder.seen(about, **{STALE: changed})
    log.info("%s is finished already", folder.path)
    _say_device(folder, about)
    return True


def _say_device(folder: RunFolder, about: dict[str, Any]) -> None:
    """Where another device is asked for than the run had, say so: it is no part of a run's name."""
    wanted, had = str(folder.config.training.device), str((about.get("hardware") or {}).get("device", ""))
    if had and wanted != "auto" and wanted.partition(":")[0] != had.partition(":")[0]:
        log.warning(
            "training.device=%s: %s was finished on %s before, and that is what is shown; "
            "resume=false runs it again",
            *(wanted, folder.path.name, had),
        )


def _stacks(config: DictConfig) -> bool:
    """Whether several seeds are to be trained at once: `auto` does so on a GPU, where it pays."""
    from cl_bench.running.build import device_of

    if config.training.stacked not in STACKED:
        raise ValueError(f"training.stacked must be auto, true or false, got {config.training.stacked!r}")
    if config.training.stacked == "auto":
        return device_of(config.training.device).type == "cuda"
    return config.training.stacked


def _at_once(folders: list[RunFolder], *, show_progress: bool, said: set[str]) -> list[RunFolder]:
    """Train all seeds together; returns those that are left to be run one by one."""
    from cl_bench.training.plugins import NonFiniteLossError

    try:
        _run(folders, show_progress=show_progress, said=said)
    except NonFiniteLossError as error:  # of one seed; the others need not share its fate
        log.warning("seeds trained at once: %s; they are run one by one", error)
        return folders
    except (ValueError, RuntimeError) as error:
        if folders[0].config.training.stacked != "auto":
            raise
        # settings that say that they do not stack; or an operation that does not, or memory: worth knowing
        level = logging.INFO if isinstance(error, ValueError) else logging.WARNING
        log.log(level, "these seeds could not be trained at once; they are run one by one", exc_info=True)
        return folders
    return []


def _run(folders: Sequence[RunFolder], *, show_progress: bool, said: set[str]) -> None:
    """Do a run, or several at once; `said` are notes that were told already."""
    share = 1 / len(folders)
    with ExitStack() as stack:
        # Avalanche's strategies are reference cycles; a sweep's worker goes on to the next run
        stack.callback(gc.collect)
        for folder in folders:
            stack.enter_context(alone_in(folder.path))
        folders = [folder for folder in folders if not _is_done(folder)]  # by another process, just now
        if not folders:
            return
        parts = _assembled(folders, show_progress=show_progress)
        for note in parts.notes:
            if note not in said:
                log.log(logging.WARNING if show_progress else logging.INFO, note)  # a sweep's table has them
                said.add(note)
        for folder in folders:
            stack.enter_context(_opened(folder, share=share))
            folder.tell(**parts.facts)
            stack.enter_context(tracked(folder))
        hashes = _train_and_test(folders, parts, show_progress=show_progress)
        del parts  # for the collection of garbage that follows
        for folder, sha256 in zip(folders, hashes, strict=True):
            folder.finish(share=share, weights_sha256=sha256)
            folder.drop_checkpoints()


@contextmanager
def _opened(folder: RunFolder, *, share: float) -> Iterator[None]:
    folder.open()
    try:
        yield
    except BaseException as error:
        log.info("the run ended early", exc_info=error)
        with suppress(OSError):  # a full disk, most likely: the first error is the one to show
            folder.fail(error, share=share)
            if isinstance(error, Exception) and not _may_pass(error):
                folder.drop_checkpoints()  # from there it would only fail again
        raise


def _may_pass(error: Exception) -> bool:
    """Whether the same run may do well another time: it had no memory, or no disk."""
    return isinstance(error, OSError | DeviceMemoryError)


def _assembled(folders: Sequence[RunFolder], *, show_progress: bool) -> Parts:
    """The parts of a run. Where the settings or data of a single run do not fit, its error says all and
    nothing is left behind. A run of a sweep has failed, so that the sweep's table can say why; so has one
    with an error that nobody foresaw, which has a log.
    """
    try:
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


@with_advice
def _train_and_test(folders: Sequence[RunFolder], parts: Parts, *, show_progress: bool) -> list[str]:
    """Train the runs' seeds, at once where there are several; returns a hash of each one's final weights."""
    from cl_bench.running.stopping import Stopping
    from cl_bench.streams.benchmark import to_avalanche
    from cl_bench.training.experiment import AfterTask, measurements, weights_sha256
    from cl_bench.training.generators import global_generators_restored
    from cl_bench.training.progress import Progress

    training, strategy = folders[0].config.training, parts.strategy
    stopping = Stopping()
    checkpoints = _checkpoints(folders, strategy, stopping)
    progress = Progress(
        num_tasks=parts.stream.num_tasks,
        label=folders[0].path.name.rpartition("-")[0],
        hidden=None if show_progress else True,
    )
    strategy.plugins.insert(0, progress)
    by_seed = {folder.config.seed: folder for folder in folders}
    probes = _probes(folders[0].config, parts.stream, parts.seeds, by_seed)
    if probes is not None:
        strategy.plugins.insert(0, probes)
    if checkpoints.possible:
        strategy.plugins.insert(0, stopping)
        strategy.after_step = checkpoints.after_step
    start = _begin_or_go_on(folders, checkpoints)
    try:
        with stopping.installed(), global_generators_restored(parts.seeds[0]["noise"]):
            for found in measurements(
                strategy,
                to_avalanche(parts.stream),
                seed=list(by_seed),
                test_on=training.test_on,
                test_last=training.test_last,
                start=start,
            ):
                if isinstance(found, AfterTask):
                    folder = by_seed[found.state.seed]
                    folder.append(found.state)
                    folder.append(*found.calibration)
                    if folder is folders[-1]:
                        checkpoints.after_task(found.state.after_task)
                else:
                    by_seed[found.seed].append(found)
                    progress.measured(found)
    finally:
        progress.close()
    if probes is not None:
        for folder in folders:
            folder.tell(probe_seconds=round(probes.seconds / len(folders), 3))
    return weights_sha256(strategy)


def _checkpoints(folders: Sequence[RunFolder], strategy: Any, stopping: Any) -> Any:
    from cl_bench.running.checkpoints import Checkpoints

    return Checkpoints(
        folders,
        # runs of before there was this setting are verified too
        minutes=folders[0].config.training.get("checkpoint_minutes", math.inf),
        strategy=strategy,
        stopping=stopping,
    )


def _begin_or_go_on(folders: Sequence[RunFolder], checkpoints: Any) -> Any:
    """Put the rows of the folders to where the run begins, or goes on: its `Start`, or None."""
    found = checkpoints.find() if folders[0].config.resume else None
    if found is None or not all(map(RunFolder.has, folders, found.rows)):
        for folder in folders:
            folder.begin()
            folder.drop_checkpoints()
        return None
    where = f"after task {found.start.after_task}" + (" and some steps" if found.start.in_task else "")
    log.info("the run goes on %s", where)
    for folder, rows in zip(folders, found.rows, strict=True):
        facts: dict[str, Any] = {"resumed": where}
        if found.versions != folder.about["versions"]:
            log.warning("the run began with other versions: its end may differ in the last digits")
            facts["began_with_versions"] = found.versions
        folder.go_on(rows, found.seconds, **facts)
    return found.start


def _probes(config: DictConfig, stream: Any, seeds: Sequence[Any], folders: dict[int, RunFolder]) -> Any:
    """The plugin of training.probe_every, which writes into each seed's folder; None where it is null."""
    training = config.training
    if training.probe_every is None:
        return None
    from cl_bench.training.probes import Probes, probe_experiences

    def write(rows: list[Any]) -> None:
        for seed, folder in folders.items():
            folder.append(*(row for row in rows if row.seed == seed))

    return Probes(
        probe_experiences(stream, test_on=training.test_on, size=training.probe_size, seeds=seeds),
        every=training.probe_every,
        test_last=training.test_last,
        seeds=list(folders),
        write=write,
    )
