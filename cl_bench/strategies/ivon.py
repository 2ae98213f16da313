"""IVON: variational learning at about Adam's cost, each task's posterior the prior of the next."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.claims import Claims
from cl_bench.learner.sampling import SamplingLearner
from cl_bench.models.parameters import scales
from cl_bench.posteriors import ivon
from cl_bench.posteriors.beliefs import frozen_share
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.posteriors.ivon import Precise
from cl_bench.validation import check_not_negative, check_positive, check_share

# with which it converges where Bayes' rule is known exactly (conformance/conjugate.py)
CONJUGATE = {
    "strategy.kl_weight": 1.0,
    "strategy.first_kl_weight": None,
    "strategy.clip": None,
    "strategy.curvature_momentum": 0.9,
    "training.learning_rate": 0.1,
    "training.schedule": "constant",
    "training.epochs": 150,
}


class IVON(SamplingLearner):
    """Minimises E_q[sum_n -log p(y_n | x_n, w)] + kl_weight KL(q_t || q_{t-1}) over factorised Gaussians by
    the steps of posteriors/ivon.py (Shen et al. 2024); q_0 is the prior.

    Whole weights are sampled, and every parameter is Gaussian. With N_t examples, N = N_t / kl_weight is the
    authors' effective sample size. Before each task the curvature restarts at `initial_curvature` and the
    average of gradients at 0, as in the authors' code of CoVON; means continue. The next prior has the
    precision N (h + d). What is left in h of its start counts in it as if it came from the data. With
    `curvature_momentum` b that is the part b^steps. In the scenario `task` other heads do not move.

    Args:
        kl_weight: 1 is Bayes' rule; it cannot be 0, as N is divided by it.
        first_kl_weight: of the first task, whose prior nobody has learned; None: kl_weight.
        prior_variance: v0 of the first task's prior, N(0, prior_variance). Scales of normalisation layers,
            which do nothing where they are 1, have N(1, prior_variance) (ours).
        initial_curvature: h at the start of each task, of the mean loss of an example (hess_init).
        gradient_momentum: b1 of the average of gradients (beta1).
        curvature_momentum: b2 of h (beta2).
        clip: the largest Newton step of a weight, before the step size (clip_radius); None for no limit.
        num_samples: weight samples a training step.
        num_test_samples: weight samples of a prediction; 0 tests the means.
        The step size alpha is the learner's `learning_rate`, in parts of Newton's step. It is the authors' lr
        with rescale_lr=False; their default multiplies lr by (initial_curvature + d).
    """

    stackable = True
    claims = Claims(carries_posterior=True, conjugate=CONJUGATE)
    kept = ("posterior", "prior", "effective_examples")
    in_task = ("average",)

    def __init__(
        self,
        *,
        kl_weight: float,
        first_kl_weight: float | None,
        prior_variance: float,
        initial_curvature: float,
        gradient_momentum: float,
        curvature_momentum: float,
        clip: float | None,
        **learner: Any,
    ) -> None:
        check_positive(kl_weight=kl_weight, prior_variance=prior_variance)
        if first_kl_weight is not None:
            check_positive(first_kl_weight=first_kl_weight)
        if clip is not None:
            check_positive(clip=clip)
        check_not_negative(initial_curvature=initial_curvature)
        check_share(gradient_momentum=gradient_momentum, curvature_momentum=curvature_momentum)
        super().__init__(**learner)
        self.kl_weight, self.first_kl_weight = kl_weight, first_kl_weight
        self.prior_variance, self.initial_curvature, self.clip = prior_variance, initial_curvature, clip
        self.gradient_momentum, self.curvature_momentum = gradient_momentum, curvature_momentum
        self.prior = self._first_prior()
        # its width at the start of a task depends on the task's size; until then it is as wide as the prior
        self.posterior = Precise(self.flat.values.data.clone(), self.prior.precision.clone())
        self.effective_examples = 0.0  # N of the newest task
        self.average = torch.zeros_like(self.posterior.mean)

    @property
    def present_kl_weight(self) -> float:
        """The weight of the KL divergence in the task in training."""
        return self.kl_weight if self.first_kl_weight is None or self.tasks_learned else self.first_kl_weight

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.effective_examples = self.num_examples / self.present_kl_weight
        start = self.prior.precision + self.effective_examples * self.initial_curvature
        self.posterior = Precise(self.posterior.mean, self._where_trained(start, self.posterior.precision))
        self.average = torch.zeros_like(self.posterior.mean)

    def draw_weights(self) -> tuple[Tensor, Tensor]:
        noise = self.noise.normal_like(self.posterior.mean)
        return ivon.sample(self.posterior, noise), noise

    def posterior_gradient(self, weights: Tensor, noise: Tensor) -> Tensor:
        """The gradient and the curvature, [2, P]."""
        gradient = self.flat.gradients
        return torch.stack([gradient, ivon.curvature(gradient, noise, self.posterior.precision)])

    def optimizer_step(self) -> None:
        gradient, curvature = self.mean_gradient
        momentum, number = self.gradient_momentum, self.steps_taken + 1
        self.average, gradient = ivon.averaged(self.average, gradient, momentum=momentum, num_steps=number)
        self.posterior = ivon.step(
            self.posterior,
            gradient,
            curvature,
            self.prior,
            num_examples=self.effective_examples,
            step_size=self.step_size(),
            curvature_momentum=self.curvature_momentum,
            clip=self.clip,
            active=self.active,
        )

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        # a head that was not used keeps the prior it had
        parts = zip(self.next_prior(), self.prior, strict=True)
        self.prior = Precise(*(self._where_trained(new, old).clone() for new, old in parts))

    def next_prior(self) -> Precise:
        """The prior of the next task: the posterior of this one."""
        return self.posterior

    def _where_trained(self, new: Tensor, old: Tensor) -> Tensor:
        return new if self.active is None else torch.where(self.active > 0, new, old)

    def settle(self) -> None:
        self.flat.set(self.posterior.mean)

    def test_draws(self) -> Callable[[], Tensor]:
        posterior = self.posterior
        return lambda: ivon.sample(posterior, self.test_noise.normal_like(posterior.mean))

    def belief(self) -> Gaussian:
        return ivon.as_gaussian(self.posterior)

    def present_prior(self) -> Gaussian:
        """The prior of the task in training."""
        return ivon.as_gaussian(self.prior)

    def first_prior(self) -> Gaussian:
        return ivon.as_gaussian(self._first_prior())

    def _first_prior(self) -> Precise:
        mean = self.flat.marked(scales(self.network)).expand_as(self.flat.values.data).clone()
        return Precise(mean, torch.full_like(mean, 1 / self.prior_variance))

    def frozen_share(self) -> Tensor:
        """The share of weights whose deviation is below a tenth of that at a start from the first prior."""
        mean, precision = self._first_prior()
        start = Precise(mean, precision + self.effective_examples * self.initial_curvature)
        return frozen_share(self.belief(), ivon.as_gaussian(start))
