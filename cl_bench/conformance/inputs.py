"""Is what the network sees in training an image of the stream, as the stream gives it?"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.conformance.check import Failed, applies, check, demand
from cl_bench.conformance.held_tensors import other_networks
from cl_bench.conformance.memories import sizes_of_memories
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.subject import Run, Subject
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models.network import Network
from cl_bench.streams.tasks import TaskData, TaskStream, View

CPU = torch.device("cpu")
NUM_TASKS = 3
PLACES = 60  # of a memory; a task has 48 images here
LEVELS = 4096  # between 0 and 1; half precision has half as many there
SETTINGS = ("benchmark=permuted_digits", f"benchmark.num_tasks={NUM_TASKS}", "benchmark.permute_first=true")


@check(
    "is every input of the network in training an image of the stream, as the stream gives it?",
    cause="images in a memory without their task's view (its permutation), not scaled or scaled twice, of "
    "another precision, places of a memory that are "
    "still empty, or augmented twice; mixup, generated or noisy images must be claimed (own_inputs)",
    rests_on=ONE_RUN,
)
def inputs_are_images_of_the_stream(subject: Subject) -> str:
    applies(not subject.claims.own_inputs, "it says that it makes inputs of its own (own_inputs)")
    with global_generators_restored(0):
        run = subject.run(*SETTINGS, *_with_places_left(subject), change=_told_apart)
        inputs = Inputs(run)
        for task in range(NUM_TASKS):
            inputs.watch(task)
            run.train(task)
            inputs.rest()
            if inputs.wrong:
                raise Failed(f"in task {task + 1}: {inputs.in_words()}")
            run.test()
    demand(inputs.number > 0, "nothing is put into its network")
    return f"{inputs.number} inputs in three tasks are images of the task or of earlier ones"


def _with_places_left(subject: Subject) -> list[str]:
    """Return settings with which a memory has empty places in the second task, and none in the third."""
    sizes = [] if subject.claims.grows else sizes_of_memories(subject.run(*SETTINGS))
    names = [name for name in sizes if not name.startswith("coreset")]  # which is out of a task, and full
    places = [f"strategy.{name}={PLACES}" for name in names]
    try:
        subject.run(*SETTINGS, *places)
    except ValueError:  # it wants another number of them
        return []
    return places


def _told_apart(stream: TaskStream) -> TaskStream:
    """Return the stream with an augmentation, and with images that no two tasks have in common."""

    def third(number: int, task: TaskData) -> TaskData:
        every = slice(number, None, NUM_TASKS)
        indices = torch.arange(len(task)) if task.indices is None else task.indices
        return TaskData(
            *(task.shared, indices[every], task.labels[every]),
            head=task.head,
            view=task.view,
            to_float=task.to_float,
            augment=_moved_or_not,
        )

    return stream._replace(train=tuple(third(number, task) for number, task in enumerate(stream.train)))


def _moved_or_not(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return each image as it is or moved by a pixel, at random: what is moved twice was augmented twice."""
    which = torch.randint(2, (len(images),), generator=generator, device=generator.device).bool()
    return torch.where(which.to(images.device).view(-1, 1, 1, 1), _moved(images), images)


def _moved(images: Tensor) -> Tensor:
    return images.roll(1, dims=-1)


