"""Batches of tensors that already sit on the device: no workers, no collation, no copies of single examples."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cl_bench.streams.tasks import TaskData

Batch = list  # [images float [B, C, H, W], labels int64 [B], task: int or int64 [B]]; Avalanche wants a list


class ResidentBatches:
    """Iterate over one task, or several mixed, in batches on a device.

    Args:
        tasks: with more than one, every batch mixes examples of all, and its task is a tensor [B].
        generator: shuffles anew in each iteration; None keeps the order of the data.
    """

    def __init__(
        self,
        tasks: Sequence[TaskData],
        *,
        batch_size: int,
        device: torch.device,
        generator: torch.Generator | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.generator = generator
        self.device = device
        self.pixels = torch.cat([task.pixels(device) for task in tasks]) if len(tasks) > 1 else tasks[0].pixels(device)
        self.labels = torch.cat([task.labels for task in tasks]).to(device)
        self.to_float = tasks[0].to_float
        self.task: int | None = tasks[0].head if len({task.head for task in tasks}) == 1 else None
        heads = torch.cat([torch.full((len(task),), task.head) for task in tasks])
        self.heads = heads.to(device)

    @property
    def num_examples(self) -> int:
        return len(self.labels)

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is None:
            for start in range(0, self.num_examples, self.batch_size):
                yield self.at(slice(start, start + self.batch_size))
            return
        order = torch.randperm(self.num_examples, generator=self.generator, device=self.generator.device)
        for positions in order.to(self.device).split(self.batch_size):
            yield self.at(positions)

    def at(self, positions: Tensor | slice) -> Batch:
        """The examples at these positions, as one batch."""
        task = self.task if self.task is not None else self.heads[positions]
        return [self.to_float(self.pixels[positions]), self.labels[positions], task]

    def without(self, positions: Tensor) -> "ResidentBatches":
        """The same batches with these examples taken out for good (a coreset, say)."""
        keep = torch.ones(self.num_examples, dtype=torch.bool, device=self.device)
        keep[positions.to(self.device)] = False
        self.pixels, self.labels, self.heads = self.pixels[keep], self.labels[keep], self.heads[keep]
        return self
