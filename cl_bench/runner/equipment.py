"""What a strategy is equipped with for a run: progress, probes, checkpoints, and a way to stop it."""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.lock import RunInUseError
from cl_bench.records.rows import Record
from cl_bench.runner.assembly import Parts
from cl_bench.runner.device_memory import is_memory
from cl_bench.runner.run_folder import RunFolder

log = logging.getLogger(__name__)


class UnfitCheckpointError(ValueError):
    """A run could not resume from its checkpoint: it failed before it took a step.

    Attributes:
        path: of the checkpoint.
    """

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(f"{path} does not fit: {type(error).__name__}: {error}")
        self.path = path


class Equipment(NamedTuple):
    """What belongs to one attempt at a run."""

    folders: Sequence[RunFolder]
    checkpoints: Any  # `Checkpoints`
    progress: Any  # `Progress`
    saving: Any  # `Saving`
    start: Any  # a `Start`, where the run resumes; None where it begins

    def keep(self, rows: Sequence[Any]) -> None:
        """Write what was measured and is to be saved into each seed's folder, and then a checkpoint."""
        by_seed = {folder.config.seed: folder for folder in self.folders}
        # each record by itself, which costs a moment: a full disk leaves those before it
        for (seed, _), group in groupby(rows, key=lambda row: (row.seed, _appended_with(row))):
            by_seed[seed].append(*group)
        self.saving.after_tests(rows)
        self.checkpoints.after_task(rows[-1].after_task)
        self.progress.measured(rows)


def _appended_with(row: Any) -> Any:
    return row if isinstance(row, Record) else type(row)


@contextmanager
def equipped(folders: Sequence[RunFolder], parts: Parts, *, show_progress: bool) -> Iterator[Equipment]:
    """Give the strategy its plugins, and the folders their beginning: as new, or as the checkpoint says.

    Raises:
        UnfitCheckpointError: where the run fails before it has taken a step from its checkpoint.
    """
    from cl_bench.evaluation.progress import Progress
    from cl_bench.learner.seeds import global_generators_restored
    from cl_bench.learner.state import UNFIT
    from cl_bench.runner.saving import Saving
    from cl_bench.runner.signals import Stopping

    strategy, num_tasks = parts.strategy, parts.stream.num_tasks
    stopping = Stopping()
    checkpoints = _checkpoints(folders, strategy, stopping, num_tasks=num_tasks)
    label = folders[0].path.name.rpartition("-")[0]
    progress = Progress(num_tasks=num_tasks, label=label, hidden=None if show_progress else True)
    probes, saving = _probes(folders, parts), Saving(folders, parts)
    plugins = [stopping if checkpoints.possible else None, probes, progress, saving.plugin]
    strategy.plugins[:0] = [each for each in plugins if each is not None]
    if checkpoints.possible:
        strategy.after_step = checkpoints.after_step
    found = _begin_or_go_on(folders, checkpoints, saving)
    try:
        with stopping.installed(), global_generators_restored(parts.seeds[0]["noise"]):
            start = None if found is None else found.start
            yield Equipment(folders, checkpoints, progress, saving, start)
    except (ValueError, *UNFIT) as error:
        if found is None or checkpoints.has_moved or isinstance(error, RunInUseError) or is_memory(error):
            raise
        raise UnfitCheckpointError(found.path, error) from error
    finally:
        progress.close()
    if probes is not None:
        for folder in folders:
            folder.tell(probe_seconds=round(probes.seconds / len(folders), 3))


def _checkpoints(folders: Sequence[RunFolder], strategy: Any, stopping: Any, *, num_tasks: int) -> Any:
    from cl_bench.runner.checkpoints import Checkpoints

    return Checkpoints(
        folders,
        # runs of before there was this setting are verified too
        minutes=folders[0].config.training.get("checkpoint_minutes", math.inf),
        strategy=strategy,
        stopping=stopping,
        num_tasks=num_tasks,
    )


def _begin_or_go_on(folders: Sequence[RunFolder], checkpoints: Any, saving: Any) -> Any:
    """Put the rows of the folders to where the run begins, or resumes: what was found there, or None."""
    found = checkpoints.find() if folders[0].config.resume else None
    lacking = [] if found is None else saving.lacking(found.start.after_task)
    if lacking:
        log.warning("%s is to be saved, and was not: the run begins anew, to make it", lacking[0].name)
        found = checkpoints.forget()
    if found is None:
        for folder in folders:
            folder.begin()
            folder.drop_checkpoints()
        return None
    saving.resumes(found.start.after_task)
    where = f"after task {found.start.after_task}" + (" and some steps" if found.start.in_task else "")
    log.info("the run goes on %s", where)
    for folder, sizes in zip(folders, found.sizes, strict=True):
        facts: dict[str, Any] = {"resumed": where}
        if found.versions != folder.about["versions"]:
            log.warning("the run began with other versions: its end may differ in the last digits")
            facts["began_with_versions"] = found.versions
        folder.go_on(sizes, found.seconds, **facts)
    return found


def _probes(folders: Sequence[RunFolder], parts: Parts) -> Any:
    """The plugin of training.probe_every, which writes into each seed's folder; None where it is null."""
    training = folders[0].config.training
    if training.probe_every is None:
        return None
    from cl_bench.evaluation.probes import Probes, probe_experiences

    def write(rows: list[Any]) -> None:
        for folder in folders:
            folder.append(*(row for row in rows if row.seed == folder.config.seed))

    return Probes(
        probe_experiences(
            parts.stream, test_on=training.test_on, size=training.probe_size, seeds=parts.seeds
        ),
        every=training.probe_every,
        test_last=training.test_last,
        seeds=[folder.config.seed for folder in folders],
        write=write,
    )
