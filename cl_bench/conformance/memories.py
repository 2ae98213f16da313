"""Does a memory hold what it says: images of every task, with their labels?"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.conformance.check import Failed, applies, check, demand
from cl_bench.conformance.held_tensors import reachable
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.subject import THREE, Run, Subject
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.tasks import TaskStream

CPU = torch.device("cpu")
NOT_TRAINED_ON = -1  # the task of images of tests and of validation
SIZE = re.compile(r"(memory|mem|buffer|replay|coreset|exemplars?)_(size|capacity)")  # settings: in examples
LABELS = re.compile(r"label|target|(^|_)ys?$")
FIVE = ("benchmark=split_digits", "benchmark.num_tasks=5")
FEW = 10  # places of a memory: fewer than a task has images
SEEDS = (0, 1, 2, 3, 4)  # a small memory that is chosen at random may lack a task by chance

Answer = TypeVar("Answer")
Place = tuple[int, int]  # of an image: task, from 0, and position in it


@check(
    "does its memory hold images of every task, no more than it says, and none of a test?",
    cause="a memory that is full after the first task and takes no more, a reservoir that counts "
    "the examples of this task in place of all so far, one that is made anew for each "
    "task (where that is meant: keeps_of_every_task=False), one slot that all images are written to, or "
    "images collected in hooks that tests run through, too",
    rests_on=ONE_RUN,
)
def a_memory_holds_images_of_every_task(subject: Subject) -> str:
    words = _with_any_seed(_held_by, subject)
    if subject.claims.keeps_of_every_task:
        _with_any_seed(_hold_in_few_places, subject)
    return words


def _with_any_seed(look: Callable[[Subject, int], Answer], subject: Subject) -> Answer:
    for seed in SEEDS:
        try:
            return look(subject, seed)
        except _LacksTask as lacking:
            seen = str(lacking)
    raise Failed(f"{seen}, nor with other seeds")


class _LacksTask(Exception):  # noqa: N818 (it is what was seen)
    """No image of some task is held, which may be chance."""


def _held_by(subject: Subject, seed: int) -> str:
    with global_generators_restored(seed):
        run = subject.run(*THREE, seed=seed)
        looks = _Looks(run)
        run.strategy.plugins.insert(0, looks)
        for task in range(3):
            run.test()
            run.train(task)
            held = looks.held()
            where = f"after task {task + 1}"
            others = {position for holder in held for old, position in holder if old == NOT_TRAINED_ON}
            demand(not others, f"{where} it holds {len(others)} images of tests or of validation")
            for holder in held:  # a memory that is offered each batch may hold an image once for each epoch
                most = max(Counter(holder).values(), default=0)
                demand(most <= run.config.training.epochs, f"{where} one image is held {most} times")
            _demand_that_they_fit(subject, run, held, task)
    _, second, third = (Counter(task for task, _ in images) for images in looks.at_start)
    applies(bool(second[0]), "in the second task it holds no image of the first")
    missing = [task + 1 for task in (0, 1) if not third[task]]
    if missing and subject.claims.keeps_of_every_task:
        number = third.total()
        raise _LacksTask(f"when task 3 begins, none of {number} images that it holds is of task {missing[0]}")
    return f"when task 3 begins it holds {third[0]} images of task 1 and {third[1]} of task 2"


def _hold_in_few_places(subject: Subject, seed: int) -> None:
    """Demand that a memory which is full after the first task has something of each of four tasks."""
    sizes = sizes_of_memories(subject.run(*FIVE))
    if len(sizes) != 1:
        return
    ((name, size),) = sizes.items()
    if not isinstance(size, int):
        return
    with global_generators_restored(seed):
        try:
            run = subject.run(*FIVE, f"strategy.{name}={FEW}", seed=seed)
        except ValueError:  # it needs more
            return
        looks = _Looks(run)
        run.strategy.plugins.insert(0, looks)
        run.train()
    held = Counter(task for task, _ in looks.at_start[4])
    missing = [task + 1 for task in range(4) if not held[task]]
    if missing:
        seen = f"with {name}={FEW} none of {held.total()} images that it holds is of task {missing[0]}"
        raise _LacksTask(f"when task 5 begins, {seen}")


def sizes_of_memories(run: Run) -> dict[str, Any]:
    """Return the settings that say how large the strategy's memory is."""
    return {str(name): size for name, size in run.config.strategy.items() if SIZE.fullmatch(str(name))}


