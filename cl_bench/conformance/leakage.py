"""Does it look at what it must not see? The data are asked, not the strategy.

Future tasks, test images and the names of tasks are replaced by others, or the reading of them is recorded.
Where nothing was looked at, nothing changes, bit for bit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cl_bench.conformance.check import Failed, applies, check, demand
from cl_bench.conformance.predictions import predictions
from cl_bench.conformance.repeatability import (
    TWO_RUNS,
    testing_changes_nothing,
    the_size_of_test_batches_changes_nothing,
)
from cl_bench.conformance.subject import SPLIT, Subject
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.tasks import Scaling, SharedImages, TaskData, TaskStream, View
from cl_bench.streams.transforms import identity

CPU = torch.device("cpu")


class WatchedTask(TaskData):
    """A task that notes in `reads` that somebody looks at its images or labels."""

    def __init__(self, task: TaskData, name: str, reads: list[str]) -> None:
        self._name, self._reads = name, reads
        super().__init__(
            *(task.shared, task.indices, task.labels),
            head=task.head,
            view=task.view,
            to_float=task.to_float,
            augment=task.augment,
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self._reads.append(self._name)
        return super().__getitem__(index)

    @property
    def labels(self) -> Tensor:
        self._reads.append(self._name)
        return self._labels

    @labels.setter
    def labels(self, labels: Tensor) -> None:
        self._labels = labels

    @property
    def shared(self) -> SharedImages:
        self._reads.append(self._name)
        return self._shared

    @shared.setter
    def shared(self, shared: SharedImages) -> None:
        self._shared = shared


def other_task(images: Tensor, labels: Tensor, like: TaskData) -> TaskData:
    """Make a task of these images (uint8) and labels, otherwise like the given one."""
    view: View = identity
    scaling: Scaling = like.to_float
    return TaskData(SharedImages(images), None, labels, head=like.head, view=view, to_float=scaling)


def poisoned(tasks: Sequence[TaskData]) -> tuple[TaskData, ...]:
    """Return tasks with negatives of the images, all labelled 0."""
    return tuple(other_task(255 - task.pixels(CPU), torch.zeros_like(task.labels), task) for task in tasks)


@check(
    "does it read nothing of a task before that comes?",
    cause="experience.origin_stream, .benchmark or .future_classes, or a data set that is read as a whole",
    rests_on=TWO_RUNS,
)
def it_reads_no_future_task(subject: Subject) -> str:
    reads: list[str] = []

    def watch(stream: TaskStream) -> TaskStream:
        train = [WatchedTask(task, f"task {number}", reads) for number, task in enumerate(stream.train, 1)]
        return stream._replace(train=tuple(train))

    def poison(stream: TaskStream) -> TaskStream:
        return stream._replace(train=(*stream.train[:1], *poisoned(stream.train[1:])))

    ends = []
    for change in (watch, poison):
        with global_generators_restored(0):
            run = subject.run(*SPLIT, change=change)
            reads.clear()
            run.train(0)
            ends.append(weights_sha256(run.strategy))
            if change is watch:
                early = [name for name in reads if name != "task 1"]
                demand(not early, f"{early and early[0]} is read while task 1 is trained, {len(early)} times")
    demand(ends[0] == ends[1], "with other data in task 2 training on task 1 ends at other weights")
    return "while task 1 is trained nothing of task 2 is read; with other data in it the weights are equal"


@check(
    "does training use no test image?",
    cause="a memory or statistics that grow in evaluation hooks (after_eval_iteration), or in forward "
    "without a look at is_training",
    rests_on=(*TWO_RUNS, testing_changes_nothing),
)
def it_learns_from_no_test_image(subject: Subject) -> str:
    reads: list[str] = []

    def watch(stream: TaskStream) -> TaskStream:
        return stream._replace(test=tuple(WatchedTask(task, "test", reads) for task in stream.test))

    with global_generators_restored(0):
        run = subject.run(*SPLIT, change=watch)
        for task in (0, 1):
            run.test()
            reads.clear()
            run.train(task)
            demand(not reads, f"test images are read while task {task + 1} is trained, {len(reads)} times")
    honest = subject.outcome(*SPLIT)
    other = subject.outcome(*SPLIT, change=lambda stream: stream._replace(test=poisoned(stream.test)))
    demand(other.weights == honest.weights, "with other test images training ends at other weights")
    return "none is read in training; with others the weights are equal"


@check(
    "does it predict without the task's label where the scenario hides it?",
    cause="experience.current_experience, .classes_in_this_experience or the labels of a test in place of "
    "the head that the scenario gives (head_of(experience), mbatch[-1])",
    rests_on=(*TWO_RUNS, testing_changes_nothing, the_size_of_test_batches_changes_nothing),
)
def it_uses_no_hidden_task_label(subject: Subject) -> str:
    scenarios = [name for name in subject.claims.scenarios if name != "task"]
    applies(bool(scenarios), "it runs only where the task is known")
    for scenario in scenarios:
        first, second = _predictions_in_other_company(subject, scenario)
        changed = int((first != second).any(dim=1).sum())
        demand(
            changed == 0,
            f"scenario {scenario}: {changed} of {len(first)} images are predicted otherwise in the test of "
            "task 2 than in the test of task 1",
        )
    return f"{', '.join(scenarios)}: images are predicted alike, whichever task's test they come in"


def _predictions_in_other_company(subject: Subject, scenario: str) -> list[Tensor]:
    """Predict the test images of all tasks, as if they were the test of task 1, and of task 2."""
    with global_generators_restored(0):
        run = subject.run(*SPLIT, f"benchmark.scenario={scenario}")
        run.train()
        images = torch.cat([task.pixels(CPU) for task in run.stream.test])
        tests = [
            other_task(images, task.labels.min().expand(len(images)).clone(), task)
            for task in run.stream.test
        ]
        by_test = [predictions(run, test, as_task=task) for task, test in enumerate(tests)]
    if len({tuple(each.shape) for each in by_test}) > 1:
        raise Failed(f"scenario {scenario}: outputs have another shape in the test of task 2 than of task 1")
    return by_test
