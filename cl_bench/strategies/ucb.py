"""Uncertainty-guided continual Bayesian networks (UCB)."""

from typing import Any

import torch
from torch import Tensor

from cl_bench.posteriors import ucb
from cl_bench.strategies.vcl import VCL
from cl_bench.validation import check_not_negative


class UCB(VCL):
    """Bayes by backprop whose means take steps that are the shorter, the surer they are.

        alpha_mu = alpha (sigma / sigma_0)^power   from the second task on, sigma as the task before left it

    It minimises (E_q[-log p(D_t | w)] + kl_weight KL(q || p)) / N_t, where p is the first prior in every
    task. The posterior goes on from task to task, and is nobody's prior. Means start where the model starts,
    deviations at sigma_0 = exp(initial_log_variance / 2). The factor scales a mean's step, whatever the
    optimizer. Log-variances take the optimizer's own steps.

    Sources: Ebrahimi et al. 2020, see posteriors/ucb.py; for the objective Blundell et al. 2015. Their prior
    is a mixture of two Gaussians, here it is one. They sample whole weights, here layers draw as those of VCL
    do. In their code later tasks do not train output layers; here they do, with the factor. Pruning (UCB-P)
    is not here.

    Args:
        power: of the uncertainty; 1 in the paper, 0 is Bayes by backprop.
        kl_weight, first_kl_weight, prior_variance, initial_log_variance, num_samples, num_test_samples,
            conv_sampling: of VCL.
    """

    stackable = True
    claims = VCL.claims._replace(off={"power": 0.0}, carries_posterior=False, conjugate={})
    in_task = ("factors",)

    def __init__(self, *, power: float, **vcl: Any) -> None:
        check_not_negative(power=power)
        super().__init__(
            initial_mean_deviation=None,
            restart=False,
            coreset="none",
            coreset_size=1,
            coreset_epochs=1,
            **vcl,
        )
        self.power = power
        self.factors: Tensor | None = None  # of the step size of each mean, [P]; None: 1

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.power and self.tasks_learned:
            self.factors = ucb.rate_factors(
                self.posterior.log_variance,
                initial_log_variance=self.initial_log_variance,
                power=self.power,
            )

    def optimizer_step(self) -> None:
        if self.factors is None:
            super().optimizer_step()
            return
        before = self.posterior.mean.clone()
        super().optimizer_step()
        mean = self.posterior.mean
        mean.copy_(torch.addcmul(before, mean - before, self.factors))

    def _after_training_exp(self, **kwargs: Any) -> None:
        prior = self.prior
        super()._after_training_exp(**kwargs)
        self.prior = prior
