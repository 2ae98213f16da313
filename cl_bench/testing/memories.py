"""Does a memory hold what it says, and nothing that it keeps a graph?"""

import re
import weakref
from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.streams.tasks import TaskData, TaskStream
from cl_bench.testing.check import Failed, applies, check, demand
from cl_bench.testing.reach import reachable
from cl_bench.testing.subject import THREE, Run, Subject
from cl_bench.testing.training import ONE_RUN
from cl_bench.training.generators import global_generators_restored

CPU = torch.device("cpu")
NOT_TRAINED_ON = -1
SIZE = re.compile(r"(memory|mem|buffer|replay|coreset|exemplars?)_(size|capacity)")  # settings: in examples
SEEDS = (0, 1, 2)  # a small memory that is chosen at random may lack a task by chance


@check(
    "does its memory hold images of every task, no more than it says, and none of a test?",
    cause="a memory that is full after the first task and takes no more, one that is made anew for each "
    "task, one slot that all images are written to, or images collected in hooks that tests run through, too",
    rests_on=ONE_RUN,
)
def a_memory_holds_images_of_every_task(subject: Subject) -> str:
    for seed in SEEDS:
        try:
            return _held_by(subject, seed)
        except _Lacks as lacking:
            seen = str(lacking)
    raise Failed(f"{seen} (and so with {len(SEEDS)} seeds)")


class _Lacks(Exception):  # noqa: N818 (it is what was seen)
    """A task is missing, which may be chance."""


def _held_by(subject: Subject, seed: int) -> str:
    numbers = []
    with global_generators_restored(seed):
        run = subject.run(*THREE, seed=seed)
        owners = _owners(run.stream)
        for task in range(3):
            run.test()
            run.train(task)
            held = list(_held(run.strategy, owners, run.stream.input_shape))
            found = {image for images in held for image in images}
            by_task = Counter(owners[image] for image in found)
            applies(bool(found) or task > 0, "it holds no image of the stream")
            demand(
                not by_task[NOT_TRAINED_ON],
                f"after task {task + 1} it holds {by_task[NOT_TRAINED_ON]} images of tests or of validation",
            )
            missing = [old + 1 for old in range(task + 1) if not by_task[old]]
            if missing and subject.claims.keeps_of_every_task:
                raise _Lacks(
                    f"after task {task + 1} none of {len(found)} images held is of task {missing[0]}"
                )
            _demand_that_they_differ(held, run.config.training.epochs, task)
            _demand_that_they_fit(subject, run, len(found), task)
            numbers.append(len(found))
    return f"after three tasks {', '.join(map(str, numbers))} images, some of each task so far"


def _demand_that_they_differ(held: list[list[bytes]], epochs: int, task: int) -> None:
    """A memory that is offered each batch may hold an image once for each epoch."""
    for images in held:
        most = max(Counter(images).values(), default=0)
        demand(most <= epochs, f"after task {task + 1} it holds one image {most} times, of {len(images)}")


def _demand_that_they_fit(subject: Subject, run: Run, number: int, task: int) -> None:
    settings = {name: size for name, size in run.config.strategy.items() if SIZE.fullmatch(str(name))}
    for name, size in settings.items():
        if isinstance(size, int) and number:
            limit = size * (task + 1) if subject.claims.grows else size
            demand(
                number <= limit or len(settings) > 1,
                f"after task {task + 1} it holds {number} images, more than {name}={size} allows",
            )


def _owners(stream: TaskStream) -> dict[bytes, int]:
    """Of each image, as bytes and as the network's input: the task that trains on it, or NOT_TRAINED_ON."""
    owners: dict[bytes, int] = {}
    tests = [(NOT_TRAINED_ON, each) for each in (*stream.validation, *stream.test)]
    for task, data in (*tests, *enumerate(stream.train)):  # what is in both is trained on
        for images in (data.pixels(CPU), data.images(CPU)):
            owners |= dict.fromkeys(_rows(images.flatten(1)), task)
    return owners


def _held(strategy: Any, owners: dict[bytes, int], shape: tuple[int, ...]) -> Iterator[list[bytes]]:
    """The images of the stream in each tensor that the strategy holds on to; single ones all together."""
    singles: list[bytes] = []
    size = prod(shape)
    for found in reachable(strategy):
        data = getattr(found, "task_data", found)
        tensor = data.pixels(CPU) if isinstance(data, TaskData) else found
        if not isinstance(tensor, Tensor) or tensor.dtype not in (torch.uint8, torch.float32):
            continue
        if not any(prod(tensor.shape[axis:]) == size for axis in range(tensor.dim())):
            continue
        images = [row for row in _rows(tensor.detach().reshape(-1, size)) if row in owners]
        if tensor.numel() == size:
            singles += images
        else:
            yield images
    yield singles


def _rows(images: Tensor) -> list[bytes]:
    return [row.tobytes() for row in images.cpu().contiguous().numpy()]


@check(
    "does nothing that it keeps hold the graph of a step?",
    cause="logits, losses or importances that are kept without .detach(): memory grows with each step, and "
    "a later backward pass goes through old batches",
    rests_on=ONE_RUN,
)
def nothing_kept_has_a_graph(subject: Subject) -> str:
    with global_generators_restored(0):
        run = subject.run(*THREE)
        run.train(0)
        watch = _Graphs(run.strategy)
        run.strategy.plugins.insert(0, watch)
        run.train(1)
    seen = f"{watch.number} tensors that it holds on to have a graph (grad_fn)"
    demand(not watch.number, f"{seen}, such as one of shape {watch.shape}")
    return "no tensor that outlives a step, in any of its attributes, has a grad_fn"


class _Graphs(SupervisedPlugin):
    """Tensors with a graph that are there before the second task, or after its first step, and still after
    its last step; what each step replaces is none of them.
    """

    number, shape = 0, ()

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self._early = {id(each): weakref.ref(each) for each in _with_graph(strategy)}
        self._begun = False

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        now = _with_graph(strategy)
        if not self._begun:
            self._begun = True
            self._early |= {id(each): weakref.ref(each) for each in now}
            return
        kept = [each for each in now if id(each) in self._early and self._early[id(each)]() is each]
        self.number = len(kept)
        self.shape = tuple(kept[0].shape) if kept else ()


def _with_graph(strategy: Any) -> list[Tensor]:
    found = (each for each in reachable(strategy) if isinstance(each, Tensor))
    return [each for each in found if each.grad_fn is not None]
