"""What moves the weights in the first step of a task."""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.conformance.subject import Run
from cl_bench.learner.noise import Noise


class FirstGradients(SupervisedPlugin):
    """The gradient of the first step of each task, or of every step, [P], with all that is added to it."""

    def __init__(self, *, every_step: bool) -> None:
        super().__init__()
        self._every_step = every_step
        self.found: list[Tensor] = []

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        if self._every_step or strategy.clock.train_exp_iterations == 0:
            weights = [each for each in strategy.model.parameters() if each.requires_grad]
            parts = [torch.zeros_like(each) if each.grad is None else each.grad for each in weights]
            self.found.append(torch.cat([part.detach().reshape(-1).clone() for part in parts]))


def watched(run: Run, *, every_step: bool = False) -> FirstGradients:
    """Return the first gradients of the tasks that this run is trained on from now on."""
    first = FirstGradients(every_step=every_step)
    run.strategy.plugins.insert(len(run.strategy.plugins) - 1, first)  # after other plugins
    return first


def stand_alike(run: Run, other: Run) -> None:
    """Give a run the network of the other one, and set its generators of batches and noise alike."""
    state = {name: each.clone() for name, each in other.strategy.model.state_dict().items()}
    run.strategy.model.load_state_dict(state)
    for name, noise in vars(run.strategy).items():
        if isinstance(noise, Noise) and isinstance(getattr(other.strategy, name, None), Noise):
            noise.restore(getattr(other.strategy, name).state())
