"""Learners with an update rule of their own, and with gradients and predictions from weight samples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from cl_bench.learner.base import Learner
from cl_bench.learner.experiences import heads_in
from cl_bench.posteriors.prediction import Prediction, average_prediction
from cl_bench.validation import check_count, check_not_negative


class OwnRule(Learner):
    """A learner whose rule replaces the optimizer's; it is told which weights the task may move.

    It uses the learning rate with its schedule and warm-up, and no other setting of an optimizer.
    """

    may_freeze_later = False
    unused: ClassVar = {
        "optimizer": "its rule takes the optimizer's place",
        "momentum": "its rule takes the optimizer's place",
        "weight_decay": "its rule takes the optimizer's place",
        "optimizer_settings": "its rule takes the optimizer's place",
        "clip_norm": "its rule bounds its own steps, and follows no single gradient",
    }
    active: Tensor | None = None  # 1 for the weights that the task may move, 0 for other heads; None: all

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        others = self.other_heads(heads_in(self.experience))
        self.active = self.flat.mask(others) if others else None

    @property
    def num_in_batch(self) -> int:
        """How many examples of the current batch are of one seed."""
        return len(self.mb_y) // self.num_seeds


class SamplingLearner(OwnRule):
    """A learner with a distribution over weights.

    A training step averages gradients over `num_samples` weight samples; a prediction averages probabilities
    over `num_test_samples`, or takes the network's present weights where that is 0. A subclass says how
    weights are drawn and what a gradient at them is worth for its posterior.
    """

    def __init__(self, *, num_samples: int, num_test_samples: int, **learner: Any) -> None:
        check_count(num_samples=num_samples)
        check_not_negative(num_test_samples=num_test_samples)
        super().__init__(**learner)
        self.num_samples, self.num_test_samples = num_samples, num_test_samples

    # What subclasses say

    def draw_weights(self) -> tuple[Tensor, Tensor]:
        """Weights [P] of a training step, and the noise they came from."""
        raise NotImplementedError

    def posterior_gradient(self, weights: Tensor, noise: Tensor) -> Tensor:
        """What the rule needs of `flat.gradients` at these weights, [P] or several, [N, P]; a new tensor."""
        raise NotImplementedError

    def test_draws(self) -> Callable[[], Tensor]:
        """A function that draws weights [P] of the posterior as it is now, with `test_noise`."""
        raise NotImplementedError

    def combine(self, samples: Iterable[Tensor]) -> Prediction:
        """What the samples' logits predict, [B, K] each, which come one by one."""
        return average_prediction(samples)

    # What follows from it

    def differentiate(self, **kwargs: Any) -> None:
        """`mean_gradient`: the mean over weight samples of `posterior_gradient`; `loss` likewise."""
        gradients, losses = [], []
        for _ in range(self.num_samples):
            weights, noise = self.draw_weights()
            self.flat.set(weights)
            self.flat.zero_gradients()
            self.loss = self._make_empty_loss()
            super().differentiate(**kwargs)
            losses.append(self.loss.detach())
            gradients.append(self.posterior_gradient(weights, noise))
        self.mean_gradient = gradients[0] if len(gradients) == 1 else torch.stack(gradients).mean(dim=0)
        self.loss = torch.stack(losses).mean(dim=0)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.settle()

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        if self.num_test_samples == 0:
            return super().predict(images, task)
        present = self.flat.values.data.clone()
        samples = self._sampled_logits(images, task)
        prediction, self.expected_entropy, self.num_averaged = self.combine(samples)
        self.flat.set(present)
        return prediction

    def sampled_from(self) -> Sequence[Tensor]:
        belief = self.belief() if self.num_test_samples else None
        return () if belief is None else tuple(belief)

    def _sampled_logits(self, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        """The logits of one weight sample after the other; leaves the last one in the network."""
        for weights in self.test_samples.take(self.num_test_samples, self.test_draws()):
            self.flat.set(weights)
            yield self.logits(images, task)
