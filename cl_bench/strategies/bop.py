"""Bop: binary weights that flip when the average gradient says so, without latent weights."""

from typing import Any

from torch import Tensor

from cl_bench.learner.binary import check_binary_network
from cl_bench.learner.claims import Claims
from cl_bench.learner.sampling import OwnRule
from cl_bench.posteriors import bop
from cl_bench.posteriors.straight_through import binarise
from cl_bench.validation import check_not_negative


class Bop(OwnRule):
    """The rule of posteriors/bop.py (Helwegen et al. 2019). It has nothing against forgetting.

    Args:
        threshold: an average gradient of this magnitude or more flips a weight it speaks against; about 1e-8
            in the paper, where losses and networks differ.
        The adaptivity rate gamma is the learner's `learning_rate`, at most 1, on its schedule (the paper
        decays it, too); its `optimizer` is not used, as there are only binary weights.
    """

    stackable = True
    claims = Claims(against_forgetting=False)
    kept = ("flips",)
    binary = True

    def __init__(self, *, threshold: float, **learner: Any) -> None:
        check_not_negative(threshold=threshold)
        check_binary_network(learner["model"], "bop")
        super().__init__(**learner)
        if self.learning_rate > 1:
            rate = f"learning_rate={self.learning_rate}"
            raise ValueError(f"learning_rate must be at most 1 for bop, where it is gamma, got {rate}")
        self.threshold = threshold
        self.flips = bop.init(binarise(self.flat.values.data))
        self.flat.set(self.flips.weights)

    def optimizer_step(self) -> None:
        self.flips = bop.step(
            self.flips,
            self.flat.gradients,
            adaptivity=self.step_size(),
            threshold=self.threshold,
            active=self.active,
        )
        self.flat.set(self.flips.weights)

    def state_tensors(self) -> dict[str, Tensor]:
        return {"momentum": self.flips.momentum}  # the weights are the network's
