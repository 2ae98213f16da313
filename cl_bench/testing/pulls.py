"""What a strategy adds to the gradient of a batch's loss, in the first step of a task."""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor
from torch.nn import functional as F

from cl_bench.strategies import Learner
from cl_bench.testing.reach import generators_restored
from cl_bench.testing.subject import copied


class FirstGradients(SupervisedPlugin):
    """Of the first step of each task, [P]: the gradient that moves the weights, and the loss's alone."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []
        self.of_loss: list[Tensor] = []

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.clock.train_exp_iterations == 0:
            self.of_loss.append(_of_loss(strategy))

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.clock.train_exp_iterations == 0:
            gradients = [each.grad for each in _trained(strategy)]
            self.found.append(_joined(gradients, strategy))

    @property
    def pulls(self) -> list[Tensor]:
        """What was added to the gradient of the loss in each task."""
        return [found - of_loss for found, of_loss in zip(self.found, self.of_loss, strict=True)]


def _of_loss(strategy: Any) -> Tensor:
    """Of the batch's mean cross-entropy; nothing is left of the pass."""
    buffers = copied(dict(strategy.model.named_buffers()))
    with generators_restored(strategy):
        ours = isinstance(strategy, Learner)
        logits = strategy.logits(strategy.mb_x, strategy.head) if ours else strategy.forward()
        loss = F.cross_entropy(logits, strategy.mb_y)
        gradients = torch.autograd.grad(loss, _trained(strategy), allow_unused=True)
    with torch.no_grad():
        for name, buffer in strategy.model.named_buffers():
            buffer.copy_(buffers[name])
    return _joined(gradients, strategy)


def _trained(strategy: Any) -> list[Tensor]:
    return [each for each in strategy.model.parameters() if each.requires_grad]


def _joined(gradients: Any, strategy: Any) -> Tensor:
    pairs = zip(gradients, _trained(strategy), strict=True)
    parts = (torch.zeros_like(weight) if part is None else part for part, weight in pairs)
    return torch.cat([part.detach().reshape(-1) for part in parts])
