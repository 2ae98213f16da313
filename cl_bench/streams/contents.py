"""What the tasks of a stream hold: an empty task is refused, and classes that are absent are told."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.data import ImageData
from cl_bench.data.peculiar import listed
from cl_bench.streams.parts import Parts
from cl_bench.streams.tasks import TaskStream


def check_stream(stream: TaskStream) -> None:
    """Refuse a stream, whoever built it, that cannot be trained or tested on to any purpose.

    Raises:
        ValueError: where a task has no example, or where each head has one class to choose from: any network
            would be right in 100 % of tests.
    """
    if not stream.train:
        raise ValueError("a stream must have a task to train on, got none; return one from its builder")
    for part in ("train", "validation", "test"):
        tasks = getattr(stream, part)
        if empty := _empty(tasks):
            raise ValueError(
                f"each task must have a {part} example, got none in {_tasks(empty)} of {len(tasks)}; give it "
                "images, or set fewer tasks"
            )
    if len(single_class_heads(stream)) == stream.num_heads:
        raise ValueError(
            f"a task must have two classes to tell apart, got one in each of {stream.num_tasks} "
            f"(scenario={stream.scenario}): any network would be right in 100 % of tests; set fewer tasks "
            "(benchmark.num_tasks), or benchmark.scenario=class"
        )


def check_split(
    stream: TaskStream,
    data: ImageData,
    groups: Sequence[Tensor],
    *,
    validation_share: float,
    num_train: int | None,
) -> None:
    """Refuse a split with an empty task, and say which setting or which classes are to blame.

    Raises:
        ValueError: that names the setting, or the classes without images.
    """
    labels = {"train": data.train_labels, "validation": data.train_labels, "test": data.test_labels}
    for part, present in labels.items():
        empty = _empty(getattr(stream, part))
        if not empty:
            continue
        missing = [number for number in empty if not torch.isin(present, groups[number - 1]).any()]
        if missing:
            classes = [data.class_names[each] for each in groups[missing[0] - 1].tolist()]
            raise ValueError(
                f"each task must have a {'test' if part == 'test' else 'training'} image, got none in "
                f"{_tasks(missing)}: {data.name} has no image of {listed(classes)}; add images, leave "
                "the classes out of class_names, or set fewer tasks (benchmark.num_tasks)"
            )
        if part == "train" and num_train is not None:
            raise ValueError(
                f"num_train must leave each of {len(groups)} tasks a training image, got {num_train=}, with "
                f"none in {_tasks(empty)}; set a larger one"
            )
        wanted, change = ("training", "smaller") if part == "train" else ("validation", "larger")
        raise ValueError(
            f"validation_share must leave each of {len(groups)} tasks a {wanted} image, got "
            f"{validation_share=} of {len(present):,}, with none in {_tasks(empty)}; set a {change} one"
        )


def single_class_heads(stream: TaskStream) -> list[int]:
    """List the heads, from 0, whose tasks hold examples of one class only, in training and in tests."""
    classes: dict[int, set[int]] = defaultdict(set)
    for task in (*stream.train, *stream.validation, *stream.test):
        if len(classes[task.head]) < 2 and len(task):
            classes[task.head] |= {int(task.labels.min()), int(task.labels.max())}
    return sorted(head for head, labels in classes.items() if len(labels) == 1)


def notes_on_heads(stream: TaskStream) -> list[str]:
    """Tell which heads have a single class; where all have, `check_stream` refuses the stream."""
    single = [head + 1 for head in single_class_heads(stream)]
    if not single or len(single) == stream.num_heads:
        return []
    has = "has a single class" if len(single) == 1 else "have a single class each"
    return [f"{_tasks(single)} of {stream.num_tasks} {has}: any network is right in 100 % of tests there"]


def notes_on_parts(data: ImageData, parts: Parts) -> list[str]:
    """Tell which classes the choice of training or validation images leaves out."""
    notes = []
    present = _classes(data.train_labels)
    for part, indices in (("training", parts.train), ("validation", parts.validation)):
        absent = [] if indices is None else sorted(present - _classes(data.train_labels[indices]))
        if absent:
            classes = "class" if len(absent) == 1 else "classes"
            names = listed([data.class_names[each] for each in absent])
            notes.append(
                f"{data.name}: validation_share and num_train leave {classes} {names} no {part} image"
            )
    return notes


def _empty(tasks: Sequence[Any]) -> list[int]:
    """Number, from 1, the tasks without an example."""
    return [number for number, task in enumerate(tasks, start=1) if not len(task)]


def _classes(labels: Tensor) -> set[int]:
    return set(labels.unique().tolist())


def _tasks(numbers: Sequence[int]) -> str:
    return f"task {numbers[0]}" if len(numbers) == 1 else f"tasks {listed(numbers)}"
