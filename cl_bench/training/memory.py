"""A memory of examples that a learner may keep and see again."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cl_bench.posteriors import buffers

BUFFERS = ("reservoir", "class_balanced")


class Memory:
    """At most `size` examples, as rows of named tensors on the device that they come from.

    Args:
        size: in examples, of all tasks together.
        buffer: `reservoir` keeps every example offered so far with the same probability; `class_balanced`
            keeps equally many of each class (and head, where tasks have heads of their own), as far as they
            were offered, and of a class each example with the same probability. With a remainder, size
            modulo classes, some classes have one more, and these last places favour newer examples a little.
        generator: decides what is kept, on the host.
    """

    def __init__(self, size: int, *, buffer: str, generator: torch.Generator) -> None:
        self.size, self.balanced, self.generator = size, buffer == "class_balanced", generator
        self._num_held = 0
        self._keys = torch.zeros(size, dtype=torch.float64)
        self._groups = torch.zeros(size, dtype=torch.int64)
        self._tensors: dict[str, Tensor] = {}  # [size, ...]

    def __len__(self) -> int:
        return self._num_held

    def __getitem__(self, name: str) -> Tensor:
        """The examples' rows of a tensor, [len, ...]."""
        return self._tensors[name][: len(self)]

    @property
    def pixels(self) -> Tensor:
        return self["pixels"]

    @property
    def labels(self) -> Tensor:
        return self["labels"]

    @property
    def heads(self) -> Tensor:
        return self["heads"]

    def offer(self, **tensors: Tensor) -> None:
        """Choose among these examples and those held.

        Args:
            tensors: `pixels`, `labels`, `heads` and whatever else is to be kept, [n, ...]; the same names
                each time.
        """
        num_new, held = len(tensors["labels"]), slice(0, len(self))
        keys = torch.rand(num_new, dtype=torch.float64, generator=self.generator)
        groups = self._groups_of(tensors)
        slots, positions = buffers.place(self._keys[held], self._groups[held], keys, groups, size=self.size)
        device = tensors["labels"].device
        slots_there, positions_there = slots.to(device), positions.to(device)
        for name, rows in tensors.items():
            if name not in self._tensors:
                self._tensors[name] = rows.new_zeros((self.size, *rows.shape[1:]))
            self._tensors[name].index_copy_(0, slots_there, rows.index_select(0, positions_there))
        self._keys[slots], self._groups[slots] = keys[positions], groups[positions]
        self._num_held = min(self.size, len(self) + num_new)

    def draw(self, num_examples: int) -> dict[str, Tensor]:
        """Different examples at random (all where there are fewer), their tensors by name."""
        order = torch.randperm(len(self), generator=self.generator)[:num_examples]
        return {name: rows.index_select(0, order.to(rows.device)) for name, rows in self._tensors.items()}

    def state(self) -> dict[str, Tensor]:
        """All it holds, by name: nothing before the first examples."""
        if not len(self):
            return {}
        return {"keys": self._keys[: len(self)]} | {name: self[name] for name in self._tensors}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Hold what there was in `state`; the generator is not touched."""
        self._tensors, self._num_held = {}, 0
        if not state:
            return
        held = slice(0, len(state["keys"]))
        self._num_held = held.stop
        self._keys[held] = state["keys"].cpu()
        for name in sorted(state.keys() - {"keys"}):
            rows = state[name]
            self._tensors[name] = rows.new_zeros((self.size, *rows.shape[1:]))
            self._tensors[name][held] = rows
        self._groups[held] = self._groups_of(self)

    def _groups_of(self, rows: Any) -> Tensor:
        """Of examples, by their labels and heads; on the host."""
        if not self.balanced:
            return torch.zeros(len(rows["labels"]), dtype=torch.int64)
        return (rows["labels"] + rows["heads"] * 2**32).cpu()
