"""An attempt at a run: it begins, or resumes from a checkpoint, and trains and tests to the end."""

from collections.abc import Sequence

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
    from cl_bench.evaluation.experiment import measurements, weights_sha256
    from cl_bench.evaluation.foreign import foreign_experiences
    from cl_bench.streams.benchmark import to_avalanche

    training = folders[0].config.training
    with equipped(folders, parts, show_progress=show_progress) as equipment:
        for rows in measurements(
            parts.strategy,
            parts.benchmark or to_avalanche(parts.stream),
            seed=[folder.config.seed for folder in folders],
            test_on=training.test_on,
            test_last=training.test_last,
            start=equipment.start,
            also_test=training.get("also_test", ()),
            foreign=[
                foreign_experiences(each.test_images, parts.stream, size=training.ood_size, seeds=parts.seeds)
                for each in parts.foreign
            ],
        ):
            equipment.keep(rows)
    return weights_sha256(parts.strategy)
