"""Elastic weight consolidation (EWC): a quadratic penalty with the Fisher information as importances."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.learner.quadratic_penalty import QuadraticPenalty
from cl_bench.posteriors import fisher, quadratic_penalty
from cl_bench.validation import check_choice

MODES = ("separate", "online")


class EWC(QuadraticPenalty):
    """The loss of task t plus (strength / 2) sum_k sum_i F_k,i (theta_i - theta*_k,i)^2.

    The penalty is that of posteriors/quadratic_penalty.py. `QuadraticPenalty` adds its gradient to each step.
    F_k is the exact diagonal Fisher information at the end of task k, a mean over single examples, so that
    the strength means the same at every batch size. Sources: Kirkpatrick et al. 2017 (`separate`); Schwarz et
    al. 2018 (`online`: one running penalty at the newest weights, the old importance decayed by gamma).

    Args:
        strength: lambda of the papers; 0 is fine-tuning.
        mode: `separate` or `online`.
        decay: gamma of `online`, in [0, 1]. In the paper it also multiplies the newest Fisher information. A
            strength lambda there is gamma lambda here.
        fisher_estimator: `exact`, `sampled`, `empirical`, `predicted` or, to compare with libraries that
            take it, `batched` (of batches of the training size); see posteriors/fisher.py.
    """

    stackable = True

    def __init__(self, *, mode: str, decay: float, fisher_estimator: str, **learner: Any) -> None:
        check_choice("mode", mode, MODES)
        check_choice("fisher_estimator", fisher_estimator, (*fisher.ESTIMATORS, fisher.BATCHED))
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must be between 0 and 1, got {decay=}")
        super().__init__(**learner)
        self.mode, self.decay, self.fisher_estimator = mode, decay, fisher_estimator
        self.claims = self.claims._replace(
            by_example=fisher_estimator != fisher.BATCHED,
            accumulates=(mode == "separate" or decay == 1) and fisher_estimator != "sampled",
            pulls_nowhere_at_start="second" if mode == "separate" else "every",
        )

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        importance = self.join_seeds(self._importance())
        weights = self.flat.values.data
        if self.mode == "separate":
            self.penalty = quadratic_penalty.add_separate(self.penalty, weights, importance)
        else:
            self.penalty = quadratic_penalty.add_online(self.penalty, weights, importance, decay=self.decay)

    def _importance(self) -> list[Tensor]:
        """The diagonal Fisher information F of the current task, one tensor a seed."""
        count = partial(fisher.num_gradients, estimator=self.fisher_estimator)
        if self.fisher_estimator == fisher.BATCHED:
            return self.measure(_of_batch_means, batch_size=self.train_mb_size, gradients=count)
        return self.measure(partial(fisher.diagonal, estimator=self.fisher_estimator), gradients=count)


def _of_batch_means(network: nn.Module, batches: Iterable, *, generator: torch.Generator) -> Tensor:
    return fisher.of_batch_means(network, batches)
