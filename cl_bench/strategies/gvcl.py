"""Generalised variational continual learning."""

from typing import Any

from torch import Tensor

from cl_bench.posteriors import tempered
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.strategies.vcl import VCL
from cl_bench.validation import check_not_negative


class GVCL(VCL):
    """VCL with a tempered KL divergence: (E[-log p(D_t | w)] + kl_weight KL_strength(q_t || q_{t-1})) / N_t.

    Between VCL (strength 1, kl_weight 1) and online EWC (kl_weight towards 0, where the variances follow the
    curvature at the mode). Source: Loo, Swaroop, Turner 2021; see posteriors/tempered.py. Without its FiLM
    layers, one scale and shift a channel and task. Its restart of the body at every task, where a
    variance stays if it is below its start, is `restart`, which here puts back variances and the task's head
    too.

    Args:
        strength: lambda of the paper: what earlier tasks added to the prior's precision counts so many times
            in the means' quadratic. 1 is VCL with `kl_weight`.
        kl_weight: beta of the paper. The others are VCL's.
    """

    stackable = True
    claims = VCL.claims._replace(conjugate={**VCL.claims.conjugate, "strategy.strength": 1.0})

    def __init__(self, *, strength: float, **vcl: Any) -> None:
        check_not_negative(strength=strength)
        super().__init__(**vcl)
        self.strength = strength

    def kl_by_weight(self, prior: Gaussian) -> Tensor:
        return tempered.kl_divergence(self.posterior, prior, self._added(prior))

    def kl_gradient(self, prior: Gaussian) -> Gaussian:
        return tempered.kl_gradient(self.posterior, prior, self._added(prior))

    def _added(self, prior: Gaussian) -> Tensor:
        return tempered.added_precision(
            prior, first_log_variance=self.first_log_variance, strength=self.strength
        )
