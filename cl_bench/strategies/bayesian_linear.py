"""Bayesian linear regression on frozen features: the exact posterior of the output layer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.fitted_head import FittedHead
from cl_bench.posteriors import bayesian_linear
from cl_bench.posteriors.linear_heads import Layer
from cl_bench.validation import check_positive


class BayesianLinear(FittedHead):
    """The exact Gaussian posterior of the output layer for one-hot targets, on frozen features.

    Each class is a linear regression of its own. The posterior after any number of tasks is that of all their
    data at once, up to rounding. So it is an oracle for sequential against joint training. Methods with a
    softmax approximate another posterior, for which it is no bound.

    The probability of a class is the predictive density of its one-hot target, normalised over classes:
    softmax(m / s^2), with predictive means m and variance s^2. See posteriors/bayesian_linear.py. The network
    holds b times the mean, whose logits are these without the posterior's variance.

    Source: Bishop 2006, section 3.3 (not read again). One-hot targets and the probabilities are ours.

    Args:
        prior_precision: a, of every weight and bias.
        noise_precision: b, of the targets.
    """

    stackable = True
    in_task = ("covariances",)

    def __init__(self, *, prior_precision: float, noise_precision: float, **learner: Any) -> None:
        check_positive(prior_precision=prior_precision, noise_precision=noise_precision)
        super().__init__(**learner)
        self.prior_precision, self.noise_precision = prior_precision, noise_precision
        self.covariances = [self.posterior(head).covariance for head in range(len(self.statistics))]

    def posterior(self, head: int) -> bayesian_linear.Posterior:
        """The posterior of a head's weights; the last one is the bias."""
        return bayesian_linear.posterior(
            self.statistics[head], prior_precision=self.prior_precision, noise_precision=self.noise_precision
        )

    def solution(self, head: int) -> Layer:
        found = self.posterior(head)
        self.covariances[head] = found.covariance
        scaled = self.noise_precision * found.mean
        return Layer(scaled[..., :-1], scaled[..., -1])

    def regressors(self, inputs: Tensor) -> Tensor:
        return bayesian_linear.with_constant(inputs)

    def answer(self, inputs: Tensor, task: int | Tensor) -> Tensor:
        scores, variance = self.scores(inputs, task), self.variance(inputs, task)
        return bayesian_linear.class_logits(scores, self.noise_precision * variance.to(scores.dtype))

    def variance(self, inputs: Tensor, task: int | Tensor) -> Tensor:
        """The predictive variance of each example's targets, [B]."""
        regressors = self.regressors(inputs)

        def of_head(head: int) -> Tensor:
            covariance = self.covariances[head]
            return bayesian_linear.predictive_variance(
                regressors, covariance, noise_precision=self.noise_precision
            ).flatten()

        if len(self.covariances) == 1:
            return of_head(0)
        if not isinstance(task, Tensor):
            return of_head(task)
        by_head = torch.stack([of_head(head) for head in range(len(self.covariances))])
        return by_head.gather(0, task.unsqueeze(0)).squeeze(0)

    def sampled_from(self) -> Sequence[Tensor]:
        """The mean and the covariances: what predictions take."""
        layer = self.output_layer
        return (layer.weight.data, layer.bias.data, *self.covariances)
