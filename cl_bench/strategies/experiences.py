"""Any Avalanche experience as tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from cl_bench.streams.tasks import TaskData


class MaterialisedTask:
    """The examples of somebody else's benchmark, read once through its evaluation transforms.

    It offers what `ResidentBatches` asks of a `TaskData`; its pixels are the network's input already.
    """

    def __init__(self, experience: Any) -> None:
        # a loader draws from the global generator for its workers' seeds, unless it has one of its own
        loader = DataLoader(experience.dataset.eval(), batch_size=1000, generator=torch.Generator())
        images, labels, heads = zip(*((x, y, task) for x, y, *_, task in loader), strict=True)
        found = torch.cat(heads).unique()
        if len(found) > 1:
            raise ValueError(f"an experience must have one task label, got {found.tolist()}")
        self.head = int(found[0])
        self.labels = torch.cat(labels)
        self._images = torch.cat(images)

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, device: torch.device) -> Tensor:
        return self._images.to(device)

    def to_float(self, pixels: Tensor) -> Tensor:
        return pixels


def head_of(experience: Any) -> int:
    """The head that the scenario lets a learner use for the experience: its task label, 0 without one."""
    if hasattr(experience, "task_data"):
        return experience.task_data.head
    return getattr(experience, "task_label", 0)


def resident_tasks(experience: Any) -> Sequence[TaskData | MaterialisedTask]:
    """The experience's data as tensors: one part for each seed that is trained at once, otherwise one.

    They are its own `task_data`, or its data set read into memory and kept on the experience.
    """
    if hasattr(experience, "task_data"):
        return getattr(experience.task_data, "parts", (experience.task_data,))
    if not hasattr(experience, "_cl_bench_materialised"):
        experience._cl_bench_materialised = MaterialisedTask(experience)
    return (experience._cl_bench_materialised,)
