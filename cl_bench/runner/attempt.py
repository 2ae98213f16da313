"""An attempt at a run: it begins, or resumes from a checkpoint, and trains and tests to the end."""

from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig

from cl_bench.runner.assembly import Parts
from cl_bench.runner.device_memory import with_advice
from cl_bench.runner.equipment import equipped
from cl_bench.runner.run_folder import RunFolder


@with_advice
def train_and_test(folders: Sequence[RunFolder], parts: Parts, *, show_progress: bool) -> list[str]:
    """Train the runs' seeds, at once where there are several; returns a hash of each one's final weights.

    Raises:
        UnfitCheckpointError: where a checkpoint looked right and was not. The strategy is of no more use.
    """
    from cl_bench.evaluation.experiment import weights_sha256

    training = folders[0].config.training
    seeds = [folder.config.seed for folder in folders]
    with equipped(folders, parts, show_progress=show_progress) as equipment:
        for rows in measured(parts, training, seeds=seeds, start=equipment.start):
            equipment.keep(rows)
    return weights_sha256(parts.strategy)


def measured(
    parts: Parts, training: DictConfig, *, seeds: Sequence[int], start: Any = None
) -> Iterator[list[Any]]:
    """Train on each task, and yield the rows of all that the settings of training ask to be measured.

    Args:
        seeds: written into the rows.
        start: a `Start`, where the run resumes; None: it begins.
    """
    from cl_bench.evaluation.experiment import measurements
    from cl_bench.evaluation.foreign import foreign_experiences
    from cl_bench.streams.benchmark import to_avalanche

    foreign = [
        foreign_experiences(
            each.test_images, parts.stream, name=each.name, size=training.ood_size, seeds=parts.seeds
        )
        for each in parts.foreign
    ]
    return measurements(
        parts.strategy,
        parts.benchmark or to_avalanche(parts.stream),
        seed=seeds,
        test_on=training.test_on,
        test_last=training.test_last,
        test_all_at_end=training.get("test_all_at_end", False),
        start=start,
        also_test=training.get("also_test", ()),  # of runs of before there was it: none
        foreign=foreign,
    )
