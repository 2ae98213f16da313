"""Continual evaluation: tests in the midst of training, on small fixed samples of all tasks seen so far.

Training is what it is without them, bit for bit, and so are the records. A probe puts back every random
generator, the weights and whatever a test writes on the strategy. Its rows go to a file of their own.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from cl_bench.deferred import deferred
from cl_bench.evaluation.scores import Scores
from cl_bench.learner.isolated import as_before
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.taking_part import taking_part
from cl_bench.records.protocol import tasks_tested
from cl_bench.records.rows import Probe
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.stacked import StackedTask
from cl_bench.streams.tasks import TaskData, TaskStream
from cl_bench.validation import check_count

with deferred():
    from avalanche.core import SupervisedPlugin


def probe_experiences(stream: TaskStream, *, test_on: str, size: int, seeds: Sequence[Seeds]) -> list[Any]:
    """A fixed sample of `size` examples of each task, as Avalanche experiences.

    All examples are taken where there are fewer. Each seed draws its sample from its generator `probe`. The
    list is empty where there is no stream `test_on`.

    Raises:
        ValueError: for a size that is no number of examples.
    """
    check_count(probe_size=size)
    generators = [each.generator("probe") for each in seeds]

    def sample(task: Any) -> Any:
        parts = [
            some_of(part, size, generator)
            for part, generator in zip(getattr(task, "parts", (task,)), generators, strict=True)
        ]
        return StackedTask(parts) if isinstance(task, StackedTask) else parts[0]

    samples = tuple(sample(task) for task in getattr(stream, test_on, ()))
    if not samples:
        return []
    return list(to_avalanche(stream._replace(validation=(), test=samples)).streams["test"])


def some_of(task: TaskData, size: int, generator: torch.Generator) -> TaskData:
    """A random sample of `size` examples of a task, in their order; all of them where there are fewer."""
    chosen = torch.randperm(len(task), generator=generator)[:size].sort().values
    return TaskData(
        task.shared,
        chosen if task.indices is None else task.indices[chosen],
        task.labels[chosen],
        head=task.head,
        view=task.view,
        to_float=task.to_float,
    )


class Probes(SupervisedPlugin):
    """Tests samples of the tasks seen, the present one too, every so many steps of a task and at its end.

    Args:
        experiences: a sample of each task of the stream, see `probe_experiences`.
        every: steps of a task between two tests.
        test_last: test only the last so many of the tasks seen; None: all of them.
        seeds: written into the rows: one for each seed that the strategy trains.
        write: takes the rows of a test as they are measured.

    Attributes:
        seconds: spent on tests so far.
    """

    def __init__(
        self,
        experiences: Sequence[Any],
        *,
        every: int,
        test_last: int | None,
        seeds: Sequence[int],
        write: Callable[[list[Probe]], None],
    ) -> None:
        super().__init__()
        check_count(probe_every=every)
        self._experiences, self._every, self._test_last = experiences, every, test_last
        self._seeds, self._write = list(seeds), write
        self._scores = Scores()
        self._task = self._step = self._step_of_task = 0
        self.seconds = 0.0

    def state(self) -> dict[str, Any]:
        counts = {"task": self._task, "step": self._step, "step_of_task": self._step_of_task}
        return counts | {"seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        self._task, self._step, self._step_of_task = state["task"], state["step"], state["step_of_task"]
        self.seconds = state["seconds"]

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._task += 1
        self._step_of_task = 0

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._step += 1
        self._step_of_task += 1
        if self._step_of_task % self._every == 0:
            self._test(strategy)

    def after_training(self, strategy: Any, **kwargs: Any) -> None:
        self._test(strategy)

    def _test(self, strategy: Any) -> None:
        started = time.perf_counter()
        tested = tasks_tested(self._task, num_tasks=len(self._experiences), test_last=self._test_last)
        tasks = [task for task in tested if task <= self._task]
        with as_before(strategy):
            strategy.plugins = [self._scores, *taking_part(strategy)]
            if hasattr(strategy, "settle"):
                strategy.settle()
            strategy.eval([self._experiences[task - 1] for task in tasks])
        self._write(
            [
                Probe(
                    seed=seed,
                    training_on=self._task,
                    step=self._step,
                    on_task=on_task,
                    accuracy=score.accuracy,
                    nll=score.nll,
                    num_examples=score.num_examples,
                )
                for on_task, by_seed in zip(tasks, self._scores.rows, strict=True)
                for seed, score in zip(self._seeds, by_seed, strict=True)
            ]
        )
        self.seconds += time.perf_counter() - started
