"""What a strategy answers in its tests, example by example, as training.save=[predictions] keeps it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cl_bench.deferred import deferred

with deferred():
    from avalanche.core import SupervisedPlugin

KEPT_TYPES = (torch.float32, torch.float64)


class Answers(NamedTuple):
    """The answers of one seed in one test, of one task after another.

    Attributes:
        outputs: [N, K], log probabilities or logits: their softmax is the prediction.
        labels: [N].
        tasks: the place of each example's task among those that were tested, from 0, [N].
    """

    outputs: Tensor
    labels: Tensor
    tasks: Tensor


class Listener(SupervisedPlugin):
    """Hears the tests between tasks: the newest one's answers, and where the generator of tests stood before.

    Args:
        is_due: whether the coming test's answers are wanted.
    """

    def __init__(self, is_due: Callable[[], bool]) -> None:
        super().__init__()
        self._is_due, self._listens = is_due, False
        self.test_noise: list[Tensor] = []
        self.forget()

    def forget(self) -> None:
        """Let go of the answers."""
        self._outputs: list[list[Tensor]] = []  # of each task: of each batch [R, B, K]
        self._labels: list[list[Tensor]] = []

    def answers(self) -> list[Answers]:
        """The newest test's answers of each seed, on the host.

        Raises:
            ValueError: where the tasks differ in their number of outputs.
        """
        numbers = {part.shape[-1] for parts in self._outputs for part in parts}
        if len(numbers) != 1:
            raise ValueError(
                f"training.save=[predictions] needs as many outputs for each task, got {sorted(numbers)}"
            )
        outputs = [torch.cat(parts, dim=1) for parts in self._outputs]
        tasks = torch.cat([torch.full((each.shape[1],), place) for place, each in enumerate(outputs)])
        all_outputs = torch.cat(outputs, dim=1).cpu()
        labels = torch.cat([torch.cat(parts, dim=1) for parts in self._labels], dim=1).cpu()
        return [Answers(one, labels[index], tasks) for index, one in enumerate(all_outputs.unbind())]

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.forget()
        self._listens = self._is_due()
        if hasattr(strategy, "test_noise"):
            self.test_noise = strategy.test_noise.state()

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        if self._listens:
            self._outputs.append([])
            self._labels.append([])

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        if not self._listens:
            return
        num_seeds = getattr(strategy, "num_seeds", None) or 1
        outputs = strategy.mb_output.detach()
        kept = outputs if outputs.dtype in KEPT_TYPES else outputs.float()
        # the seeds' examples come one after another
        self._outputs[-1].append(kept.unflatten(0, (num_seeds, -1)).clone())
        self._labels[-1].append(strategy.mb_y.unflatten(0, (num_seeds, -1)).clone())
