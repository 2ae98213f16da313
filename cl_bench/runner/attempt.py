"""An attempt at a run: it begins, or goes on from a checkpoint, and trains and tests to the end."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from cl_bench.records.lock import RunInUseError
from cl_bench.runner.assembly import Parts
from cl_bench.runner.device_memory import is_memory, with_advice
from cl_bench.runner.run_folder import RunFolder

log = logging.getLogger(__name__)


class UnfitCheckpointError(ValueError):
    """A run could not go on from its checkpoint: it failed before it took a step.

    Attributes:
        path: of the checkpoint.
    """

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(f"{path} does not fit: {type(error).__name__}: {error}")
        self.path = path


@with_advice
def train_and_test(folders: Sequence[RunFolder], parts: Parts, *, show_progress: bool) -> list[str]:
    """Train the runs' seeds, at once where there are several; returns a hash of each one's final weights.

    Raises:
        UnfitCheckpointError: where a checkpoint looked right and was not. The strategy is of no more use.
    """
    from cl_bench.evaluation.experiment import AfterTask, measurements, weights_sha256
    from cl_bench.evaluation.progress import Progress
    from cl_bench.learner.seeds import global_generators_restored
    from cl_bench.learner.state import UNFIT
    from cl_bench.runner.signals import Stopping
    from cl_bench.streams.benchmark import to_avalanche

    training, strategy = folders[0].config.training, parts.strategy
    stopping = Stopping()
    checkpoints = _checkpoints(folders, strategy, stopping, num_tasks=parts.stream.num_tasks)
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
    found = _begin_or_go_on(folders, checkpoints)
    try:
        with stopping.installed(), global_generators_restored(parts.seeds[0]["noise"]):
            for measured in measurements(
                strategy,
                to_avalanche(parts.stream),
                seed=list(by_seed),
                test_on=training.test_on,
                test_last=training.test_last,
                start=None if found is None else found.start,
            ):
                if isinstance(measured, AfterTask):
                    folder = by_seed[measured.state.seed]
                    folder.append(measured.state)
                    folder.append(*measured.calibration)
                    if folder is folders[-1]:
                        checkpoints.after_task(measured.state.after_task)
                else:
                    by_seed[measured.seed].append(measured)
                    progress.measured(measured)
    except (ValueError, *UNFIT) as error:
        if found is None or checkpoints.has_moved or isinstance(error, RunInUseError) or is_memory(error):
            raise
        raise UnfitCheckpointError(found.path, error) from error
    finally:
        progress.close()
    if probes is not None:
        for folder in folders:
            folder.tell(probe_seconds=round(probes.seconds / len(folders), 3))
    return weights_sha256(strategy)


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


def _begin_or_go_on(folders: Sequence[RunFolder], checkpoints: Any) -> Any:
    """Put the rows of the folders to where the run begins, or goes on: what was found there, or None."""
    found = checkpoints.find() if folders[0].config.resume else None
    if found is None:
        for folder in folders:
            folder.begin()
            folder.drop_checkpoints()
        return None
    where = f"after task {found.start.after_task}" + (" and some steps" if found.start.in_task else "")
    log.info("the run goes on %s", where)
    for folder, sizes in zip(folders, found.sizes, strict=True):
        facts: dict[str, Any] = {"resumed": where}
        if found.versions != folder.about["versions"]:
            log.warning("the run began with other versions: its end may differ in the last digits")
            facts["began_with_versions"] = found.versions
        folder.go_on(sizes, found.seconds, **facts)
    return found


def _probes(config: DictConfig, stream: Any, seeds: Sequence[Any], folders: dict[int, RunFolder]) -> Any:
    """The plugin of training.probe_every, which writes into each seed's folder; None where it is null."""
    training = config.training
    if training.probe_every is None:
        return None
    from cl_bench.evaluation.probes import Probes, probe_experiences

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
