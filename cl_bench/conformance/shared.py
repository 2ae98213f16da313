"""Does it leave the data as they are?"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cl_bench.conformance.check import check, demand
from cl_bench.conformance.subject import Run, Subject
from cl_bench.learner.seeds import global_generators_restored

PARTS = {"train": "training", "validation": "validation", "test": "test"}  # of a stream, and their adjectives
# nothing is copied on its way: all images in every task, in the first as they lie in memory
WHOLE = (
    "benchmark=permuted_digits",
    "benchmark.num_tasks=2",
    "benchmark.permute_first=false",
    "benchmark.validation_share=0.0",
    "training.batch_size=256",
    "training.epochs=1",
)


@check(
    "are the shared images and labels the same bytes before and after training and testing?",
    cause="an operation in place (sub_, div_, clamp_, +=, [...] =) on mb_x, mb_y, dataloader.pixels or "
    "task_data, which are or share the data of all tasks: take a copy (.clone()) first",
)
def shared_data_stay_as_they_are(subject: Subject) -> str:
    with global_generators_restored(0):
        run = subject.run(*WHOLE)
        before = {name: _copied(value) for name, value in _contents(run)}
        moments: dict[str, Callable[[], None]] = {"in the tests before the first task": run.test}
        for task in range(2):
            moments[f"in the training of task {task + 1}"] = partial(run.train, task)
            moments[f"in the tests after task {task + 1}"] = run.test
        for when, act in moments.items():
            act()
            changed = [name for name, value in _contents(run) if not _equal(before[name], value)]
            demand(not changed, f"{', '.join(changed)} changed {when}")
    return f"{len(before)} tensors and lists of images, labels and scales are equal after two tasks"


def _contents(run: Run) -> Iterator[tuple[str, Any]]:
    """Yield all that tasks are made of, each once, by a name in words."""
    seen = set()
    for part, adjective in PARTS.items():
        experiences = run.benchmark.streams.get(part, ())
        for number, (task, experience) in enumerate(
            zip(getattr(run.stream, part), experiences, strict=True), start=1
        ):
            of_task = f"of {adjective} task {number}"
            contents: list[tuple[str, Any]] = [
                (f"the {adjective} images", task.shared.images),
                (f"the labels {of_task}", task.labels),
                (f"the targets {of_task}", list(experience.dataset.targets)),
                (f"the choice of images {of_task}", task.indices),
                *((f"the {name} of the view {of_task}", each) for name, each in _tensors(task.view)),
                *((f"the {name} of the scaling {of_task}", each) for name, each in _tensors(task.to_float)),
            ]
            for name, value in contents:
                if value is not None and (isinstance(value, list) or id(value) not in seen):
                    seen.add(id(value))
                    yield name, value


def _tensors(part: Any) -> list[tuple[str, Tensor]]:
    return [(name, each) for name, each in getattr(part, "__dict__", {}).items() if isinstance(each, Tensor)]


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _equal(first: Any, second: Any) -> bool:
    return torch.equal(first, second) if isinstance(first, Tensor) else first == second
