"""Synaptic intelligence (SI): a quadratic penalty with importances along the path of the weights."""

from typing import Any

import torch

from cl_bench.learner.quadratic_penalty import QuadraticPenalty
from cl_bench.posteriors import path_integral
from cl_bench.validation import check_choice, check_positive

PATHS = ("loss", "total")


class SI(QuadraticPenalty):
    """The loss of task t plus strength sum_k Omega_k (theta_k - theta*_k)^2, without a half.

    Omega grows in training itself: it is each weight's share in the fall of the loss, over its squared way.
    What the penalty does to the weights counts as a change, but its gradient never as the loss's. Source:
    Zenke, Poole, Ganguli 2017; see posteriors/path_integral.py. As in the authors' code the gradient is that
    of the batch, so that its noise has a share: the batch size matters to Omega.

    Args:
        strength: c of the paper; 0 is fine-tuning.
        damping: xi of the paper.
        path: whose gradient Omega is made of: `loss`, the paper's; `total`, with the penalty's, and a sum
            that may become negative (the code of van de Ven and Tolias 2019).
    """

    stackable = True
    # its path is that of the batches
    claims = QuadraticPenalty.claims._replace(by_example=False, by_path=True)
    in_task = ("share",)

    def __init__(self, *, damping: float, path: str, **penalty: Any) -> None:
        check_positive(damping=damping)
        check_choice("path", path, PATHS)
        super().__init__(**penalty)
        self.damping, self.path = damping, path
        self.share = torch.zeros_like(self.flat.values.data)  # omega of the present task
        self.followed = torch.zeros_like(self.share)

    @property
    def curvature(self) -> float:
        return 2 * self.strength

    def add_penalty_gradient(self) -> None:
        if self.path == "total":
            super().add_penalty_gradient()
        self.followed = self.flat.gradients.clone()
        if self.path == "loss":
            super().add_penalty_gradient()

    def optimizer_step(self) -> None:
        before = self.flat.values.data.clone()
        super().optimizer_step()
        self.share = path_integral.follow(self.share, self.followed, self.flat.values.data - before)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.penalty = path_integral.consolidate(
            self.penalty,
            self.flat.values.data,
            self.share,
            damping=self.damping,
            cut_off=self.path == "loss",
        )
        self.share = torch.zeros_like(self.share)
