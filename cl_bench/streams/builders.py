"""Data set -> stream of tasks. Settings have no defaults here; they stand in conf/benchmark."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cl_bench.data import ImageData
from cl_bench.streams.tasks import SCENARIOS, Scaling, SharedImages, TaskData, TaskStream, View
from cl_bench.streams.transforms import Permutation, Rotation, identity

PIXELS = ("unit", "standardised")


def permuted(
    *,
    data: ImageData,
    num_tasks: int,
    scenario: str,
    permute_first: bool,
    pixels: str,
    validation_share: float,
    generator: torch.Generator,
) -> TaskStream:
    """Each task rearranges the pixels of all images in its own way (Goodfellow et al. 2013).

    Args:
        num_tasks: at least 1.
        scenario: `task` (a head a task), `domain` (one head, the same classes) or `class` (one head, new
            classes in every task).
        permute_first: whether the first task is permuted too, or shows the images as they are.
        pixels: `unit` for [0, 1], `standardised` for mean 0 and variance 1 of the training images (of all
            values together; of each channel in `rotated` and `split`).
        validation_share: of the training images, kept out of training, in [0, 1).
        generator: draws the permutations and the validation images.

    Raises:
        ValueError: that names the setting, its value and the rule.
    """
    num_values = data.train_images[0].numel()
    orders = [torch.randperm(num_values, generator=generator) for _ in range(check_num_tasks(num_tasks))]
    views: list[View] = [Permutation(order) for order in orders]
    if not permute_first:
        views[0] = identity
    scaling = _scaling(data, pixels, by_channel=False)  # a value's channel is not its own any more
    return _transformed(data, views, scenario, scaling, validation_share, generator)


def rotated(
    *,
    data: ImageData,
    num_tasks: int,
    scenario: str,
    max_degrees: float,
    pixels: str,
    validation_share: float,
    generator: torch.Generator,
) -> TaskStream:
    """Task t rotates all images by (t - 1) / (num_tasks - 1) * max_degrees; otherwise as `permuted`."""
    check_number("max_degrees", max_degrees)
    step = max_degrees / max(check_num_tasks(num_tasks) - 1, 1)
    views: list[View] = [Rotation(step * task) for task in range(num_tasks)]
    return _transformed(data, views, scenario, _scaling(data, pixels), validation_share, generator)


def split(
    *,
    data: ImageData,
    num_tasks: int,
    scenario: str,
    class_order: str | Sequence[int],
    pixels: str,
    validation_share: float,
    generator: torch.Generator,
) -> TaskStream:
    """Each task has some of the classes; an uneven split gives the first tasks one class more and loses none.

    Args:
        scenario: `task` (labels within the task, a head a task), `domain` (labels within the task, one head)
            or `class` (all classes, one head; a class is numbered by its place in the order).
        class_order: `fixed` (as the data set numbers them), `seeded` (drawn by the generator) or a list of
            all classes.
        Others as in `permuted`.
    """
    num_classes = len(data.class_names)
    if check_num_tasks(num_tasks) > num_classes:
        raise ValueError(
            f"a split needs a class a task: num_tasks must be at most {num_classes}, got {num_tasks=}"
        )
    order = _class_order(class_order, num_classes, generator)
    groups = torch.tensor(order).tensor_split(num_tasks)
    place = torch.empty(num_classes, dtype=torch.int64)
    place[torch.tensor(order)] = torch.arange(num_classes)

    def relabel(labels: Tensor, group: Tensor) -> Tensor:
        return place[labels] - (0 if scenario == "class" else place[group[0]])

    def tasks(images: SharedImages, labels: Tensor, among: Tensor | None) -> tuple[TaskData, ...]:
        found = []
        for task, group in enumerate(groups):
            mine = torch.isin(labels, group).nonzero().squeeze(1)
            if among is not None:
                mine = mine[torch.isin(mine, among)]
            head = task if scenario == "task" else 0
            found.append(
                TaskData(
                    images, mine, relabel(labels[mine], group), head=head, view=identity, to_float=scaling
                )
            )
        return tuple(found)

    check_choice("scenario", scenario, SCENARIOS)
    scaling = _scaling(data, pixels)
    train_part, validation_part = _validation_split(len(data.train_labels), validation_share, generator)
    train_images = SharedImages(data.train_images)
    return TaskStream(
        train=tasks(train_images, data.train_labels, train_part),
        validation=tasks(train_images, data.train_labels, validation_part)
        if validation_part is not None
        else (),
        test=tasks(SharedImages(data.test_images), data.test_labels, None),
        scenario=scenario,
        input_shape=_image_shape(data),
        num_classes=num_classes if scenario == "class" else max(len(group) for group in groups),
        num_heads=num_tasks if scenario == "task" else 1,
    )


def _transformed(
    data: ImageData,
    views: list[View],
    scenario: str,
    scaling: Scaling,
    validation_share: float,
    generator: torch.Generator,
) -> TaskStream:
    """All examples in every task, each task seen through its own view."""
    check_choice("scenario", scenario, SCENARIOS)
    num_classes = len(data.class_names)
    train_part, validation_part = _validation_split(len(data.train_labels), validation_share, generator)

    def tasks(images: SharedImages, labels: Tensor, among: Tensor | None) -> tuple[TaskData, ...]:
        labels = labels if among is None else labels[among]
        return tuple(
            TaskData(
                images,
                among,
                labels + task * num_classes if scenario == "class" else labels,
                head=task if scenario == "task" else 0,
                view=view,
                to_float=scaling,
            )
            for task, view in enumerate(views)
        )

    train_images = SharedImages(data.train_images)
    return TaskStream(
        train=tasks(train_images, data.train_labels, train_part),
        validation=tasks(train_images, data.train_labels, validation_part)
        if validation_part is not None
        else (),
        test=tasks(SharedImages(data.test_images), data.test_labels, None),
        scenario=scenario,
        input_shape=_image_shape(data),
        num_classes=num_classes * len(views) if scenario == "class" else num_classes,
        num_heads=len(views) if scenario == "task" else 1,
    )


def _image_shape(data: ImageData) -> tuple[int, int, int]:
    channels, height, width = data.train_images.shape[1:]
    return channels, height, width


def check_num_tasks(num_tasks: int) -> int:
    if not isinstance(num_tasks, int) or isinstance(num_tasks, bool) or num_tasks < 1:
        raise ValueError(f"num_tasks must be a whole number, at least 1, got {num_tasks=}")
    return num_tasks


def check_number(setting: str, value: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{setting} must be a number, got {setting}={value!r}")


def check_choice(setting: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{setting} must be one of {', '.join(choices)}, got {setting}={value!r}")


def _class_order(class_order: str | Sequence[int], num_classes: int, generator: torch.Generator) -> list[int]:
    if class_order == "fixed":
        return list(range(num_classes))
    if class_order == "seeded":
        return torch.randperm(num_classes, generator=generator).tolist()
    if not isinstance(class_order, list | tuple) or sorted(class_order, key=str) != sorted(
        range(num_classes), key=str
    ):
        raise ValueError(
            f"class_order must be fixed, seeded or a list of all classes 0 to {num_classes - 1}, "
            f"got {class_order=}"
        )
    return list(class_order)


def _validation_split(
    num_examples: int, share: float, generator: torch.Generator
) -> tuple[Tensor | None, Tensor | None]:
    """Sorted positions for training and for validation; (None, None) where nothing is kept out."""
    check_number("validation_share", share)
    if not 0 <= share < 1:
        raise ValueError(f"validation_share must be at least 0 and below 1, got validation_share={share}")
    num_validation = round(share * num_examples)
    if num_validation == 0:
        return None, None
    if num_validation == num_examples:
        raise ValueError(
            f"nothing is left for training of {num_examples} images, got validation_share={share}"
        )
    order = torch.randperm(num_examples, generator=generator)
    return order[num_validation:].sort().values, order[:num_validation].sort().values


def _scaling(data: ImageData, pixels: str, *, by_channel: bool = True) -> Scaling:
    """Scaling of uint8 pixels; `standardised` by the moments of each channel, or of all together."""
    check_choice("pixels", pixels, PIXELS)
    images = data.train_images if by_channel else data.train_images.flatten(1).unsqueeze(1)
    num_channels = images.shape[1]
    if pixels == "unit":
        return Scaling(torch.full((num_channels, 1, 1), 1 / 255), torch.zeros(num_channels, 1, 1))
    means, deviations = [], []
    for channel in range(num_channels):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        values = torch.arange(256, dtype=torch.float64)
        mean = (counts * values).sum() / counts.sum()
        means.append(mean)
        deviations.append(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    factor = 1 / torch.stack(deviations).clamp_min(1)
    offset = -torch.stack(means) * factor
    return Scaling(factor.float().view(-1, 1, 1), offset.float().view(-1, 1, 1))
