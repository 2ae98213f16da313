"""What a strategy predicts of images that are put before it."""

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.conformance.held_tensors import generators_restored
from cl_bench.conformance.subject import Run
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.tasks import TaskData


def predictions(run: Run, test: TaskData, *, as_task: int = 0, after: Sequence[int] = ()) -> Tensor:
    """Predict images [N, K] as if they were the test of a task (from 0).

    All generators are put back, so that a strategy that samples draws the same each time.

    Args:
        after: tasks that are tested before it in the same evaluation.
    """
    tests = [test if number == as_task else other for number, other in enumerate(run.stream.test)]
    stream = to_avalanche(run.stream._replace(test=tuple(tests))).test_stream
    with generators_restored(run.strategy), global_generators_restored():
        outputs = _Outputs()
        run.strategy.plugins.insert(0, outputs)
        run.strategy.eval([stream[task] for task in (*after, as_task)])
        run.strategy.plugins.remove(outputs)
    return torch.cat(outputs.seen)


class _Outputs(SupervisedPlugin):
    """A plugin that notes what was predicted in the last test of an evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.seen = []

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(strategy.mb_output.detach().clone())
