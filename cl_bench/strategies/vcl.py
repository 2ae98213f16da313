"""Variational continual learning with a mean-field Gaussian posterior."""

import math
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.learner.batches import ResidentBatches, merged
from cl_bench.learner.claims import Claims
from cl_bench.learner.coresets import WithCoresets
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.learner.gaussian_layers import CONV_SAMPLING, fisher_of_means, make_gaussian
from cl_bench.posteriors import fisher, gaussian
from cl_bench.posteriors.beliefs import frozen_share
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.posteriors.prediction import average_prediction
from cl_bench.validation import check_choice, check_count, check_not_negative, check_number, check_positive

PRECISIONS = ("learned", "fisher")


class VCL(WithCoresets):
    """Minimises (E_q[-log p(D_t | w)] + kl_weight KL(q_t || q_{t-1})) / N_t for each task t; q_0 is the
    prior.

    Source: Nguyen et al. 2018. The expectation is the mean of `num_samples` by local reparameterisation,
    drawn for each example; convolutions have `conv_sampling`. The authors' code averages 10 samples of whole
    weights. The code of Swaroop et al. 2019 averages 10 by local reparameterisation, with noise that the
    examples of a batch share. Predictions average probabilities over whole-weight samples. In the scenario
    `task` the heads of other tasks keep their posterior and cost no KL.

    Args:
        kl_weight: 1 is the paper's objective; 0 forgets the prior.
        first_kl_weight: of the first task, whose prior nobody has learned; None: kl_weight.
        prior_variance: of the first task's prior, N(0, prior_variance); of scales of normalisation layers,
            which do nothing where they are 1, N(1, prior_variance).
        initial_log_variance: of the posterior before the first task.
        initial_mean_deviation: its means, biases too, start at draws from a normal of this deviation, cut
            at twice it (0.1 in the authors' code), around the prior's mean. None: where the model starts.
        restart: put means and variances back to their start before each task, but for the heads of other
            tasks; the prior stays. (Swaroop et al. 2019, who draw new means each time.)
        carried_precision: of the next task's prior: the posterior's (`learned`), or one by the Fisher
            information at the means (`fisher`; see `carry_fisher`).
        fisher_strength: of `fisher`; 1 is Bayes' rule.
        num_samples: a training step.
        num_test_samples: weight samples of a prediction.
        conv_sampling: of a convolution in training. `local` draws the output of each place on its own, and so
            trains another posterior than is tested: see learner/gaussian_layers.py. `whole` draws one sample
            of the weights a step, as tests do, with one convolution instead of two.
        coreset: `none`, `random` or `k_center`: examples kept out of the task's training data, on which a
            throw-away copy of the posterior is trained further before each test.
        coreset_size: examples a task.
        coreset_epochs: passes over the coresets before each test.
        memory_tasks: coresets of the last so many tasks are kept; None: of all.
    """

    may_freeze_later = False
    stackable = True
    claims = Claims(
        off={"kl_weight": 0.0},
        off_is_finetuning=False,
        by_example=True,
        carries_posterior=True,
        conjugate={
            "strategy.kl_weight": 1.0,
            "strategy.initial_log_variance": -2.0,
            "training.optimizer": "sgd",
            "training.learning_rate": 133.0,
            "training.schedule": "cosine",
            "training.epochs": 150,
        },
    )
    unused: ClassVar = {"weight_decay": "its prior decays the means, and log-variances do not decay to 0"}
    kept = ("prior", "initial")
    _known_prior: tuple[Tensor, int] | None = None  # its log-variances, and how often they were written
    _prior_precision: Tensor

    def __init__(
        self,
        *,
        kl_weight: float,
        prior_variance: float,
        initial_log_variance: float,
        initial_mean_deviation: float | None,
        restart: bool,
        num_samples: int,
        num_test_samples: int,
        conv_sampling: str = "local",
        first_kl_weight: float | None = None,
        carried_precision: str = "learned",
        fisher_strength: float = 1.0,
        **coresets: Any,
    ) -> None:
        check_not_negative(kl_weight=kl_weight)
        if first_kl_weight is not None:
            check_not_negative(first_kl_weight=first_kl_weight)
        check_choice("carried_precision", carried_precision, PRECISIONS)
        check_positive(prior_variance=prior_variance, fisher_strength=fisher_strength)
        check_number("initial_log_variance", initial_log_variance)
        if initial_mean_deviation is not None:
            check_positive(initial_mean_deviation=initial_mean_deviation)
        check_choice("conv_sampling", conv_sampling, CONV_SAMPLING)
        check_count(num_samples=num_samples, num_test_samples=num_test_samples)
        self.initial_log_variance, self.first_log_variance = initial_log_variance, math.log(prior_variance)
        self.conv_sampling = conv_sampling
        super().__init__(**coresets)
        self.kl_weight, self.first_kl_weight = kl_weight, first_kl_weight
        self.carries_fisher, self.fisher_strength = carried_precision == "fisher", fisher_strength
        self.num_samples, self.num_test_samples = num_samples, num_test_samples
        if initial_mean_deviation is not None:
            uniform = self.draws("init", self.device).uniform_like(self.posterior.mean)
            start = gaussian.truncated_normal(uniform, deviation=initial_mean_deviation)
            start = start + self.first_mean()
            self.flat.set(torch.cat([start, self.posterior.log_variance], dim=-1))
        self.initial = Gaussian(*(part.clone() for part in self.posterior)) if restart else None
        self.prior = self.first_prior()
        self.active = torch.ones_like(self.prior.mean)
        if self.carries_fisher:  # the next prior is not the posterior that is tested
            self.claims = self.claims._replace(carries_posterior=False, conjugate={})
        if self.coreset != "none":  # whose examples are in no posterior
            number = self.coreset_tasks
            self.claims = self.claims._replace(
                grows=number is None or number > 2,  # in the third task, too
                keeps_of_every_task=number is None,
                conjugate={},
            )

    def lay_out(self, network: nn.Module) -> FlatParameters:
        """All means, then all log-variances."""
        self.layers = make_gaussian(
            network,
            log_variance=self.initial_log_variance,
            noise=self.noise,
            conv_sampling=self.conv_sampling,
        )
        means = [mean for layer in self.layers for mean in layer.mean]
        log_variances = [part for layer in self.layers for part in layer.log_variance]
        return FlatParameters(means + log_variances, self.stack.shape)

    @property
    def posterior(self) -> Gaussian:
        """Views on the flat values."""
        return Gaussian(*self.flat.values.data.chunk(2, dim=-1))

    @property
    def present_kl_weight(self) -> float:
        """The weight of the KL divergence in the task in training."""
        return self.kl_weight if self.first_kl_weight is None or self.tasks_learned else self.first_kl_weight

    def differentiate(self, **kwargs: Any) -> None:
        if self.num_samples == 1:
            return super().differentiate(**kwargs)
        losses = []
        for _ in range(self.num_samples):
            self.loss = self._make_empty_loss()
            super().differentiate(**kwargs)  # adds to the gradients
            losses.append(self.loss.detach())
        self.flat.gradients.div_(self.num_samples)
        self.loss = torch.stack(losses).mean(dim=0)
        return None

    def backward(self) -> None:
        super().backward()
        self.add_kl_gradient(self.prior, self.num_examples, self.active)

    def add_kl_gradient(self, prior: Gaussian, num_examples: int, active: Tensor) -> None:
        gradient = self.kl_gradient(prior)
        for part, kl_part in zip(self.flat.gradients.chunk(2, dim=-1), gradient, strict=True):
            part.addcmul_(kl_part, active, value=self.present_kl_weight / num_examples)

    def added_loss(self) -> Tensor:
        """The term kl_weight KL(q_t || q_{t-1}) / N_t over the weights that the task may move, in nats."""
        return (
            self.present_kl_weight / self.num_examples * (self.active * self.kl_by_weight(self.prior)).sum()
        )

    def kl_by_weight(self, prior: Gaussian) -> Tensor:
        """The divergence of the posterior from a prior, nats [P]."""
        return gaussian.kl_divergence(self.posterior, prior)

    def kl_gradient(self, prior: Gaussian) -> Gaussian:
        """The gradient of `kl_by_weight` by means and log-variances."""
        known, given = self._known_prior, (prior.log_variance, prior.log_variance._version)
        if known is None or known[0] is not given[0] or known[1] != given[1]:  # once a task, not once a step
            self._known_prior, self._prior_precision = given, gaussian.precision(prior)
        return gaussian.kl_gradient(self.posterior, prior, self._prior_precision)

    def active_for(self, head: int | Collection[int]) -> Tensor:
        """1 for every weight but those of other heads, where it is 0; [P]."""
        return self.flat.mask(self.other_heads(head)).chunk(2)[0]

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.active = self.active_for(self.heads_trained())
        if self.initial is not None:
            present = zip(self.initial, self.posterior, strict=True)
            parts = [torch.where(self.active > 0, start, part) for start, part in present]
            self.flat.set(torch.cat(parts, dim=-1))
        elif self.carries_fisher:  # the prior says what is known; the noise of training starts anew
            mean, log_variance = self.posterior
            start = torch.full_like(log_variance, self.initial_log_variance)
            self.flat.set(torch.cat([mean, torch.where(self.active > 0, start, log_variance)], dim=-1))

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        trained = self.active > 0  # a head that was not used keeps the prior it had
        learned = self.carry_fisher() if self.carries_fisher else self.posterior
        parts = zip(learned, self.prior, strict=True)
        self.prior = Gaussian(*(torch.where(trained, part, old) for part, old in parts))

    def carry_fisher(self) -> Gaussian:
        """The means with the precision that the optimum of the objective has, where its curvature is the
        Fisher information.

            1/v_t = 1/v_{t-1} + fisher_strength N_t F_t

        Source: the fixed point of Opper and Archambeau 2009, with the curvature at the means. An optimizer
        moves a log-variance by about its step size a step. In short tasks the learned ones stay near their
        start, the same for every weight, and as a prior they hold all weights alike.
        """
        count = partial(fisher.num_gradients, estimator="exact")
        importance = self.join_seeds(self.measure(fisher_of_means, gradients=count))
        added = self.fisher_strength * self.num_examples * importance
        return Gaussian(self.posterior.mean, -(gaussian.precision(self.prior) + added).log())

    # Predictions

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        present = self.posterior.mean.clone()
        samples = self._sampled_logits(present, images, task)
        prediction, self.expected_entropy, self.num_averaged = average_prediction(samples)
        self.posterior.mean.copy_(present)
        return prediction

    def _sampled_logits(self, mean: Tensor, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        """The logits of one weight sample after the other; leaves the last one in the place of the means."""
        deviation = gaussian.deviation(self.posterior)

        def draw() -> Tensor:
            return torch.addcmul(mean, deviation, self.test_noise.normal_like(mean))

        for weights in self.test_samples.take(self.num_test_samples, draw):
            self.posterior.mean.copy_(weights)
            yield self.logits(images, task)

    def _train_on_coresets(self, parts: list[ResidentBatches], active: Tensor) -> None:
        """Continue from the posterior, with itself as the prior, on the coresets that share the head."""
        if not parts:
            return
        batches = merged(parts)
        start = Gaussian(*(part.clone() for part in self.posterior))
        optimizer = self.new_optimizer()
        for layer in self.layers:
            layer.noise = self.test_noise
        self.network.train()
        with torch.enable_grad():
            for _ in range(self.coreset_epochs):
                for images, labels, task in batches:
                    self.flat.zero_gradients()
                    for _ in range(self.num_samples):
                        self.count_gradients(len(images))
                        self._criterion(self.network(images, task), labels).backward()
                    self.flat.gradients.div_(self.num_samples)
                    self.add_kl_gradient(start, batches.num_examples, active)
                    self.clip_gradients()
                    optimizer.step()
        self.network.eval()
        for layer in self.layers:
            layer.noise = self.noise

    def sampled_from(self) -> Sequence[Tensor]:
        """The posterior, and the coresets that a copy of it is trained on before each test."""
        return (*self.posterior, *super().sampled_from())

    def belief(self) -> Gaussian:
        return self.posterior

    def present_prior(self) -> Gaussian:
        """The prior of the task in training."""
        return self.prior

    def frozen_share(self) -> Tensor:
        """The share of weights whose deviation is below a tenth of the first prior's and of its own start."""
        prior = self.first_prior()
        least = torch.full_like(prior.mean, min(self.first_log_variance, self.initial_log_variance))
        return frozen_share(self.posterior, Gaussian(prior.mean, least))

    def first_prior(self) -> Gaussian:
        mean = self.first_mean().expand_as(self.posterior.mean).clone()
        return Gaussian(mean, torch.full_like(mean, self.first_log_variance))

    def first_mean(self) -> Tensor:
        """The first prior's mean: 1 at scales of normalisation, 0 at all other weights; [P]."""
        scales = [scale for layer in self.layers for scale in layer.scales]
        return self.flat.marked(scales).chunk(2)[0]

    @property
    def num_weights(self) -> int:
        """The number of weights: half of the parameters are log-variances."""
        return len(self.flat) // 2
