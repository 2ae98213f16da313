"""Data set -> stream of tasks. Settings have no defaults here; they stand in conf/benchmark."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cl_bench.data import ImageData
from cl_bench.streams.augmentation import augmentation_named
from cl_bench.streams.blur import blurred
from cl_bench.streams.classes import class_groups
from cl_bench.streams.contents import check_split, notes_on_heads, notes_on_parts
from cl_bench.streams.order import name_of_class_order, name_of_permutation, repeated
from cl_bench.streams.parts import Parts, draw_parts
from cl_bench.streams.scaling import scaled_first, scaling_of
from cl_bench.streams.tasks import SCENARIOS, Augment, Scaling, SharedImages, TaskData, TaskStream, View
from cl_bench.streams.transforms import Permutation, Rotation, check_images, identity, padded
from cl_bench.validation import check_choice, check_num_tasks, check_number

# (images, their labels, positions or None for all, augmentation) -> the examples of each task
TasksOf = Callable[[SharedImages, Tensor, Tensor | None, Augment | None], tuple[TaskData, ...]]


def permuted(
    *,
    data: ImageData,
    padding: int,
    num_tasks: int,
    scenario: str,
    permute_first: bool,
    pixels: str,
    validation_share: float,
    num_train: int | None,
    generator: torch.Generator,
    blur: float = 0.0,  # runs of before there was it are verified too
) -> TaskStream:
    """Rearrange the pixels of all images in another way in each task (Goodfellow et al. 2013).

    There is no augmentation: a permuted image has no neighbouring pixels to shift over.

    Args:
        padding: black pixels at each side of all images, before anything else is done with them.
        num_tasks: at least 1.
        scenario: `task` (one head per task), `domain` (one head, the same classes) or `class` (one head, new
            classes in every task).
        permute_first: whether the first task is permuted too, or shows the images as they are.
        pixels: `unit` for [0, 1]; `standardised` for mean 0 and variance 1 of the training images, whether or
            not they are trained on. The moments are those of all values together; in `rotated` and `split`,
            of each channel. Of features they are those of each column, before it is permuted, or of each
            channel of a map. `raw` keeps features as they are; `unit` asks that they lie in [0, 1] already.
        validation_share: of the training images, kept out of training, in [0, 1).
        num_train: how many of the images that validation leaves are trained on, a random choice, the same in
            every task; None for all of them.
        generator: draws the permutations, then the validation images, then those that are trained on, then
            those that are exchanged.
        blur: the share of each task's training examples that lie in windows around its boundaries. There the
            next task comes little by little; see streams/blur.py.

    Raises:
        ValueError: that names the setting, its value and the rule.
    """
    data = padded(data, padding)
    num_values = data.train_images[0].numel()
    orders = [torch.randperm(num_values, generator=generator) for _ in range(check_num_tasks(num_tasks))]
    views: list[View] = [Permutation(order) for order in orders]
    if not permute_first:
        views[0] = identity
    views, scaling = scaled_first(data, views, pixels)
    parts = draw_parts(
        len(data.train_labels), validation_share=validation_share, num_train=num_train, generator=generator
    )
    stream = _transformed(data, views, scenario=scenario, scaling=scaling, parts=parts, augment=None)
    stream = blurred(stream, blur, generator)
    drawn = orders if permute_first else orders[1:]
    shown = drawn if permute_first else [torch.arange(num_values), *drawn]
    return stream._replace(
        order=frozenset(map(name_of_permutation, drawn)), notes=(*stream.notes, *repeated(shown))
    )


def rotated(
    *,
    data: ImageData,
    padding: int,
    num_tasks: int,
    scenario: str,
    max_degrees: float,
    pixels: str,
    augmentation: str,
    validation_share: float,
    num_train: int | None,
    generator: torch.Generator,
    blur: float = 0.0,  # runs of before there was it are verified too
) -> TaskStream:
    """Rotate all images by (t - 1) / (num_tasks - 1) * max_degrees in task t.

    Args:
        augmentation: of the rotated training images: `none`, `crop` or `crop_flip`; see `split`.
        Others as in `permuted`.
    """
    data = padded(data, padding)
    check_images(data, what="rotated", remedy="take benchmark=split or permuted")
    check_number("max_degrees", max_degrees)
    step = max_degrees / max(check_num_tasks(num_tasks) - 1, 1)
    views: list[View] = [Rotation(step * task) for task in range(num_tasks)]
    augment = augmentation_named(augmentation, height=data.train_images.shape[2])
    scaling = scaling_of(data, pixels)
    parts = draw_parts(
        len(data.train_labels), validation_share=validation_share, num_train=num_train, generator=generator
    )
    stream = _transformed(data, views, scenario=scenario, scaling=scaling, parts=parts, augment=augment)
    stream = blurred(stream, blur, generator)
    return stream._replace(order=frozenset())  # every stream turns by the same angles


def split(
    *,
    data: ImageData,
    padding: int,
    num_tasks: int,
    scenario: str,
    class_order: str | Sequence[int],
    pixels: str,
    augmentation: str,
    validation_share: float,
    num_train: int | None,
    generator: torch.Generator,
    classes_per_task: Sequence[int] | None = None,  # runs of before there was it are verified too
    blur: float = 0.0,  # the same
) -> TaskStream:
    """Give each task some of the classes; in an uneven split the first tasks have one class more.

    Args:
        classes_per_task: how many classes each task has, such as [4, 3, 3]; all of them together. None: as
            even as can be.
        scenario: `task` (one head per task) and `domain` (one head) have labels within the task. `class` has
            one head for all classes; a class is numbered by its place in the order.
        class_order: `fixed` (as the data set numbers them), `seeded` (drawn by the generator) or a list of
            all classes.
        augmentation: of training batches: `none`, `crop` (shift by up to an eighth of the height: 4 of 32
            pixels) or `crop_flip` (and mirror with probability 1/2). Source: He et al. 2016, section 4.2.
            The learner applies it; validation and test tasks have none.
        num_train: as in `permuted`, of the images of all tasks together.
        Others as in `permuted`.

    Raises:
        ValueError: that names the setting, its value and the rule; also where `num_train` leaves a task
            without images.
    """
    data = padded(data, padding)
    num_classes = len(data.class_names)
    groups = class_groups(
        num_classes,
        num_tasks=num_tasks,
        classes_per_task=classes_per_task,
        class_order=class_order,
        generator=generator,
    )
    parts = draw_parts(
        len(data.train_labels), validation_share=validation_share, num_train=num_train, generator=generator
    )
    stream = of_groups(data, groups, parts=parts, scenario=scenario, pixels=pixels, augmentation=augmentation)
    check_split(stream, data, groups, validation_share=validation_share, num_train=num_train)
    return blurred(stream, blur, generator)


def of_groups(
    data: ImageData,
    groups: Sequence[Tensor],
    *,
    parts: Parts,
    scenario: str,
    pixels: str,
    augmentation: str,
) -> TaskStream:
    """Make a stream of which each task has one group of classes, int64; see `split`."""
    num_classes = sum(map(len, groups))
    place = torch.empty(num_classes, dtype=torch.int64)
    place[torch.cat(list(groups))] = torch.arange(num_classes)

    def relabel(labels: Tensor, group: Tensor) -> Tensor:
        return place[labels] - (0 if scenario == "class" else place[group[0]])

    def tasks(
        images: SharedImages, labels: Tensor, among: Tensor | None, augment: Augment | None
    ) -> tuple[TaskData, ...]:
        tasks_of_part = []
        for task, group in enumerate(groups):
            mine = torch.isin(labels, group).nonzero().squeeze(1)
            if among is not None:
                mine = mine[torch.isin(mine, among)]
            tasks_of_part.append(
                TaskData(
                    images,
                    mine,
                    relabel(labels[mine], group),
                    head=task if scenario == "task" else 0,
                    view=identity,
                    to_float=scaling,
                    augment=augment,
                )
            )
        return tuple(tasks_of_part)

    check_choice("scenario", scenario, SCENARIOS)
    scaling = scaling_of(data, pixels)
    augment = augmentation_named(augmentation, height=data.train_images.shape[2])
    if augment is not None:
        check_images(data, what="cropped or mirrored", remedy="set augmentation=none")
    stream = _stream(
        data,
        tasks,
        parts=parts,
        augment=augment,
        scenario=scenario,
        num_classes=num_classes if scenario == "class" else max(len(group) for group in groups),
    )
    return stream._replace(order=frozenset([name_of_class_order(group.tolist() for group in groups)]))


def _transformed(
    data: ImageData,
    views: list[View],
    *,
    scenario: str,
    scaling: Scaling,
    parts: Parts,
    augment: Augment | None,
) -> TaskStream:
    """Put all examples into every task, each task seen through its own view."""
    check_choice("scenario", scenario, SCENARIOS)
    num_classes = len(data.class_names)

    def tasks(
        images: SharedImages, labels: Tensor, among: Tensor | None, augment: Augment | None
    ) -> tuple[TaskData, ...]:
        labels = labels if among is None else labels[among]
        return tuple(
            TaskData(
                images,
                among,
                labels + task * num_classes if scenario == "class" else labels,
                head=task if scenario == "task" else 0,
                view=view,
                to_float=scaling,
                augment=augment,
            )
            for task, view in enumerate(views)
        )

    return _stream(
        data,
        tasks,
        parts=parts,
        augment=augment,
        scenario=scenario,
        num_classes=num_classes * len(views) if scenario == "class" else num_classes,
    )


def _stream(
    data: ImageData,
    tasks: TasksOf,
    *,
    parts: Parts,
    augment: Augment | None,
    scenario: str,
    num_classes: int,
) -> TaskStream:
    """Make the training (the only part with augmentation), validation and test tasks of a data set."""
    images, labels = SharedImages(data.train_images), data.train_labels
    train = tasks(images, labels, parts.train, augment)
    stream = TaskStream(
        train=train,
        validation=() if parts.validation is None else tasks(images, labels, parts.validation, None),
        test=tasks(SharedImages(data.test_images), data.test_labels, None, None)
        if len(data.test_labels)
        else (),
        scenario=scenario,
        input_shape=_image_shape(data),
        num_classes=num_classes,
        num_heads=len(train) if scenario == "task" else 1,
    )
    return stream._replace(notes=(*data.notes, *notes_on_parts(data, parts), *notes_on_heads(stream)))


def _image_shape(data: ImageData) -> tuple[int, int, int]:
    channels, height, width = data.train_images.shape[1:]
    return channels, height, width
