"""Batches of tensors that already sit on the device: no workers, no collation, no copies of examples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cl_bench.streams.blur import in_order

Batch = list  # [images float [B, C, H, W], labels int64 [B], task: int or int64 [B]]; Avalanche wants a list


class ResidentBatches:
    """Iterate over examples in batches; each pass shuffles anew, or keeps the order without a generator.

    `state` says where a shuffled pass stands; after `restore` the next pass is the rest of that one.

    Args:
        pixels: [N, C, H, W], uint8 or whatever `to_float` takes.
        labels: int64 [N].
        heads: int64 [N] on the host; a batch's task is an int where all are equal, else a tensor [B].
        to_float: pixels -> the network's input, float [B, C, H, W].
        generator: of the order of examples.
        augment: changes the pixels of each batch anew.
        kinds: whose each example is, int64 [N], of a task without sharp boundaries; see streams/blur.py.
    """

    newest: Tensor  # the positions of the newest batch of a shuffled pass
    _drawn: Tensor | slice  # of the newest batch, as the order has them
    _asked: Tensor | slice | None = None  # the same, as places of examples
    _served: Any = None  # the tasks of the newest batch, as `at` made them
    _order: Tensor  # of the pass
    _num_served = 0  # batches of the pass
    _goes_on = False  # the next pass is the one that was begun, from where it stands

    def __init__(
        self,
        pixels: Tensor,
        labels: Tensor,
        heads: Tensor,
        *,
        to_float: Callable[[Tensor], Tensor],
        batch_size: int,
        generator: torch.Generator | None,
        augment: Callable[[Tensor], Tensor] | None = None,
        kinds: Tensor | None = None,
    ) -> None:
        self.kinds = kinds
        self.pixels, self.labels, self.heads = pixels, labels, heads.to(pixels.device)
        self.heads_on_host = heads
        self.to_float, self.batch_size, self.generator = to_float, batch_size, generator
        self.augment = augment
        self.task = int(heads[0]) if len(heads) and bool((heads == heads[0]).all()) else None

    @property
    def num_examples(self) -> int:
        return len(self.labels)

    def __len__(self) -> int:
        whole, rest = divmod(self.num_examples, self.batch_size)
        return whole + (rest > 0 and not (whole > 0 and self._joins(rest)))

    def _joins(self, rest: int) -> bool:
        """Tell whether so many last examples of a pass join the batch before.

        Batch normalisation cannot take a single one in training.
        """
        return self.generator is not None and rest == 1 and self.batch_size > 1

    def _sizes(self) -> list[int]:
        """The sizes of the batches of a shuffled pass."""
        whole, rest = divmod(self.num_examples, self.batch_size)
        sizes = [self.batch_size] * whole
        if whole and self._joins(rest):
            return [*sizes[:-1], self.batch_size + 1]
        return [*sizes, rest] if rest else sizes

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is None:
            for start in range(0, self.num_examples, self.batch_size):
                self._drawn = self._asked = slice(start, start + self.batch_size)
                yield self.at(self._asked)
            self._drawn, self._asked, self._served = slice(0), None, None
            return
        if not self._goes_on:
            self._order, self._num_served = self.order(), 0
        self._goes_on = False
        drawn, there = (
            order.split(self._sizes(), dim=-1)[self._num_served :]
            for order in (self._order, self._order.to(self.pixels.device))
        )
        for self._drawn, positions in zip(drawn, there, strict=True):
            self._num_served += 1
            self.newest = self._asked = self._places(positions)
            yield self.at(self.newest)
        self._drawn, self._asked, self._served = slice(0), None, None

    def _places(self, positions: Tensor) -> Tensor:
        """The rows of the tensors in which the examples at these positions of the order lie."""
        return positions

    def is_newest(self, tasks: Tensor) -> bool:
        """Tell whether these are the tasks of the newest batch; a subclass may have put others there."""
        return tasks is self._served

    def heads_of_newest(self) -> Tensor:
        """The heads of the newest batch's examples, int64 [B] on the host: no device is waited for."""
        drawn = self._drawn
        return _rows(self.heads_on_host, drawn if isinstance(drawn, slice) else self._places(drawn.cpu()))

    def passes(self) -> Sequence[Any]:
        """Orders that continue from pass to pass, each with `state` and `restore`."""
        return ()

    def state(self) -> dict[str, Any]:
        """The place at which the newest pass stands."""
        left = [each.state() for each in self.passes()]
        return {"order": self._order, "num_served": self._num_served, "left": left}

    def restore(self, state: dict[str, Any]) -> None:
        """Let the next pass be the rest of the one that was there.

        Raises:
            ValueError: where it cannot be a pass over these examples.
        """
        order, served = state["order"], state["num_served"]
        sizes = self._sizes()
        fits = order.dtype == torch.int64 and order.shape[-1:] == (sum(sizes),)
        if not fits or not 0 <= served <= len(sizes):
            there = f"a pass over {order.shape[-1:].numel()} examples after {served} batches"
            raise ValueError(
                f"cannot go on with {there}: the task has {sum(sizes)} examples in {len(sizes)} batches. "
                "Take a state of the same data"
            )
        self._order, self._num_served, self._goes_on = order, served, True
        for each, left in zip(self.passes(), state["left"], strict=True):
            each.restore(left)

    def order(self) -> Tensor:
        """The positions of a new shuffled pass, batch after batch; int64, on the generator's device."""
        return self.arranged(shuffled(self.num_examples, self.generator))

    def arranged(self, positions: Tensor) -> Tensor:
        """Shuffled positions in the order in which a pass shows them."""
        return positions if self.kinds is None else in_order(positions, self.kinds.to(positions.device))

    def at(self, positions: Tensor | slice) -> Batch:
        """The examples at these positions, as one batch."""
        task = _rows(self.heads, positions) if self.task is None else self.task
        if positions is self._asked:
            self._served = task
        return [self.images(_rows(self.pixels, positions)), _rows(self.labels, positions), task]

    def images(self, pixels: Tensor) -> Tensor:
        """The network's input for these pixels, augmented anew where there is an augmentation."""
        return self.to_float(pixels if self.augment is None else self.augment(pixels))

    def only(self, positions: Tensor) -> "ResidentBatches":
        """Batches of these examples alone."""
        selected = copy(self)
        positions = positions.to(self.pixels.device)
        selected.pixels, selected.labels = self.pixels[positions], self.labels[positions]
        selected.heads = self.heads[positions]
        alike = self.task is not None
        # copied: a view would keep the heads of all examples
        on_host = self.heads_on_host[: len(positions)] if alike else self.heads_on_host[positions.cpu()]
        selected.heads_on_host = on_host.clone()
        selected.kinds = None if self.kinds is None else self.kinds[positions.cpu()]
        return selected

    def without(self, positions: Tensor) -> "ResidentBatches":
        """Batches of all other examples."""
        keep = torch.ones(self.num_examples, dtype=torch.bool, device=self.pixels.device)
        keep[positions.to(self.pixels.device)] = False
        return self.only(keep.nonzero().squeeze(1))


