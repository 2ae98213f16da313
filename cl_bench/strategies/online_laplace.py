"""Online Laplace: the Gaussian approximation of the posterior is the next task's prior."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from cl_bench.learner.experiences import heads_in
from cl_bench.learner.quadratic_penalty import QuadraticPenalty
from cl_bench.learner.seed_stack import each_network
from cl_bench.models.parameters import scales
from cl_bench.posteriors import fisher, kronecker, quadratic_penalty
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.validation import check_choice, check_positive

STRUCTURES = ("diagonal", "kfac")


class OnlineLaplace(QuadraticPenalty):
    """The mean loss of task t plus strength / (2 N_t) (theta - theta*)^T Lambda (theta - theta*).

    theta* is the mode after task t - 1 and Lambda the prior precision plus the sum of N_k F_k over earlier
    tasks: EWC as Bayes would have it, with sums over examples and a prior that is there from the start.
    Source: Ritter, Botev, Barber 2018. `kfac` has Kronecker factors for Linear and Conv2d layers, and the
    diagonal for any other parameter (ours). In the scenario `task` the prior leaves the heads of other tasks
    alone (ours): without data of theirs they would stay at their mode.

    Args:
        strength: of all the posterior so far; 1 is Bayes' rule, 0 fine-tuning.
        prior_precision: of the first task's prior, N(0, 1 / prior_precision); of scales of normalisation
            layers, which do nothing where they are 1, N(1, 1 / prior_precision).
        structure: `diagonal` or `kfac`.
        memory: of `kfac`: `separate` keeps factors for each task, exact, and grows; `merged` averages them.
        fisher_estimator: `exact`, `sampled`, `empirical` or `predicted`; see posteriors/fisher.py.
    """

    stackable = True
    claims = QuadraticPenalty.claims._replace(  # its prior is there from the start
        first_task_is_finetuning=False, pulls_nowhere_at_start=""
    )
    unused: ClassVar = {"weight_decay": "strategy.prior_precision is its own, and in its posterior"}
    kept = ("terms",)

    def __init__(
        self, *, prior_precision: float, structure: str, memory: str, fisher_estimator: str, **penalty: Any
    ) -> None:
        check_positive(prior_precision=prior_precision)
        check_choice("structure", structure, STRUCTURES)
        check_choice("memory", memory, kronecker.MEMORIES)
        check_choice("fisher_estimator", fisher_estimator, fisher.ESTIMATORS)
        super().__init__(**penalty)
        self.prior_precision = prior_precision
        self.structure, self.memory, self.fisher_estimator = structure, memory, fisher_estimator
        self.penalty = quadratic_penalty.prior(self._first_mean(), prior_precision)
        network = next(each_network(self.network))
        self.blocks = kronecker.blocks_of(network) if structure == "kfac" else []
        self.terms: tuple[kronecker.Term, ...] = ()
        self.active = torch.ones_like(self.flat.values.data)
        self.claims = self.claims._replace(
            carries_posterior=structure == "diagonal", grows=structure == "kfac" and memory == "separate"
        )

    @property
    def curvature(self) -> float:
        return self.strength / self.num_examples

    def add_penalty_gradient(self) -> None:
        weights = self.flat.values.data
        gradient = quadratic_penalty.penalty_gradient(self.penalty, weights, strength=self.curvature)
        if self.terms:
            gradient += self.curvature * kronecker.product(
                self.terms, self.blocks, weights - self.penalty.centre
            )
        self.flat.gradients.addcmul_(gradient, self.active)

    def added_loss(self) -> Tensor:
        """The penalty strength / (2 N_t) (theta - theta*)^T Lambda (theta - theta*), without other heads."""
        distance = (self.flat.values.data - self.penalty.centre) * self.active
        quadratic = (self.penalty.precision * distance**2).sum()
        if self.terms:
            quadratic = quadratic + (distance * kronecker.product(self.terms, self.blocks, distance)).sum()
        return self.curvature / 2 * quadratic

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.active = self.flat.mask(self.other_heads(heads_in(self.experience)))

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        diagonal = self._diagonal()
        if self.structure == "kfac":
            new = self._measured(kronecker.factors)
            term = kronecker.stacked(new) if self.stack.shape else new[0]
            self.terms = kronecker.add(self.terms, term, memory=self.memory)
        self.penalty = quadratic_penalty.add_likelihood(
            self.penalty, self.flat.values.data, self.num_examples * diagonal, self.active
        )

    def _diagonal(self) -> Tensor:
        """The diagonal of the mean Fisher information, 0 where a block stands for it."""
        free = kronecker.outside(self.blocks, self.flat.values.data)
        if kronecker.num_inside(self.blocks) == len(self.flat):
            return free
        return free * self.join_seeds(self._measured(fisher.diagonal))

    def _measured(self, function: Callable[..., Any]) -> list[Any]:
        """What a function of the estimator gives on the data of the task, one a seed."""
        estimator = self.fisher_estimator
        return self.measure(
            partial(function, estimator=estimator),
            gradients=partial(fisher.num_gradients, estimator=estimator),
        )

    def belief(self) -> Gaussian | None:
        """N(theta*, 1 / Lambda); None with Kronecker factors, of whose sums nobody knows the determinant."""
        if self.structure == "kfac":
            return None
        return Gaussian(self.penalty.centre, -self.penalty.precision.log())

    def present_prior(self) -> Gaussian | None:
        """The prior of the task in training: the posterior so far."""
        return self.belief()

    def first_prior(self) -> Gaussian | None:
        mean = self._first_mean().clone()
        return Gaussian(mean, torch.full_like(mean, -math.log(self.prior_precision)))

    def _first_mean(self) -> Tensor:
        """1 at scales of normalisation, 0 at all other weights; [P]."""
        return self.flat.marked(scales(self.network)).expand_as(self.flat.values.data)
