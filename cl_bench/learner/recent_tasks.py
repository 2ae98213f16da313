"""What is kept of the last tasks alone: the setting `memory_tasks` of memories and coresets."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.memory import Memory
from cl_bench.validation import check_count


def check_memory_tasks(memory_tasks: int | None) -> None:
    """Check a number of tasks, at least 1; None stands for all."""
    if memory_tasks is not None:
        check_count(memory_tasks=memory_tasks)


def keep_recent(parts: list[Any], memory_tasks: int | None) -> None:
    """Forget all but the last `memory_tasks` parts of a list that has one a task; None forgets nothing."""
    if memory_tasks is not None:
        del parts[:-memory_tasks]


def memory_of(size: int, *, memory_tasks: int | None, **memory: Any) -> Memory:
    """A memory of `size` examples, of all tasks or of the last `memory_tasks` alone; see `Memory`."""
    check_memory_tasks(memory_tasks)
    if memory_tasks is None:
        return Memory(size, **memory)
    return RecentMemory(size, memory_tasks=memory_tasks, **memory)


class RecentMemory(Memory):
    """A memory in which each of the last tasks has an equal part of its own, and older tasks have none.

    A task's part holds size // memory_tasks of its examples. It is offered once, with the whole task, and
    forgotten as a whole.

    Args:
        size: in examples, of all parts together.
        memory_tasks: K, the number of parts.
        memory: the other arguments of `Memory`; its buffer decides within a task.
    """

    def __init__(self, size: int, *, memory_tasks: int, **memory: Any) -> None:
        if size < memory_tasks:
            raise ValueError(
                f"memory_size must be at least an example for each of {memory_tasks=} tasks, "
                f"got memory_size={size}"
            )
        self.size, self.memory_tasks, self.generator = size, memory_tasks, memory["generator"]
        self._new_part = partial(Memory, size // memory_tasks, **memory)
        self._parts: list[Memory] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __getitem__(self, name: str) -> Tensor:
        return torch.cat([part[name] for part in self._parts])

    @property
    def names(self) -> Iterator[str]:
        return self._parts[0].names if self._parts else iter(())

    def offer(self, **examples: Any) -> None:
        """Choose among all examples of a task."""
        part = self._new_part()
        part.offer(**examples)
        self._parts.append(part)
        keep_recent(self._parts, self.memory_tasks)

    def state(self) -> dict[str, Tensor]:
        """All it holds, by the number of the part and name."""
        return {
            f"{number}.{name}": rows
            for number, part in enumerate(self._parts)
            for name, rows in part.state().items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        states: dict[int, dict[str, Tensor]] = {}
        for key, rows in state.items():
            number, _, name = key.partition(".")
            states.setdefault(int(number), {})[name] = rows
        self._parts = [self._new_part() for _ in states]
        for part, (_, of_part) in zip(self._parts, sorted(states.items()), strict=True):
            part.restore(of_part)
