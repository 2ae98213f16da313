"""Does it learn from images of the present and earlier tasks alone?"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cl_bench.conformance.check import Failed, check
from cl_bench.conformance.repeatability import TWO_RUNS
from cl_bench.conformance.subject import Subject
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.tasks import SharedImages, TaskData, TaskStream

THREE_TASKS = ("benchmark.num_tasks=3",)
STREAMS = {
    "split": ("benchmark=split_digits", *THREE_TASKS),
    "permuted": ("benchmark=permuted_digits", *THREE_TASKS),  # its tasks share their images
}


@check(
    "does training not depend on images of later tasks, of validation or of tests?",
    cause="statistics, prototypes or a memory of more than the task's own examples: task_data.shared.images "
    "(the whole data set), experience.origin_stream (all tasks), or what a test has left on the strategy",
    rests_on=TWO_RUNS,
)
def unseen_images_change_nothing(subject: Subject) -> str:
    for name, settings in STREAMS.items():
        honest = _weights_after(subject, settings, tasks=2)
        for seen in (1, 2):
            other = _weights_after(subject, settings, tasks=seen, change=partial(unseen, num_seen=seen))
            if other[-1] != honest[seen - 1]:
                raise Failed(_what_it_looks_at(subject, name, settings, seen, honest[seen - 1]))
    return f"{' and '.join(STREAMS)}: after 1 and 2 of 3 tasks the weights are equal with others"


def _what_it_looks_at(subject: Subject, name: str, settings: Sequence[str], seen: int, honest: Any) -> str:
    """Say which unseen images it looks at: each kind is changed alone."""
    kinds = ("later tasks", "validation", "test")
    changes = {kind: partial(unseen, num_seen=seen, kind=kind) for kind in kinds}
    ends = {
        kind: _weights_after(subject, settings, tasks=seen, change=each) for kind, each in changes.items()
    }
    alone = [kind for kind, hashes in ends.items() if hashes[-1] != honest]
    which = ", ".join(alone) or "images that no task has, or several kinds together"
    return f"{name}: with other data of {which} training on task {seen} ends at other weights"


def _weights_after(
    subject: Subject,
    settings: Sequence[str],
    *,
    tasks: int,
    change: Callable[[TaskStream], TaskStream] | None = None,
) -> list[list[str]]:
    """Hash all that the strategy keeps after each of the first tasks."""
    with global_generators_restored(0):
        run = subject.run(*settings, change=change)
        hashes = []
        for task in range(tasks):
            run.train(task)
            hashes.append(weights_sha256(run.strategy))
        return hashes


def unseen(stream: TaskStream, num_seen: int, kind: str | None = None) -> TaskStream:
    """Return the stream with negatives of images that the first tasks do not train on, labels reversed.

    `kind` limits that to images of `later tasks`, `validation` or `test`.
    """
    later, kinds = stream.train[num_seen:], {"later tasks", "validation", "test"} if kind is None else {kind}
    changed = {"later tasks": later, "validation": stream.validation, "test": stream.test}
    chosen = [task for each in kinds for task in changed[each]]
    new = {
        id(shared): SharedImages(_negative(shared, stream.train[:num_seen], chosen if kind else None))
        for shared in {id(task.shared): task.shared for task in (*stream.train, *chosen)}.values()
    }

    def tasks(found: Sequence[TaskData], each: str) -> tuple[TaskData, ...]:
        return tuple(_other(task) if each in kinds else _on(task, new) for task in found)

    return stream._replace(
        train=(*(_on(task, new) for task in stream.train[:num_seen]), *tasks(later, "later tasks")),
        validation=tasks(stream.validation, "validation"),
        test=tasks(stream.test, "test"),
    )


def _negative(shared: SharedImages, seen: Sequence[TaskData], chosen: Sequence[TaskData] | None) -> Tensor:
    """Return negatives of all images but those of seen tasks, or only of the chosen tasks'."""
    change = torch.full((len(shared.images),), chosen is None)
    for task in chosen or ():
        if task.shared is shared:
            change[slice(None) if task.indices is None else task.indices] = True
    for task in seen:
        if task.shared is shared:
            change[slice(None) if task.indices is None else task.indices] = False
    return torch.where(change.view(-1, 1, 1, 1), 255 - shared.images, shared.images)


def _on(task: TaskData, images: dict[int, SharedImages]) -> TaskData:
    return _with(task, images.get(id(task.shared), task.shared), task.labels)


def _other(task: TaskData) -> TaskData:
    """Return negatives of a task's images; its classes in reversed order, so that there are the same."""
    reversed_labels = task.labels.min() + task.labels.max() - task.labels
    return _with(task, SharedImages(255 - task.shared.images), reversed_labels)


def _with(task: TaskData, shared: SharedImages, labels: Tensor) -> TaskData:
    """Return the task with other images and labels."""
    return TaskData(
        *(shared, task.indices, labels),
        head=task.head,
        view=task.view,
        to_float=task.to_float,
        augment=task.augment,
    )
