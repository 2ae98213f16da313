"""BiMU: binary Bayesian synapses that consolidate by their own certainty, without task boundaries."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.binary import check_binary_network
from cl_bench.learner.sampling import SamplingLearner
from cl_bench.posteriors import bernoulli, bimu
from cl_bench.posteriors.beliefs import BinaryWeights
from cl_bench.validation import check_limit, check_not_negative, check_positive


class BiMU(SamplingLearner):
    """A Bernoulli posterior over binary weights, moved by the rule of posteriors/bimu.py (arXiv 2605.30198).

    The paper takes one example a step. For batches (ours) the gradient is that of the sum over the batch, as
    in Bayes' rule. A step then uses up as many examples of the memory window. Batches of one are the paper's.

    Args:
        temperature: tau of the relaxation; 1 in the paper.
        initial_scale: lambda starts at the network's own first weights, uniform(+-1/sqrt(fan-in)), times
            this; 1 in the paper.
        num_samples: weight samples a training step.
        num_test_samples: weight samples of a prediction; 0 tests the most probable weights.
        likelihood_weight: a, of the gradient.
        kl_weight: k, of the curvature of the KL divergence.
        memory_window: N, in examples: how slowly lambda is pulled back to 0.
        max_step: eta_max.
        The step size eta is the learner's `learning_rate`; its `optimizer` is not used.
    """

    stackable = True
    binary = True
    kept = ("natural",)

    def __init__(
        self,
        *,
        temperature: float,
        initial_scale: float,
        likelihood_weight: float,
        kl_weight: float,
        memory_window: float,
        max_step: float,
        **learner: Any,
    ) -> None:
        check_positive(temperature=temperature, likelihood_weight=likelihood_weight)
        check_limit(memory_window=memory_window, max_step=max_step)
        check_not_negative(initial_scale=initial_scale, kl_weight=kl_weight)
        check_binary_network(learner["model"], "bimu")
        super().__init__(**learner)
        self.temperature, self.likelihood_weight, self.kl_weight = temperature, likelihood_weight, kl_weight
        self.memory_window, self.max_step = memory_window, max_step
        self.natural = self.flat.values.data * initial_scale  # lambda
        self.flat.set(bernoulli.mode(self.natural))

    def draw_weights(self) -> tuple[Tensor, Tensor]:
        noise = bernoulli.logistic_noise(self.noise.uniform_like(self.natural))
        return bernoulli.relax(self.natural, noise, temperature=self.temperature), noise

    def posterior_gradient(self, weights: Tensor, noise: Tensor) -> Tensor:
        return bimu.gradient_of_natural(self.flat.gradients, weights, temperature=self.temperature)

    def optimizer_step(self) -> None:
        self.natural = bimu.step(
            self.natural,
            self.mean_gradient * self.num_in_batch,
            step_size=self.step_size(),
            likelihood_weight=self.likelihood_weight,
            kl_weight=self.kl_weight,
            memory_window=self.memory_window / self.num_in_batch,
            max_step=self.max_step,
            active=self.active,
        )

    def settle(self) -> None:
        self.flat.set(bernoulli.mode(self.natural))

    def test_draws(self) -> Callable[[], Tensor]:
        minus = bernoulli.minus_probability(self.natural)
        return lambda: bernoulli.sample(minus, self.test_noise.uniform_like(minus))

    def belief(self) -> BinaryWeights:
        return BinaryWeights(self.natural)

    def first_prior(self) -> BinaryWeights:
        return BinaryWeights(torch.zeros_like(self.natural))
