"""A memory of examples that a learner may keep and see again."""

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from cl_bench.posteriors import buffers

BUFFERS = ("reservoir", "class_balanced")
CPU = torch.device("cpu")


class Memory:
    """A memory of at most `size` examples, as rows of named tensors on a device, but for some on the host.

    Which are kept is decided on the host, which waits for no device where heads are there, and labels too for
    `class_balanced`.

    Args:
        size: in examples, of all tasks together.
        buffer: `reservoir` keeps every example offered so far with the same probability. `class_balanced`
            keeps equally many of each class (and head, where tasks have heads of their own), as far as they
            were offered. It keeps each example of a class with the same probability. With a remainder, size
            modulo classes, some classes have one more, and these last places favour newer examples a little.
        generator: decides what is kept, on the host.
        device: of the rows.
        on_host: the names of tensors that lie on the host all the same, beside `heads`.
    """

    places_tensors = True  # see learner/packing.py

    def __init__(
        self,
        size: int,
        *,
        buffer: str,
        generator: torch.Generator,
        device: torch.device = CPU,
        on_host: Collection[str] = (),
    ) -> None:
        self.size, self.balanced, self.generator = size, buffer == "class_balanced", generator
        self.device, self.on_host = device, {"heads", *on_host}
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
    def names(self) -> Iterator[str]:
        """The names of the tensors; none before the first examples."""
        return iter(self._tensors)

    @property
    def pixels(self) -> Tensor:
        return self["pixels"]

    @property
    def labels(self) -> Tensor:
        return self["labels"]

    @property
    def heads(self) -> Tensor:
        """The head of each example, on the host."""
        return self["heads"]

    heads_on_host = heads

    def offer(self, *, labels_on_host: Tensor | None = None, **tensors: Tensor) -> None:
        """Choose among these examples and those held.

        Args:
            labels_on_host: the same as `labels`, where they are on the host as well.
            tensors: `pixels`, `labels`, `heads` and whatever else is to be kept, [n, ...]; the same names
                each time, each where `on_host` says.
        """
        tensors |= {name: tensors[name].cpu() for name in self.on_host}
        labels = tensors["labels"]
        num_new, held = len(labels), slice(0, len(self))
        keys = torch.rand(num_new, dtype=torch.float64, generator=self.generator)
        groups = self._groups_of(labels if labels_on_host is None else labels_on_host, tensors["heads"])
        slots, positions = buffers.place(self._keys[held], self._groups[held], keys, groups, size=self.size)
        there = _Places(slots, positions)
        for name, rows in tensors.items():
            if name not in self._tensors:
                self._tensors[name] = rows.new_zeros((self.size, *rows.shape[1:]))
            slots_there, positions_there = there.on(rows.device)
            self._tensors[name].index_copy_(0, slots_there, rows.index_select(0, positions_there))
        self._keys[slots], self._groups[slots] = keys[positions], groups[positions]
        self._num_held = min(self.size, len(self) + num_new)

    def draw(self, num_examples: int) -> dict[str, Tensor]:
        """Different examples at random (all where there are fewer): their tensors by name, on one device."""
        order = torch.randperm(len(self), generator=self.generator)[:num_examples]
        there = _Places(order)
        device = self.labels.device
        held = {name: self[name] for name in self.names}
        return {
            name: rows.index_select(0, *there.on(rows.device)).to(device, non_blocking=True)
            for name, rows in held.items()
        }

    def state(self) -> dict[str, Tensor]:
        """All it holds, by name: nothing before the first examples."""
        if not len(self):
            return {}
        return {"keys": self._keys[: len(self)]} | {name: self[name] for name in self.names}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Hold what there was in `state`, whose tensors are on the host; the generator is not touched."""
        self._tensors, self._num_held = {}, 0
        if not state:
            return
        held = slice(0, len(state["keys"]))
        self._num_held = held.stop
        self._keys[held] = state["keys"]
        for name in sorted(state.keys() - {"keys"}):
            rows = state[name].to(CPU if name in self.on_host else self.device)
            self._tensors[name] = rows.new_zeros((self.size, *rows.shape[1:]))
            self._tensors[name][held] = rows
        self._groups[held] = self._groups_of(state["labels"], state["heads"])

    def _groups_of(self, labels: Tensor, heads: Tensor) -> Tensor:
        """The group of each example, by its label and head; on the host."""
        if not self.balanced:
            return torch.zeros(len(labels), dtype=torch.int64)
        return labels.cpu() + heads.cpu() * 2**32


class _Places:
    """Positions that were chosen on the host, on each device where they are asked for; copied once to each,
    without waiting for it.
    """

    def __init__(self, *positions: Tensor) -> None:
        self._on = {positions[0].device: positions}

    def on(self, device: torch.device) -> tuple[Tensor, ...]:
        if device not in self._on:
            here = next(iter(self._on.values()))
            self._on[device] = tuple(each.to(device, non_blocking=True) for each in here)
        return self._on[device]
