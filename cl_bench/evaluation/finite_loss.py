"""An Avalanche plugin that stops a training whose loss is no longer finite."""

from typing import Any

import torch

from cl_bench.deferred import deferred
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
            raise NonFiniteLossError(
                f"the training loss is {float(self._losses[step - self._steps_before - 1])} "
                f"at task {clock.train_exp_counter + 1}, epoch {clock.train_exp_epochs + 1}, step {step}; "
                "what was recorded before is kept; "
                "a smaller training.learning_rate or strategy.strength usually helps"
            )