class _Looks(SupervisedPlugin):
    """A plugin that finds images that a strategy holds, now and when each task begins.

    The newest batch is no memory.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run, self._places = run, _places(run.stream)
        self._newest: frozenset[bytes] = frozenset()
        self.at_start: list[set[Place]] = []

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.clock.train_exp_iterations == 0:
            self.at_start.append({place for holder in self.held() for place in holder})

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._newest = frozenset(_images(strategy.mb_x, self._run.stream.input_shape))

    def held(self) -> list[list[Place]]:
        """Return the images in each tensor or array that the strategy holds; single images are one list."""
        singles: list[Place] = []
        holders = [singles]
        for part in reachable(self._run.strategy):
            rows = _images(part, self._run.stream.input_shape)
            images = [self._places[row] for row in rows if row in self._places]
            if len(rows) == 1:
                singles += images
            elif frozenset(rows) != self._newest:
                holders.append(images)
        return holders


def _demand_that_they_fit(subject: Subject, run: Run, held: list[list[Place]], task: int) -> None:
    """Demand that the images in what holds one of an earlier task are no more than the memory's size."""
    memory = {place for holder in held if any(old < task for old, _ in holder) for place in holder}
    settings = sizes_of_memories(run)
    if len(settings) != 1:  # nobody knows what two of them mean together
        return
    ((name, size),) = settings.items()
    if isinstance(size, int):
        limit = size * (task + 1) if subject.claims.grows else size
        seen = f"after task {task + 1} it holds {len(memory)} images, more than {name}={size} allows"
        demand(len(memory) <= limit, seen)


@check(
    "does its memory hold each image with its own label?",
    cause="an image that is replaced without its label, or labels in another order than the images",
    rests_on=(*ONE_RUN, a_memory_holds_images_of_every_task),
)
def labels_held_are_those_of_their_images(subject: Subject) -> str:
    with global_generators_restored(0):
        run = subject.run(*THREE)
        run.train()
    right, total = _matches(run)
    applies(bool(total), "it holds no image of the stream beside whole numbers")
    for image_name in total:
        shares = {name: right[image_name][name] / of for name, of in total[image_name].items()}
        called = [name for name in shares if LABELS.search(name)]
        name = max(called or shares, key=shares.__getitem__)
        number, of = right[image_name][name], total[image_name][name]
        if called or number >= of / 2:  # otherwise these numbers are of something else
            demand(number == of, f"{of - number} of {of} images in its memory have another label ({name})")
    return "images and labels belong together"


def _matches(run: Run) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Count how many of the whole numbers beside held images are the images' labels, and of how many.

    Both are counted by the names of images and of whole numbers.
    """
    right: dict[str, Counter[str]] = defaultdict(Counter)
    total: dict[str, Counter[str]] = defaultdict(Counter)
    places, shape = _places(run.stream), run.stream.input_shape
    for holder in (vars(run.strategy), *reachable(run.strategy)):
        columns = _columns(holder)
        numbers = {name: labels for name, each in columns.items() if (labels := _whole_numbers(each))}
        for image_name, each in columns.items() if numbers else ():
            rows = [places.get(row) for row in _images(each, shape)]
            for name, labels in numbers.items():
                if rows and len(rows) == len(labels):
                    pairs = [(place, label) for place, label in zip(rows, labels, strict=True) if place]
                    right[image_name][name] += sum(_label(run, place) == label for place, label in pairs)
                    total[image_name][name] += len(pairs)
    return right, {name: counts for name, each in total.items() if (counts := +each)}


def _columns(holder: Any) -> dict[str, Any]:
    if isinstance(holder, dict):
        return {str(name): each for name, each in holder.items()}
    if isinstance(holder, tuple | list):
        return {f"place {number}": each for number, each in enumerate(holder[:8])}
    return dict(getattr(holder, "__dict__", {}))


def _whole_numbers(column: Any) -> list[int]:
    if isinstance(column, int) and not isinstance(column, bool):
        return [column]
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        column = torch.from_numpy(column.astype(np.int64))
    if isinstance(column, Tensor) and column.dtype in (torch.int64, torch.int32) and column.dim() < 2:
        return column.reshape(-1).tolist()
    if isinstance(column, list) and column and all(isinstance(each, int) for each in column):
        return column
    return []


def _label(run: Run, place: Place) -> int:
    task, position = place
    return int(run.stream.train[task].labels[position]) if task != NOT_TRAINED_ON else -1


def _places(stream: TaskStream) -> dict[bytes, Place]:
    """Map the bytes of each image, as it is and as the network's input, to its place in the stream."""
    places: dict[bytes, Place] = {}
    tests = [(NOT_TRAINED_ON, each) for each in (*stream.validation, *stream.test)]
    for task, data in (*tests, *enumerate(stream.train)):  # what is in both is trained on
        for images in (data.pixels(CPU), data.images(CPU)):
            rows = _rows(images.flatten(1))
            places |= {row: (task, position) for position, row in enumerate(rows)}
    return places


def _images(column: Any, shape: tuple[int, ...]) -> list[bytes]:
    """List what may be images of this shape, flat or not, one or several."""
    tensor = (
        torch.from_numpy(column) if isinstance(column, np.ndarray) and column.dtype.kind in "fu" else column
    )
    size = prod(shape)
    if not isinstance(tensor, Tensor) or not (tensor.is_floating_point() or tensor.dtype == torch.uint8):
        return []
    if not any(prod(tensor.shape[axis:]) == size for axis in range(tensor.dim())):
        return []
    plain = tensor.detach().float() if tensor.is_floating_point() else tensor
    return _rows(plain.reshape(-1, size))


def _rows(images: Tensor) -> list[bytes]:
    return [row.tobytes() for row in images.cpu().contiguous().numpy()]