class StackedBatches(ResidentBatches):
    """Batches of R seeds one after another, [R * B, ...]: each seed's part is the batch it would have alone.

    Args:
        parts: one for each seed, with equal numbers of examples and batch sizes.
    """

    def __init__(self, parts: Sequence[ResidentBatches]) -> None:
        super().__init__(**joined(parts, like=parts[0]))
        self._augments = [part.augment for part in parts if part.augment is not None]
        self.augment = self._augment_each if self._augments else None
        for part, pixels in zip(parts, self.pixels.chunk(len(parts)), strict=True):
            part.pixels = pixels  # so that there is one copy of them
        self._parts = parts
        starts = torch.arange(len(parts))[:, None] * len(parts[0].labels)
        self._starts = {each: starts.to(each) for each in (starts.device, self.pixels.device)}

    @property
    def num_examples(self) -> int:
        """The number of examples of one seed."""
        return self._parts[0].num_examples

    def _sizes(self) -> list[int]:
        """The sizes of one seed's part of the batches, which may leave room for examples from elsewhere."""
        return self._parts[0]._sizes()

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is not None:
            yield from super().__iter__()
            return
        for positions in torch.arange(self.num_examples, device=self.pixels.device).split(self.batch_size):
            self._drawn, self._asked = positions, self._places(positions)
            yield self.at(self._asked)
        self._drawn, self._asked, self._served = slice(0), None, None

    def order(self) -> Tensor:
        """The positions of a new shuffled pass of each seed, [R, N]."""
        return torch.stack([part.order() for part in self._parts])

    def _places(self, positions: Tensor) -> Tensor:
        return (positions + self._starts[positions.device]).reshape(-1)

    def passes(self) -> Sequence[Any]:
        return [each for part in self._parts for each in part.passes()]

    def _augment_each(self, pixels: Tensor) -> Tensor:
        chunks = pixels.chunk(len(self._augments))
        return torch.cat([augment(chunk) for augment, chunk in zip(self._augments, chunks, strict=True)])


