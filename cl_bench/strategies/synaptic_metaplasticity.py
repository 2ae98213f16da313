"""Synaptic metaplasticity: latent weights of binary ones that resist a change of sign, by their size."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.learner.binary import LatentLearner
from cl_bench.learner.claims import Claims
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.posteriors import metaplasticity, straight_through
from cl_bench.posteriors.beliefs import BinaryWeights, frozen_share
from cl_bench.validation import check_not_negative


class SynapticMetaplasticity(LatentLearner):
    """The network runs with sign(h); steps against h's sign shrink with |h| (posteriors/metaplasticity.py).

    Source: Laborieux et al. 2021, with Adam. Ours: Adam's averages start anew for each task, as for every
    learner here; weights start at uniform(+-1/sqrt(fan-in)); no parameters but the weights. The paper tests
    each task with its own batch statistics, which takes the task's identity: here normalisation is a setting
    of the model.

    Args:
        meta: 0 is the straight-through estimator, without its clipping; 1.35 in the paper.
    """

    stackable = True
    claims = Claims(off={"meta": 0.0}, off_is_finetuning=False)
    method = "synaptic_metaplasticity"
    unused: ClassVar = {"weight_decay": "its optimizer sees a change of weights that begins at 0"}

    def __init__(self, *, meta: float, **learner: Any) -> None:
        check_not_negative(meta=meta)
        super().__init__(**learner)
        self.meta = meta

    def lay_out(self, network: nn.Module) -> FlatParameters:
        flat = super().lay_out(network)
        self.change = nn.Parameter(torch.zeros_like(self.latent.data))
        return flat

    def optimized(self) -> nn.Parameter:
        """What is 0 before each step, so that the optimizer leaves there its change, to the last digit."""
        return self.change

    def optimizer_step(self) -> None:
        self.change.data.zero_()
        self.change.grad = self.flat.gradients
        super().optimizer_step()
        self.latent.data = metaplasticity.step(self.latent.data, self.change.data, meta=self.meta)
        self.flat.set(straight_through.binarise(self.latent.data))

    def frozen_share(self) -> Tensor:
        """The share of weights whose plasticity tanh'(meta h) is below FROZEN_RATIO^2, 0.01.

        That is as if meta h were the lambda of a binary posterior.
        """
        certainty = BinaryWeights(self.latent.data * self.meta)
        return frozen_share(certainty, BinaryWeights(torch.zeros_like(self.latent.data)))
