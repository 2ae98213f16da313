"""Boundaries that are not sharp: around each, the next task takes the place of the last one little by little.

Let two tasks that follow each other have m training examples, the smaller of the two numbers. Of both, the
L = floor(blur m / 2) examples next to the boundary make a window of 2 L. In the window the probability of the
next task rises linearly from 0 to 1. So do the streams of Zeno et al. (2018, "Task agnostic continual
learning using online variational Bayes"). Ours: the rise is exact and not drawn. The first j places
of the window have round(j^2 / (4 L)) examples of the next task for j <= L, and its second half mirrors the
first. So both tasks give away round(L / 4) examples, which chance draws, and each keeps its number. Every
example is still trained on in one task, and validation and test tasks stay as they are.

An epoch of a task runs through its places in their order: a shuffle exchanges examples of the same task only.
With blur=1 and one epoch, no part of the stream is of a single task.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cl_bench.streams.tasks import TaskData, TaskStream
from cl_bench.validation import check_number

BEFORE, OWN, AFTER = 0, 1, 2  # whose example stands at a place of a task


class BlurredTask(Dataset):
    """A task with examples of its neighbours, in the order of its places; it stands in that of a `TaskData`.

    Attributes:
        kinds: whose each example is, int64 [n]: BEFORE, OWN or AFTER.
        classes: of the task itself, without those of its neighbours, int64 [k].
        heads: of each example, int64 [n]; `head` is the task's own.
    """

    def __init__(self, parts: Sequence[TaskData], kinds: Tensor, *, classes: Tensor) -> None:
        own = parts[OWN]
        self.classes = classes
        self.pieces, self.kinds = tuple(parts), kinds
        self.head, self.to_float, self.augment = own.head, own.to_float, own.augment
        self._place = torch.empty_like(kinds)  # of each example, in the pieces one after another
        self._place[kinds.argsort(stable=True)] = torch.arange(len(kinds))
        self.labels = torch.cat([part.labels for part in parts])[self._place]
        self.heads = torch.cat([torch.full((len(part),), part.head) for part in parts])[self._place]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        place = int(self._place[index])
        for piece in self.pieces:
            if place < len(piece):
                return piece[place]
            place -= len(piece)
        raise IndexError(index)

    def pixels(self, device: torch.device) -> Tensor:
        """Transform each image as its own task does, in the order of the places, [n, C, H, W] on `device`."""
        pixels = torch.cat([piece.pixels(device) for piece in self.pieces])
        return pixels.index_select(0, self._place.to(device))

    def images(self, device: torch.device) -> Tensor:
        """Return all images as the network's input, float [n, C, H, W]."""
        return self.to_float(self.pixels(device))


def blurred(stream: TaskStream, blur: float, generator: torch.Generator) -> TaskStream:
    """Exchange training examples around each boundary; with `blur` 0 the stream is returned as it is.

    Args:
        blur: the share of each task's examples in windows around its boundaries, in [0, 1].
        generator: draws which examples are exchanged; nothing where `blur` is 0.

    Raises:
        ValueError: that names the setting, its value and the rule.
    """
    check_number("blur", blur)
    if not 0 <= blur <= 1:
        raise ValueError(f"blur must be at least 0 and at most 1, got {blur=}")
    if blur == 0 or len(stream.train) < 2:
        return stream
    sizes = [len(task) for task in stream.train]
    windows = [int(blur * min(pair) / 2) for pair in pairwise(sizes)]
    rises = [rise(window) for window in windows]
    given = [int(each.sum()) for each in rises]
    if 0 in given:
        few = windows[given.index(0)]
        raise ValueError(
            f"blur must exchange an example at each boundary, which takes 2 on each side of it, got {blur=} "
            f"with {few}; set a larger one, or 0"
        )
    none = torch.zeros(0, dtype=torch.bool)
    first, last = [none, *rises], [*rises, none]
    drawn = [torch.randperm(size, generator=generator) for size in sizes]

    def part(task: int, of: str) -> TaskData:
        """The examples that a task gives to the one before or after it, or keeps."""
        before, after = int(first[task].sum()), int(last[task].sum())
        bounds = {"before": (0, before), "after": (before, before + after), "own": (before + after, None)}
        return _some(stream.train[task], drawn[task][slice(*bounds[of])])

    tasks = []
    for task, size in enumerate(sizes):
        kinds = torch.full((size,), OWN)
        kinds[: len(first[task])][first[task].flip(0)] = BEFORE
        kinds[size - len(last[task]) :][last[task]] = AFTER
        nothing = _some(stream.train[task], drawn[task][:0])
        before = part(task - 1, "after") if task else nothing
        after = part(task + 1, "before") if task + 1 < len(sizes) else nothing
        classes = stream.train[task].labels.unique()
        tasks.append(BlurredTask((before, part(task, "own"), after), kinds, classes=classes))
    return stream._replace(train=tuple(tasks))  # type: ignore[arg-type]  # what a learner asks of a task


def rise(window: int) -> Tensor:
    """Tell which of the last L places of a task are the next one's, bool [L]: their density is j / (2 L).

    >>> rise(8).int().tolist()
    [0, 0, 0, 1, 0, 0, 1, 0]
    """
    places = torch.arange(window + 1, dtype=torch.float64)
    return (places**2 / (4 * max(window, 1)) + 0.5).floor().diff() > 0


def in_order(positions: Tensor, kinds: Tensor) -> Tensor:
    """Arrange positions, int64 [n], as their places follow each other; kinds keep the shuffle within them.

    Args:
        positions: shuffled; a part of a task, or parts of several passes over it.
        kinds: of all examples of the task, int64 [N].

    >>> in_order(torch.tensor([3, 0, 2, 1]), torch.tensor([OWN, OWN, OWN, AFTER])).tolist()
    [0, 2, 1, 3]
    """
    places = kinds[positions.sort().values]
    arranged = torch.empty_like(positions)
    for kind in (BEFORE, OWN, AFTER):
        arranged[places == kind] = positions[kinds[positions] == kind]
    return arranged


def _some(task: TaskData, chosen: Tensor) -> TaskData:
    return TaskData(
        task.shared,
        chosen if task.indices is None else task.indices[chosen],
        task.labels[chosen],
        head=task.head,
        view=task.view,
        to_float=task.to_float,
        augment=task.augment,
    )
