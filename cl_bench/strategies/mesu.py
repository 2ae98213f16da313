"""MESU: Gaussian weights whose own uncertainty is their learning rate, without task boundaries."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.sampling import SamplingLearner
from cl_bench.models.parameters import scales
from cl_bench.posteriors import mesu
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.posteriors.mesu import Synapses
from cl_bench.validation import check_limit, check_number, check_positive


class MESU(SamplingLearner):
    """A Gaussian posterior moved by the rule of posteriors/mesu.py (Bonnet et al. 2025).

    Whole weights are sampled, as in the paper, which takes one example a step. For batches the gradient is
    that of the sum over the batch, as in the authors' code. A step then uses up as many examples of the
    memory window (ours). Batches of one are the paper's. Every parameter is Gaussian, biases and
    normalisation, too.

    Args:
        initial_deviation: of every weight; the means start at the network's own first weights.
        deviation_learning_rate: eta_s, on the learner's schedule.
        prior_mean, prior_deviation: m0 and s0. Scales of normalisation layers, which do nothing where they
            are 1, have 1 + m0 (ours).
        memory_window: N, in examples.
        clip: of gradients, in units of 1 / s; None for no limit.
        num_samples: weight samples a training step.
        num_test_samples: weight samples of a prediction; 0 tests the means.
        The step size eta_m is the learner's `learning_rate`; its `optimizer` is not used.
    """

    stackable = True
    kept = ("posterior",)

    def __init__(
        self,
        *,
        initial_deviation: float,
        deviation_learning_rate: float,
        prior_mean: float,
        prior_deviation: float,
        memory_window: float,
        clip: float | None,
        **learner: Any,
    ) -> None:
        check_positive(
            initial_deviation=initial_deviation,
            deviation_learning_rate=deviation_learning_rate,
            prior_deviation=prior_deviation,
        )
        check_number("prior_mean", prior_mean)
        check_limit(memory_window=memory_window)
        if clip is not None:
            check_positive(clip=clip)
        super().__init__(**learner)
        self.deviation_learning_rate, self.clip = deviation_learning_rate, clip
        self.prior_deviation = prior_deviation
        self.memory_window = memory_window
        start = self.flat.values.data
        self.prior_mean = prior_mean + self.flat.marked(scales(self.network)).expand_as(start)
        self.posterior = Synapses(start.clone(), torch.full_like(start, initial_deviation))

    def draw_weights(self) -> tuple[Tensor, Tensor]:
        noise = self.noise.normal_like(self.posterior.mean)
        return mesu.sample(self.posterior, noise), noise

    def posterior_gradient(self, weights: Tensor, noise: Tensor) -> Tensor:
        return mesu.gradients(self.flat.gradients, noise)

    def optimizer_step(self) -> None:
        by_mean, by_deviation = self.mean_gradient * self.num_in_batch
        step_size = self.step_size()
        self.posterior = mesu.step(
            self.posterior,
            by_mean,
            by_deviation,
            mean_rate=step_size,
            deviation_rate=self.deviation_learning_rate * step_size / self.learning_rate,
            prior_mean=self.prior_mean,
            prior_deviation=self.prior_deviation,
            memory_window=self.memory_window / self.num_in_batch,
            clip=self.clip,
            active=self.active,
        )

    def settle(self) -> None:
        self.flat.set(self.posterior.mean)

    def test_draws(self) -> Callable[[], Tensor]:
        posterior = self.posterior
        return lambda: mesu.sample(posterior, self.test_noise.normal_like(posterior.mean))

    def belief(self) -> Gaussian:
        return Gaussian(self.posterior.mean, 2 * self.posterior.deviation.log())

    def first_prior(self) -> Gaussian:
        mean = self.prior_mean.clone()
        return Gaussian(mean, torch.full_like(mean, 2 * math.log(self.prior_deviation)))
