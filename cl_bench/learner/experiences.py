"""Any Avalanche experience as tensors."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from cl_bench.learner.batches import ResidentBatches
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.tasks import TaskData


class MaterialisedTask:
    """The examples of somebody else's benchmark, read once through its evaluation transforms.

    It offers what `ResidentBatches` asks of a `TaskData`; its pixels are the network's input already.
    """

    def __init__(self, experience: Any) -> None:
        batches = list(_batches(experience.dataset.eval()))
        if not batches:
            raise ValueError("an experience must have examples, got an empty data set")
        self.head = head_of(experience)
        self.labels = torch.cat([as_labels(labels) for _, labels, *_ in batches])
        self._images = torch.cat([as_images(images) for images, *_ in batches])

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, device: torch.device) -> Tensor:
        return self._images.to(device)

    def to_float(self, pixels: Tensor) -> Tensor:
        return pixels


def _batches(dataset: Any) -> Iterator[Sequence[Tensor]]:
    """Images, labels and what else an Avalanche data set has of each example, in its order."""
    # a loader draws from the global generator for its workers' seeds, unless it has one of its own
    loader = DataLoader(dataset, batch_size=1000, generator=torch.Generator())
    try:
        yield from loader
    except (TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{RULE}; got {' '.join(str(error).split())}: {ADVICE}") from error


RULE = (
    "the examples of a data set must be images of which its transform makes tensors of one size, each with a "
    "whole number as its label"
)
ADVICE = "set a transform such as torchvision's ToTensor"


def check_examples(dataset: Any) -> None:
    """See that a data set gives tensors, by its first example; random transforms are left where they were.

    Raises:
        ValueError: that says what is needed.
    """
    with global_generators_restored():
        image = dataset[0][0]
    if not hasattr(image, "dtype"):
        raise ValueError(f"{RULE}; got {type(image).__name__}: {ADVICE}")


def as_images(images: Tensor) -> Tensor:
    """Images in the precision that a network takes; NumPy's numbers are of double precision.

    Raises:
        ValueError: for whole numbers, of which nobody knows the scale.
    """
    if not images.is_floating_point():
        raise ValueError(
            f"the images of a data set must be floating point, got {images.dtype}: let its transform scale "
            "them, as torchvision's ToTensor does"
        )
    return images.to(torch.get_default_dtype())


def as_labels(labels: Tensor) -> Tensor:
    """One whole number for each example, int64 [B].

    Raises:
        ValueError: for others.
    """
    whole = labels.long()
    if labels.numel() != len(labels) or bool((whole != labels).any()):
        raise ValueError(f"labels must be one whole number an example, got {labels.dtype}, {labels[:1]}")
    return whole.reshape(-1)


def has_task_labels(experience: Any) -> bool:
    """Tell whether examples come with a task label; those of Avalanche's newer generators do not."""
    return any(hasattr(experience, name) for name in ("task_data", "task_labels")) or hasattr(
        experience.dataset, "targets_task_labels"
    )


def heads_in(experience: Any) -> tuple[int, ...]:
    """The heads that the scenario lets a learner use for the experience, sorted.

    It is one, but for an experience with examples of other tasks.
    """
    heads = getattr(getattr(experience, "task_data", None), "heads", None)
    return (head_of(experience),) if heads is None else tuple(heads.unique().tolist())


def head_of(experience: Any) -> int:
    """The head that the scenario lets a learner use for the experience: its task label, 0 without one.

    Raises:
        ValueError: for an experience of several tasks.
    """
    if hasattr(experience, "task_data"):
        if hasattr(experience.task_data, "heads") and len(heads_in(experience)) > 1:
            raise ValueError(
                f"a task must have one head here, got examples of the heads {heads_in(experience)}: set "
                "benchmark.blur=0, or benchmark.scenario=domain or class"
            )
        return experience.task_data.head
    found = task_labels_of(experience)
    if len(found) != 1:
        raise ValueError(f"an experience must have one task label, got {sorted(found)}")
    return next(iter(found))


def task_labels_of(experience: Any) -> frozenset[int]:
    """The task labels of an experience's examples; 0 alone where they have none."""
    if hasattr(experience, "task_data"):
        return frozenset(heads_in(experience))
    if not has_task_labels(experience):
        return frozenset([0])
    labels = getattr(experience, "task_labels", None)
    return frozenset(map(int, experience.dataset.targets_task_labels.uniques if labels is None else labels))


def resident_tasks(experience: Any) -> Sequence[TaskData | MaterialisedTask]:
    """The experience's data as tensors: one part for each seed that is trained at once, otherwise one.

    They are its own `task_data`, or its data set read into memory and kept on the experience.
    """
    if hasattr(experience, "task_data"):
        return getattr(experience.task_data, "parts", (experience.task_data,))
    if not hasattr(experience, "_cl_bench_materialised"):
        experience._cl_bench_materialised = MaterialisedTask(experience)
    return (experience._cl_bench_materialised,)


def unpacked(batch: Sequence[Any], batches: Any, experience: Any, device: torch.device) -> list[Any]:
    """A batch on a device: images in floats, labels, and its head: an int, or one for each example.

    Args:
        batch: of `batches`: ours, or those of Avalanche's own loaders.
    """
    ours = isinstance(batches, ResidentBatches)
    tensors: list[Tensor]
    *tensors, task = batch if has_task_labels(experience) else [*batch[:2], 0]
    if not ours:
        tensors[:2] = as_images(tensors[0]), as_labels(tensors[1])
    if isinstance(task, Tensor):
        # labels of Avalanche's own loaders are tensors, nearly always of one task: an int is faster
        heads = batches.heads_of_newest() if ours and batches.is_newest(task) else task
        task = int(heads[0]) if bool((heads == heads[0]).all()) else task.to(device)
    return [tensor.to(device, non_blocking=True) for tensor in tensors] + [task]
