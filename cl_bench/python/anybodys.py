"""Streams that are not of `cl_bench.stream`: a `TaskStream` of one's own, a benchmark of Avalanche's."""

from typing import Any

import torch

from cl_bench.deferred import deferred
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams import TaskStream

with deferred():
    from avalanche.benchmarks import CLScenario


def as_tasks(stream: Any) -> TaskStream:
    """Return what a network must know of a stream, as a `TaskStream`; of Avalanche's it has no tasks.

    Raises:
        TypeError: for what is no stream.
    """
    if isinstance(stream, TaskStream):
        return stream
    if not isinstance(stream, CLScenario):
        hint = "; build it with cl_bench.stream" if isinstance(stream, str) else ""
        raise TypeError(
            "a stream must be one of cl_bench.stream, a cl_bench.streams.TaskStream or a benchmark of "
            f"Avalanche's, got {f'{stream!r}' if isinstance(stream, str) else type(stream).__name__}{hint}"
        )
    return _of_avalanche(stream)


def _of_avalanche(benchmark: CLScenario) -> TaskStream:
    experiences = list(benchmark.streams["train"])
    with global_generators_restored():  # a transform may be random
        first = experiences[0].dataset[0][0]
    shape = tuple(first.shape) if isinstance(first, torch.Tensor) else ()
    classes = [int(label) for each in experiences for label in each.classes_in_this_experience]
    labels = {int(label) for each in experiences for label in each.task_labels}
    return TaskStream(
        train=(),
        validation=(),
        test=(),
        scenario="task" if len(labels) > 1 else "",
        input_shape=shape,  # type: ignore[arg-type]  # of features it has one number
        num_classes=max(classes) + 1,
        num_heads=max(labels) + 1,
    )


def num_tasks_of(stream: Any) -> int:
    """Return the number of tasks of any stream."""
    return stream.num_tasks if isinstance(stream, TaskStream) else len(stream.streams["train"])
