"""Several data sets one after another."""

import torch

from cl_bench.data import ImageData
from cl_bench.streams.blur import blurred
from cl_bench.streams.builders import of_groups
from cl_bench.streams.contents import check_split
from cl_bench.streams.parts import Parts, draw_parts
from cl_bench.streams.tasks import TaskStream
from cl_bench.streams.transforms import padded


def sequence(
    *,
    data: ImageData,
    padding: int,
    scenario: str,
    pixels: str,
    augmentation: str,
    validation_share: float,
    num_train: int | None,
    blur: float,
    generator: torch.Generator,
) -> TaskStream:
    """Give each task one of several data sets, in the order in which they were joined.

    Args:
        data: as `cl_bench.data.several` joins them: its `groups` say where each ends.
        scenario: `task` (a head a data set) and `domain` (one head) have labels within the data set, and as
            many outputs as the largest set has classes. `class` has one head for the classes of all.
        pixels: as in `permuted`. The moments of `standardised` are those of the images of all sets.
        validation_share: of the training images of each data set.
        num_train: images of each data set.
        blur: as in `permuted`.
        Others as in `split`.

    Raises:
        ValueError: for a single data set, or one that names the setting, its value and the rule.
    """
    data = padded(data, padding)
    if len(data.groups) < 2:
        raise ValueError(
            f"a sequence needs several data sets, got {data.name} alone; set benchmark/dataset=several and "
            "benchmark.dataset.datasets=[...], or take benchmark=split"
        )
    groups = torch.arange(len(data.class_names)).split(list(data.groups))
    parts = _of_each(
        data, groups, validation_share=validation_share, num_train=num_train, generator=generator
    )
    stream = of_groups(data, groups, parts=parts, scenario=scenario, pixels=pixels, augmentation=augmentation)
    check_split(stream, data, groups, validation_share=validation_share, num_train=num_train)
    stream = blurred(stream, blur, generator)
    return stream._replace(order=frozenset())  # it is the same for every seed


def _of_each(
    data: ImageData,
    groups: tuple[torch.Tensor, ...],
    *,
    validation_share: float,
    num_train: int | None,
    generator: torch.Generator,
) -> Parts:
    """Draw the training and validation images of each data set for itself."""
    drawn = []
    for group in groups:
        mine = torch.isin(data.train_labels, group).nonzero().squeeze(1)
        parts = draw_parts(
            len(mine), validation_share=validation_share, num_train=num_train, generator=generator
        )
        drawn.append(Parts(*(None if each is None else mine[each] for each in parts)))
    return Parts(*(None if None in part else torch.cat(part) for part in zip(*drawn, strict=True)))