class Inputs:
    """A watcher of what is put into the network, and into copies of it, while a task is trained."""

    def __init__(self, run: Run) -> None:
        self._run, self._watching = run, False
        self._width = int(torch.tensor(run.stream.input_shape).prod())
        self._allowed: set[bytes] = set()
        self._hooked: list[nn.Module] = []
        self.number, self.wrong, self._first = 0, 0, torch.zeros(0)

    def watch(self, task: int) -> None:
        """Compare inputs from now on with images of this task and earlier ones."""
        self._allowed |= {row for images in _given(self._run.stream.train[task]) for row in _rows(images)}
        strategy = self._run.strategy

        # a function, which copies of the network share: they are copied with their hooks
        def look(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            inputs = next((each for each in (*arguments, *named.values()) if isinstance(each, Tensor)), None)
            if self._watching and inputs is not None:
                _Look.apply(inputs.detach(), self._see)

        for network in (strategy.model, *_copies(strategy)):
            for entrance in _entrances(network):
                if entrance not in self._hooked and not entrance._forward_pre_hooks:
                    self._hooked.append(entrance)
                    entrance.register_forward_pre_hook(look, with_kwargs=True)
        self._watching = True

    def rest(self) -> None:
        self._watching = False

    def _see(self, inputs: Tensor) -> None:
        if inputs.numel() % self._width:
            self.wrong, self._first = self.wrong + 1, inputs.flatten()
            return
        images = inputs.reshape(-1, self._width)
        if bool((images == images[0, 0]).all()):  # a blank batch asks for shapes
            return
        for image, row in zip(images, _rows(images), strict=True):
            self.number += 1
            if row not in self._allowed:
                self._first = self._first if self.wrong else image
                self.wrong += 1

    def in_words(self) -> str:
        """Say how many inputs are wrong, and what is known of the first."""
        image = self._first
        known = next((name for name, rows in self._explanations() if set(_rows(image[None])) & rows), None)
        what = known or f"from {float(image.min()):.3g} to {float(image.max()):.3g} in {str(image.dtype)[6:]}"
        return f"{self.wrong} inputs are no images of tasks so far as they are given; the first: {what}"

    def _explanations(self) -> Iterator[tuple[str, set[bytes]]]:
        tasks = self._run.stream.train
        for number, task in enumerate(tasks, start=1):
            scale = task.to_float
            pixels, raw = task.pixels(CPU), task.shared.images[task.indices]
            images: list[tuple[str, Tensor]] = [
                (f"an image of task {number}, which comes later", scale(pixels)),
                (f"an image of task {number} without the task's view", scale(raw)),
                (f"an image of task {number}, augmented twice", scale(_moved(_moved(pixels)))),
                (f"an image of task {number} that is not scaled", pixels.float()),
                (f"an image of task {number} that is scaled twice", scale(scale(pixels))),
                (f"an image of task {number} in half precision", scale(pixels).half()),
                (f"an image of task {number} in bfloat16", scale(pixels).bfloat16()),
                *(
                    (f"an image of task {number} through the view of task {other}", scale(view(start)))
                    for other, view in self._views()
                    for start in (raw, pixels)
                ),
            ]
            for name, each in images:
                for moved, words in ((each, ""), (_moved(each), ", augmented")):
                    yield name + words, set(_rows(moved))

    def _views(self) -> list[tuple[int, View]]:
        return [(number, task.view) for number, task in enumerate(self._run.stream.train, start=1)]


class _Look(torch.autograd.Function):
    """Show a tensor to a function; under `vmap` all of it at once."""

    @staticmethod
    def forward(inputs: Tensor, see: Callable[[Tensor], None]) -> Tensor:
        see(inputs.detach())
        return torch.zeros(())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple, inputs: Tensor, see: Callable[[Tensor], None]) -> tuple[Tensor, None]:
        return _Look.apply(inputs.movedim(in_dims[0], 0), see), None


def _given(task: TaskData) -> tuple[Tensor, Tensor]:
    """Return all forms of a task's images, augmented or not."""
    pixels = task.pixels(CPU)
    return task.to_float(pixels), task.to_float(_moved(pixels))


def _rows(images: Tensor) -> list[bytes]:
    """Return each image's numbers as bytes, rounded: x / 255 and x * (1 / 255) are the same image.

    Half precision is not rounded.
    """
    rounded = (images.detach().cpu().double() * LEVELS).round().to(torch.int32)
    return [row.tobytes() for row in rounded.reshape(len(images), -1).contiguous().numpy()]


def _copies(strategy: Any) -> list[nn.Module]:
    """List other networks that take what the network takes: teachers, averages."""
    shapes = _shapes(strategy.model)
    return [each for each in other_networks(strategy) if _shapes(each) == shapes]


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: part.shape for name, part in network.state_dict().items()}


def _entrances(network: nn.Module) -> list[nn.Module]:
    """List where images enter: the body of our network, or its first part; each is called alone sometimes."""
    bodies = [part.body for part in network.modules() if isinstance(part, Network)]
    return [next(iter(body)) if isinstance(body, nn.Sequential) else body for body in bodies] or [network]
