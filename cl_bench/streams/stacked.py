"""The streams of several seeds as one, for training them at once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from cl_bench.streams.tasks import TaskData, TaskStream
from cl_bench.validation import ONE_BY_ONE


class StackedTask(ConcatDataset):
    """One task of R seeds, each as that seed's stream has it; Avalanche sees their examples in a row.

    It stands in the place of a `TaskData`; learners read its `parts`.
    """

    def __init__(self, parts: Sequence[TaskData]) -> None:
        super().__init__(parts)
        self.parts = tuple(parts)
        self.head = parts[0].head
        if hasattr(parts[0], "heads"):
            self.heads: Tensor = torch.cat([part.heads for part in parts])  # type: ignore[attr-defined]
        self.labels: Tensor = torch.cat([part.labels for part in parts])


def stack_streams(streams: Sequence[TaskStream]) -> TaskStream:
    """Make one stream whose tasks are `StackedTask`s.

    Raises:
        ValueError: where the seeds' tasks differ in size, so that their batches would not lie side by side
            (a split with class_order=seeded).
    """
    first = streams[0]

    def stacked(parts: str) -> tuple[Any, ...]:
        tasks = list(zip(*(getattr(stream, parts) for stream in streams), strict=True))
        for number, same in enumerate(tasks, start=1):
            sizes = sorted({len(task) for task in same})
            if len(sizes) > 1:
                raise ValueError(
                    f"seeds that are trained at once must have tasks of one size, got {sizes} {parts} "
                    f"examples in task {number}; {ONE_BY_ONE}"
                )
        return tuple(StackedTask(same) for same in tasks)

    return first._replace(
        train=stacked("train"),
        validation=stacked("validation"),
        test=stacked("test"),
        notes=tuple(dict.fromkeys(note for stream in streams for note in stream.notes)),
    )
