"""Batches that rehearse: a part of each is of the current task, the rest from a memory."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cl_bench.learner.batches import ResidentBatches, joined, shuffled
from cl_bench.learner.memory import Memory


class Passes:
    """Shuffled passes over positions, without end: each comes once before any comes again."""

    def __init__(self, num_examples: int, generator: torch.Generator | None) -> None:
        self.num_examples, self.generator = num_examples, generator
        self._left = torch.empty(0, dtype=torch.int64)

    def take(self, count: int) -> Tensor:
        """The next positions, int64 [count]."""
        passes, found = [self._left], len(self._left)
        while found < count:
            passes.append(shuffled(self.num_examples, self.generator))
            found += self.num_examples
        taken, self._left = torch.cat(passes).split([count, found - count])
        return taken

    def state(self) -> Tensor:
        """The positions of the present pass that did not come yet."""
        return self._left

    def restore(self, state: Tensor) -> None:
        self._left = state


class RoomBatches(ResidentBatches):
    """Batches that are smaller by a share, which is room for examples from elsewhere.

    They are as many as the task alone has.

    An epoch shows only a part, 1 - share, of the task's examples. The next epoch continues with those that
    were not shown yet.

    Args:
        task: batches of the task alone.
        share: of each batch, in [0, 1), rounded to whole examples; two of the task are left at least, which
            batch normalisation needs.
    """

    def __init__(self, task: ResidentBatches, *, share: float) -> None:
        super().__init__(**joined([task], like=task))
        self.share, self._passes = share, Passes(task.num_examples, task.generator)

    def _sizes(self) -> list[int]:
        return [size - room_in(size, self.share, left=2) for size in super()._sizes()]

    def order(self) -> Tensor:
        return self.arranged(self._passes.take(sum(self._sizes())))

    def passes(self) -> Sequence[Passes]:
        return (self._passes,)


class RehearsalBatches(ResidentBatches):
    """Batches with a share of each from a memory, as many and as large as the task alone has.

    An epoch is as in `RoomBatches`. Examples of the memory come in shuffled passes as well, however many that
    takes.

    Args:
        task: batches of the task alone.
        memory: what it holds now; not empty.
        share: of each batch, in [0, 1], rounded to whole examples; below 1 one of the task is left at least.
        generator: of the memory's passes.
    """

    def __init__(
        self, task: ResidentBatches, memory: Memory, *, share: float, generator: torch.Generator
    ) -> None:
        super().__init__(**joined([task, memory], like=task))
        self.share, self._num_examples, self._task = share, task.num_examples, task
        self._current = Passes(task.num_examples, task.generator)
        self._old = Passes(len(memory), generator)

    @property
    def num_examples(self) -> int:
        """An epoch has so many, as the task does."""
        return self._num_examples

    def order(self) -> Tensor:
        sizes = self._sizes()
        num_old = [num_rehearsed(size, self.share) for size in sizes]
        num_current = [size - old for size, old in zip(sizes, num_old, strict=True)]
        current = self._task.arranged(self._current.take(sum(num_current))).split(num_current)
        old = (self._old.take(sum(num_old)) + self.num_examples).split(num_old)
        return torch.cat([part for pair in zip(current, old, strict=True) for part in pair])

    def passes(self) -> Sequence[Passes]:
        return (self._current, self._old)


def num_rehearsed(batch_size: int, share: float) -> int:
    """How many examples of a batch of `RehearsalBatches` are of the memory; they are its last ones."""
    return room_in(batch_size, share, left=share < 1)


def room_in(batch_size: int, share: float, *, left: int) -> int:
    """How many examples of a batch are a share of it, rounded, with `left` others if it has them."""
    return max(0, min(int(share * batch_size + 0.5), batch_size - left))
