"""Elastic weight consolidation."""

from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.posteriors import fisher, laplace
from cl_bench.strategies.checks import check_choice, check_not_negative
from cl_bench.strategies.learner import Learner
from cl_bench.training.batches import batches_of

MODES = ("separate", "online")
FISHER_BATCH_SIZE = 1000  # fixed: sums round by their parts, and test_batch_size must change no weight


class EWC(Learner):
    """The loss of task t plus (strength / 2) sum_k sum_i F_k,i (theta_i - theta*_k,i)^2.

    F_k is the exact diagonal Fisher information at the end of task k, a mean over single examples, so that
    the strength means the same at every batch size. Sources: Kirkpatrick et al. 2017 (`separate`); Schwarz et
    al. 2018 (`online`: one running penalty at the newest weights, the old importance decayed by gamma).

    Args:
        strength: lambda of the papers; 0 is fine-tuning.
        mode: `separate` or `online`.
        decay: gamma of `online`, in [0, 1].
        fisher_estimator: `exact`, `sampled` or `empirical`; see posteriors/fisher.py.
    """

    stackable = True

    def __init__(
        self, *, strength: float, mode: str, decay: float, fisher_estimator: str, **learner: Any
    ) -> None:
        check_not_negative(strength=strength)
        check_choice("mode", mode, MODES)
        check_choice("fisher_estimator", fisher_estimator, fisher.ESTIMATORS)
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must be between 0 and 1, got {decay=}")
        super().__init__(**learner)
        self.strength, self.mode, self.decay, self.fisher_estimator = strength, mode, decay, fisher_estimator
        self.penalty = laplace.init(self.flat.values.data)

    def backward(self) -> None:
        super().backward()
        self.flat.gradients += laplace.penalty_gradient(
            self.penalty, self.flat.values.data, strength=self.strength
        )

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        importance = self.join_seeds(
            [self._fisher(network, data, generator) for network, data, generator in self.each_seed()]
        )
        weights = self.flat.values.data
        if self.mode == "separate":
            self.penalty = laplace.add_separate(self.penalty, weights, importance)
        else:
            self.penalty = laplace.add_online(self.penalty, weights, importance, decay=self.decay)

    def _fisher(self, network: nn.Module, data: Any, generator: torch.Generator) -> Tensor:
        network.eval()
        importance = fisher.diagonal(
            network,
            batches_of([data], batch_size=FISHER_BATCH_SIZE, device=self.device),
            estimator=self.fisher_estimator,
            generator=generator,
        )
        network.train()
        return importance

    def state_tensors(self) -> dict[str, Tensor]:
        return self.penalty._asdict()