def stacked(parts: Iterable[ResidentBatches]) -> ResidentBatches:
    """The batches of each seed's part one after another; those of the only part as they are."""
    parts = list(parts)
    return StackedBatches(parts) if len(parts) > 1 else parts[0]


def shuffled(num_examples: int, generator: torch.Generator | None) -> Tensor:
    """All positions in random order, int64 [num_examples], on the generator's device."""
    assert generator is not None
    return torch.randperm(num_examples, generator=generator, device=generator.device)


def _rows(tensor: Tensor, positions: Tensor | slice) -> Tensor:
    # index_select copies whole rows: five times faster than tensor[positions] on a CPU
    return tensor[positions] if isinstance(positions, slice) else tensor.index_select(0, positions)


def batches_of(
    tasks: Sequence[Any],
    *,
    batch_size: int,
    device: torch.device,
    generator: torch.Generator | None = None,
    augmentation: torch.Generator | None = None,
) -> ResidentBatches:
    """The examples of one task, or of several mixed, on a device. A task is a `TaskData` or the like.

    Args:
        generator: shuffles them.
        augmentation: draws the tasks' own augmentation; without it images are as they are.
    """
    pixels = [task.pixels(device) for task in tasks]
    augment = getattr(tasks[0], "augment", None) if augmentation is not None else None
    return ResidentBatches(
        torch.cat(pixels) if len(pixels) > 1 else pixels[0],
        torch.cat([task.labels for task in tasks]).to(device),
        torch.cat([heads_of(task) for task in tasks]),
        to_float=tasks[0].to_float,
        batch_size=batch_size,
        generator=generator,
        augment=None if augment is None else partial(augment, generator=augmentation),
        kinds=getattr(tasks[0], "kinds", None) if len(tasks) == 1 else None,
    )


def heads_of(task: Any) -> Tensor:
    """The head of each example of a `TaskData` or the like, int64 [N]."""
    return task.heads if hasattr(task, "heads") else torch.full((len(task),), task.head)


def merged(parts: Sequence[Any], like: ResidentBatches | None = None) -> ResidentBatches:
    """Batches of the examples of all parts, which are anything with pixels, labels and heads_on_host.

    The rest is as in `like`, the first part unless it is given.
    """
    return ResidentBatches(**joined(parts, like=parts[0] if like is None else like))


def joined(parts: Sequence[Any], *, like: ResidentBatches) -> dict[str, Any]:
    """What `ResidentBatches` is made of, for the examples of all parts."""
    return {
        "pixels": torch.cat([part.pixels for part in parts]),
        "labels": torch.cat([part.labels for part in parts]),
        "heads": torch.cat([part.heads_on_host for part in parts]),
        "to_float": like.to_float,
        "batch_size": like.batch_size,
        "generator": like.generator,
        "augment": like.augment,
        "kinds": getattr(parts[0], "kinds", None) if len(parts) == 1 else None,
    }
