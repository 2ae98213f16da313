"""What stops a run: a training loss that is no longer finite, and predictions that are no numbers."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from cl_bench.deferred import deferred
from cl_bench.evaluation.scores import Score
from cl_bench.records.errors import NonFiniteLossError

with deferred():
    from avalanche.core import SupervisedPlugin


class FiniteLoss(SupervisedPlugin):
    """Stops training when the loss is no longer finite, and says where; counts the steps of a task.

    The losses of an epoch stay on the device and are looked at once at its end: a GPU is never waited for.
    """

    num_steps = 0  # of the task; those of the present epoch count at its end
    _steps_before = 0  # of the present epoch, before training was resumed in it

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.num_steps = 0

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._losses: list[torch.Tensor] = []
        self._steps_before = 0

    def state(self) -> dict[str, int]:
        return {"num_steps": self.num_steps, "steps_of_epoch": self._steps_of_epoch}

    def restore(self, state: dict[str, int]) -> None:
        self.num_steps, self._steps_before, self._losses = state["num_steps"], state["steps_of_epoch"], []

    @property
    def _steps_of_epoch(self) -> int:
        return self._steps_before + len(getattr(self, "_losses", ()))

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._losses.append(strategy.loss.detach().reshape(()))

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.num_steps += self._steps_of_epoch
        self.check(strategy)
        self._losses, self._steps_before = [], 0

    def check(self, strategy: Any) -> None:
        """Look at the losses of the present epoch.

        Raises:
            NonFiniteLossError: at the first that is nan or infinite.
        """
        if not self._losses:
            return
        finite = torch.isfinite(torch.stack(self._losses))
        if not bool(finite.all()):
            step = self._steps_before + int((~finite).nonzero()[0]) + 1
            clock = strategy.clock
            smaller = ["training.learning_rate", *["strategy.strength"] * hasattr(strategy, "strength")]
            raise NonFiniteLossError(
                f"the training loss is {float(self._losses[step - self._steps_before - 1])} "
                f"at task {clock.train_exp_counter + 1}, epoch {clock.train_exp_epochs + 1}, step {step}; "
                "what was recorded before is kept; "
                f"a smaller {' or '.join(smaller)} usually helps"
            )


def check_predictions(scores: Sequence[Sequence[Score]], *, tasks: Sequence[int], after_task: int) -> None:
    """See that the predictions of a test are numbers: where they are nan, accuracy says nothing.

    Args:
        scores: of each task, of each seed.
        tasks: those tested, from 1.

    Raises:
        NonFiniteLossError: with the first task where one is nan.
    """
    for task, by_seed in zip(tasks, scores, strict=True):
        if any(math.isnan(score.nll) for score in by_seed):
            raise NonFiniteLossError(
                f"the predictions are nan on task {task}, tested after task {after_task}; what was recorded "
                "before is kept; see what predict() returns, or take a smaller training.learning_rate"
            )
