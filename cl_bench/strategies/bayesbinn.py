"""BayesBiNN: a posterior over binary weights, carried from task to task."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.binary import check_binary_network
from cl_bench.learner.claims import Claims
from cl_bench.learner.sampling import SamplingLearner
from cl_bench.posteriors import bernoulli
from cl_bench.posteriors.beliefs import BinaryWeights
from cl_bench.posteriors.prediction import Prediction, log_probabilities
from cl_bench.validation import check_choice, check_not_negative, check_positive

VARIANTS = ("sound", "published")
ESTIMATORS = ("relaxed", "hard")
# with which it converges where Bayes' rule is known exactly (conformance/conjugate.py)
CONJUGATE = {
    "strategy.kl_weight": 1.0,
    "strategy.momentum": 0.0,
    "strategy.max_slope": None,
    "strategy.temperature": 0.1,
    "strategy.initial_magnitude": 0.3,
    "strategy.rate_times_steps": None,
    "training.learning_rate": 0.04,
    "training.schedule": "cosine",
    "training.epochs": 250,
}


class BayesBiNN(SamplingLearner):
    """Minimises E_q[sum_n -log p(y_n | x_n, w)] + kl_weight KL(q_t || q_{t-1}) over Bernoulli q by the
    Bayesian learning rule; the posterior of a task is the prior of the next. Source: Meng, Bachmann, Khan,
    ICML 2020, sections 3 and 5.2.

    `published` is the authors' optimizer, step for step. There the mean of the gradient scale is one step
    old, float32 rounds 1 - mu^2 to 0 for confident weights, and tests average logits. `sound` (ours) computes
    the same rule without cancellation and averages probabilities.

    Args:
        temperature: tau of the relaxation.
        initial_magnitude: every lambda starts at plus or minus this.
        num_samples: weight samples a training step.
        num_test_samples: weight samples of a prediction; 0 tests the most probable weights.
        kl_weight: k; 1 is Bayes' rule.
        first_kl_weight: k of the first task, whose prior nobody has learned; None: kl_weight.
        momentum: beta of the natural gradient's running average, which continues from task to task.
        carry_prior: whether the posterior becomes the next task's prior; otherwise that stays at lambda = 0.
        variant: `sound` or `published`.
        max_slope: of `sound`: the largest d w_r / d mu; None for no limit. The limit is a bias: see
            `bernoulli_slope.expected_slope`.
        estimator: where the loss is differentiated: at `relaxed` weights, or at `hard` ones, draws of -1 and
            +1. `hard` has no temperature and no slope; see posteriors/bernoulli_slope.py.
        rate_times_steps: c of a step size alpha = c / (steps of the task). With a constant alpha lambda has
            then relaxed to within e^(-k c), however many steps a task has. None: alpha is the learner's
            `learning_rate`. The learner's `optimizer` is not used.
    """

    stackable = True
    claims = Claims(off={"kl_weight": 0.0}, off_is_finetuning=False)
    binary = True
    kept = ("posterior", "prior")

    def __init__(
        self,
        *,
        temperature: float,
        initial_magnitude: float,
        kl_weight: float,
        momentum: float,
        carry_prior: bool,
        variant: str,
        max_slope: float | None,
        first_kl_weight: float | None = None,
        estimator: str = "relaxed",
        rate_times_steps: float | None = None,
        **learner: Any,
    ) -> None:
        check_positive(temperature=temperature)
        check_not_negative(initial_magnitude=initial_magnitude, kl_weight=kl_weight)
        if first_kl_weight is not None:
            check_not_negative(first_kl_weight=first_kl_weight)
        check_choice("variant", variant, VARIANTS)
        check_choice("estimator", estimator, ESTIMATORS)
        if estimator == "hard" and variant == "published":
            raise ValueError(
                "estimator must be relaxed for variant=published, whose steps are the authors', got "
                f"{estimator=}"
            )
        if max_slope is not None:
            check_positive(max_slope=max_slope)
        if rate_times_steps is not None:
            check_positive(rate_times_steps=rate_times_steps)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, got {momentum=}")
        check_binary_network(learner["model"], "bayesbinn")
        super().__init__(**learner)
        self.temperature, self.momentum, self.hard = temperature, momentum, estimator == "hard"
        self.kl_weight, self.first_kl_weight = kl_weight, first_kl_weight
        self.rate_times_steps = rate_times_steps
        self.carry_prior, self.published, self.max_slope = carry_prior, variant == "published", max_slope
        uniform = self.draws("init", self.device).uniform_like(self.flat.values.data)
        start = bernoulli.random_signs(uniform, magnitude=initial_magnitude)
        self.posterior = bernoulli.init(start)
        self.prior = torch.zeros_like(start)
        self.flat.set(bernoulli.mode(start))
        if self.published:
            self.claims = self.claims._replace(averages="logits")
        if carry_prior:
            # the conjugate loss is quadratic in each weight, where hard weights have a bias
            conjugate = {} if self.hard else CONJUGATE
            self.claims = self.claims._replace(carries_posterior=True, conjugate=conjugate)

    @property
    def present_kl_weight(self) -> float:
        """The weight of the KL divergence in the task in training."""
        return self.kl_weight if self.first_kl_weight is None or self.tasks_learned else self.first_kl_weight

    def draw_weights(self) -> tuple[Tensor, Tensor]:
        if self.hard:
            uniform = self.noise.uniform_like(self.posterior.natural)
            return bernoulli.sample(bernoulli.minus_probability(self.posterior.natural), uniform), uniform
        noise = bernoulli.logistic_noise(self.noise.uniform_like(self.posterior.natural))
        return bernoulli.relax(self.posterior.natural, noise, temperature=self.temperature), noise

    def posterior_gradient(self, weights: Tensor, noise: Tensor) -> Tensor:
        """The natural gradient's data part, s g."""
        if self.hard:
            return self.num_examples * self.flat.gradients
        return self._scale(weights, noise).mul_(self.flat.gradients)

    def _scale(self, relaxed: Tensor, noise: Tensor) -> Tensor:
        common = {"num_examples": self.num_examples, "temperature": self.temperature}
        if self.published:
            return bernoulli.published_scale(relaxed, torch.tanh(self.posterior.previous), **common)
        return bernoulli.sound_scale(
            self.posterior.natural, noise, relaxed, max_slope=self.max_slope, **common
        )

    def step_size(self) -> float:
        size = super().step_size()
        if self.rate_times_steps is None:
            return size
        return size / self.learning_rate * (self.rate_times_steps / self.num_steps)

    def optimizer_step(self) -> None:
        self.posterior = bernoulli.step(
            self.posterior,
            self.mean_gradient,
            self.prior,
            step_size=self.step_size(),
            kl_weight=self.present_kl_weight,
            momentum=self.momentum,
            active=self.active,
        )

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        if self.carry_prior:
            natural = self.posterior.natural
            # a head that was not used keeps the prior it had
            used = torch.where(self.active > 0, natural, self.prior) if self.active is not None else natural
            self.prior = used.clone()

    def settle(self) -> None:
        self.flat.set(bernoulli.mode(self.posterior.natural))

    def test_draws(self) -> Callable[[], Tensor]:
        minus = bernoulli.minus_probability(self.posterior.natural)
        return lambda: bernoulli.sample(minus, self.test_noise.uniform_like(minus))

    def combine(self, samples: Iterable[Tensor]) -> Prediction:
        if not self.published:
            return super().combine(samples)
        total = sum(samples, start=torch.zeros((), device=self.device))
        return Prediction(log_probabilities(total / self.num_test_samples), None)

    def state_tensors(self) -> dict[str, Tensor]:
        """The posterior and prior, without what the rule does not read.

        That is the step before, but for `published`, and a momentum of 0.
        """
        unread = {"posterior.previous"} if not self.published else set()
        unread |= {"posterior.momentum", "posterior.correction"} if self.momentum == 0 else set()
        return {name: part for name, part in super().state_tensors().items() if name not in unread}

    def belief(self) -> BinaryWeights:
        return BinaryWeights(self.posterior.natural)

    def present_prior(self) -> BinaryWeights:
        """The prior of the task in training."""
        return BinaryWeights(self.prior)

    def first_prior(self) -> BinaryWeights:
        return BinaryWeights(torch.zeros_like(self.posterior.natural))
