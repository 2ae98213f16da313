"""BayesBiNN: a posterior over binary weights, carried from task to task."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from cl_bench.posteriors import bernoulli
from cl_bench.posteriors.prediction import average_prediction, log_probabilities
from cl_bench.strategies.binary import check_binary_network
from cl_bench.strategies.checks import check_choice, check_count, check_not_negative, check_positive
from cl_bench.strategies.experiences import head_of
from cl_bench.strategies.learner import Learner

VARIANTS = ("sound", "published")


class BayesBiNN(Learner):
    """Minimises E_q[sum_n -log p(y_n | x_n, w)] + kl_weight KL(q_t || q_{t-1}) over Bernoulli q by the
    Bayesian learning rule; the posterior of a task is the prior of the next. Source: Meng, Bachmann, Khan,
    ICML 2020, sections 3 and 5.2.

    `published` is the authors' optimizer, step for step: the mean of the gradient scale is one step old,
    float32 rounds 1 - mu^2 to 0 for confident weights, and tests average logits. `sound` (ours) computes the
    same rule without cancellation and averages probabilities.

    Args:
        temperature: tau of the relaxation.
        initial_magnitude: every lambda starts at plus or minus this.
        num_samples: weight samples a training step.
        num_test_samples: weight samples of a prediction; 0 tests the most probable weights.
        kl_weight: k; 1 is Bayes' rule.
        momentum: beta of the natural gradient's running average, which goes on from task to task.
        carry_prior: whether the posterior becomes the next task's prior; otherwise that stays at lambda = 0.
        variant: `sound` or `published`.
        max_slope: of `sound`: the largest d w_r / d mu; None for no limit. See posteriors/bernoulli.py.
        The step size alpha is the learner's `learning_rate`; its `optimizer` is not used.
    """

    stackable = True

    def __init__(
        self,
        *,
        temperature: float,
        initial_magnitude: float,
        num_samples: int,
        num_test_samples: int,
        kl_weight: float,
        momentum: float,
        carry_prior: bool,
        variant: str,
        max_slope: float | None,
        **learner: Any,
    ) -> None:
        check_positive(temperature=temperature)
        check_count(num_samples=num_samples)
        check_not_negative(
            initial_magnitude=initial_magnitude, num_test_samples=num_test_samples, kl_weight=kl_weight
        )
        check_choice("variant", variant, VARIANTS)
        if max_slope is not None:
            check_positive(max_slope=max_slope)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, got {momentum=}")
        check_binary_network(learner["model"], "bayesbinn")
        super().__init__(**learner)
        self.temperature, self.kl_weight, self.momentum = temperature, kl_weight, momentum
        self.num_samples, self.num_test_samples = num_samples, num_test_samples
        self.carry_prior, self.published, self.max_slope = carry_prior, variant == "published", max_slope
        uniform = self.draws("init", self.device).uniform_like(self.flat.values.data)
        start = bernoulli.random_signs(uniform, magnitude=initial_magnitude)
        self.posterior = bernoulli.init(start)
        self.prior = torch.zeros_like(start)
        self.active: Tensor | None = None  # 1 for the weights that the task may move, else 0; None: all
        self.flat.set(bernoulli.mode(start))

    def differentiate(self, **kwargs: Any) -> None:
        """The natural gradient's data part: the mean over weight samples of s g."""
        self.scaled_gradient = torch.zeros_like(self.flat.gradients)
        losses = []
        for _ in range(self.num_samples):
            noise = self._noise()
            relaxed = bernoulli.relax(self.posterior.natural, noise, temperature=self.temperature)
            self.flat.set(relaxed)
            self.flat.zero_gradients()
            self.loss = self._make_empty_loss()
            super().differentiate(**kwargs)
            losses.append(self.loss.detach())
            self.scaled_gradient.addcmul_(
                self.flat.gradients, self._scale(relaxed, noise), value=1 / self.num_samples
            )
        self.loss = torch.stack(losses).mean(dim=0)

    def _scale(self, relaxed: Tensor, noise: Tensor) -> Tensor:
        common = {"num_examples": self.num_examples, "temperature": self.temperature}
        if self.published:
            return bernoulli.published_scale(relaxed, torch.tanh(self.posterior.previous), **common)
        return bernoulli.sound_scale(
            self.posterior.natural, noise, relaxed, max_slope=self.max_slope, **common
        )

    def optimizer_step(self) -> None:
        self.posterior = bernoulli.step(
            self.posterior,
            self.scaled_gradient,
            self.prior,
            step_size=self.step_size(),
            kl_weight=self.kl_weight,
            momentum=self.momentum,
            active=self.active,
        )

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        others = self.other_heads(head_of(self.experience))
        self.active = self.flat.mask(others) if others else None

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        if self.carry_prior:
            natural = self.posterior.natural
            # a head that was not used keeps the prior it had
            used = torch.where(self.active > 0, natural, self.prior) if self.active is not None else natural
            self.prior = used.clone()
        self.flat.set(bernoulli.mode(self.posterior.natural))

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        if self.num_test_samples == 0:
            return super().predict(images, task)
        present = self.flat.values.data.clone()
        samples = self._sampled_logits(images, task)
        if self.published:
            prediction = log_probabilities(
                sum(samples, start=torch.zeros((), device=self.device)) / self.num_test_samples
            )
        else:
            prediction = average_prediction(samples)
        self.flat.set(present)
        return prediction

    def _sampled_logits(self, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        """The logits of one weight sample after the other; leaves the last one in the network."""
        minus = bernoulli.minus_probability(self.posterior.natural)

        def draw() -> Tensor:
            return bernoulli.sample(minus, self.test_noise.uniform_like(minus))

        for weights in self.test_samples.take(self.num_test_samples, draw):
            self.flat.set(weights)
            yield self.logits(images, task)

    def _noise(self) -> Tensor:
        return bernoulli.logistic_noise(self.noise.uniform_like(self.posterior.natural))

    def state_tensors(self) -> dict[str, Tensor]:
        return {
            "natural": self.posterior.natural,
            "previous": self.posterior.previous,
            "momentum": self.posterior.momentum,
            "prior": self.prior,
        }
