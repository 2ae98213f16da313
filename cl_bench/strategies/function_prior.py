"""A prior on functions at memorable points of old tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import ResidentBatches
from cl_bench.learner.claims import Claims
from cl_bench.learner.experiences import head_of
from cl_bench.learner.forward import Forward
from cl_bench.learner.seed_stack import each_network
from cl_bench.posteriors import fisher, function_prior
from cl_bench.validation import check_choice, check_count, check_not_negative, check_positive

SELECTIONS = ("memorable", "random")


class Points(NamedTuple):
    """What is remembered of a task: images for the network, [M, ...] or [R, M, ...], and its head."""

    images: Tensor
    head: int


class FunctionPrior(Learner):
    """The mean loss of task t plus a Gaussian prior on the network's outputs at remembered images.

    Its term is strength / N_t times the sum over old tasks of the prior's negative log-density; see
    posteriors/function_prior.py.

    At the end of each task `memory_size` of its images are remembered. The precision of a Laplace posterior
    then grows by N_t times the exact Fisher information (the diagonal of the generalised Gauss-Newton
    matrix). At the start of the next task the probabilities of all remembered images, and their covariances
    by that posterior, become the prior, and stay so during the task. A step costs one more pass over all
    remembered images, in eval mode and without augmentation. In the scenario `task` each is seen through its
    own head, which is trained further by it.

    Source: Pan et al. 2020 (FROMP), whose objective is N_t times this one; in the authors' code the setting
    tau is strength / N_t. They clip the gradient's norm, which is not done here.

    Args:
        strength: tau of the paper; 0 is fine-tuning.
        memory_size: images of each task.
        selection: `memorable` (the most uncertain) or `random`; both equally many of each class.
        prior_precision: of the weights, N(0, 1 / prior_precision); it sets the scale of the covariances and
            enters no loss.
        jitter: added to the variances of probabilities.
    """

    may_freeze_later = False
    stackable = True
    mixes_heads = False
    claims = Claims(
        first_task_is_finetuning=True,
        off={"strength": 0.0},
        by_example=True,
        rehearses=True,
        grows=True,
        pulls_nowhere_at_start="every",
    )
    kept = ("precision", "points")

    def __init__(
        self,
        *,
        strength: float,
        memory_size: int,
        selection: str,
        prior_precision: float,
        jitter: float,
        **learner: Any,
    ) -> None:
        check_not_negative(strength=strength)
        check_count(memory_size=memory_size)
        check_choice("selection", selection, SELECTIONS)
        check_positive(prior_precision=prior_precision, jitter=jitter)
        super().__init__(**learner)
        self.strength, self.memory_size, self.selection = strength, memory_size, selection
        self.jitter = jitter
        self.precision = torch.full_like(self.flat.values.data, prior_precision)
        self.points: list[Points] = []  # of each task
        self.priors: list[function_prior.FunctionPrior] = []  # at the points of each earlier task
        # not compiled: its shape changes with each task
        self.remembered_logits = Forward(
            self.network,
            compile=False,
            precision=learner["precision"],
            device=self.device,
            count=self.count_gradients,
        )

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or not self.priors:
            return loss
        penalties = [
            function_prior.penalty(prior, mean)
            for prior, mean in zip(self.priors, self._means(), strict=True)
        ]
        return loss + self.strength / self.num_examples * torch.stack(penalties).sum()

    def _means(self) -> tuple[Tensor, ...]:
        """The present probabilities at the points of each task, [M, C] or [R, M, C]."""
        images, heads, sizes = self.remembered
        with self._evaluating():
            probabilities = self.remembered_logits(images, heads).softmax(dim=-1)
        seed_shape = self.stack.shape
        return probabilities.unflatten(0, (*seed_shape, -1)).split(sizes, dim=len(seed_shape))

    def _all_points(self) -> tuple[Tensor, Tensor, list[int]]:
        """One batch of the points of all tasks, its heads, and how many points each task has."""
        axis = len(self.stack.shape)
        images = torch.cat([points.images for points in self.points], dim=axis).flatten(0, axis)
        sizes = [points.images.shape[axis] for points in self.points]
        heads = [points.head for points, size in zip(self.points, sizes, strict=True) for _ in range(size)]
        return images, torch.tensor(heads * self.num_seeds, device=self.device), sizes

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        self.network.eval()
        try:
            yield
        finally:
            self.network.train()

    def heads_trained(self) -> set[int]:
        return super().heads_trained().union(points.head for points in self.points if self.strength)

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.strength and self.points:
            self.remembered = self._all_points()
            with torch.no_grad():
                means = self._means()
            self.count_gradients(sum(mean.numel() for mean in means))  # of each point, one for each class
            with self._evaluating():
                self.priors = [
                    function_prior.FunctionPrior(mean, self._whitening(points))
                    for points, mean in zip(self.points, means, strict=True)
                ]

    def _whitening(self, points: Points) -> Tensor:
        """The prior's whitening at the points of a task, [C, M, M] or [R, C, M, M].

        It is that of the present weights and posterior.
        """
        variance = 1 / self.precision
        by_seed = each_network(self.network), self.stack.split(points.images), self.stack.split(variance)
        kernels = [
            function_prior.kernels(network, images, points.head, variances)
            for network, images, variances in zip(*by_seed, strict=True)
        ]
        return function_prior.whitening(self.join_seeds(kernels), jitter=self.jitter).to(variance)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        kept = self.measure(
            partial(remember, size=self.memory_size, by=self.selection), gradients=lambda num_outputs: 0
        )
        images = self.join_seeds(kept)
        self.points.append(Points(images, head_of(self.experience)))
        count = partial(fisher.num_gradients, estimator="exact")
        diagonals = self.measure(partial(fisher.diagonal, estimator="exact"), gradients=count)
        diagonal = self.join_seeds(diagonals)
        self.precision = self.precision + self.num_examples * diagonal
        if self.priors:  # made anew, of points and precision, when the next task comes
            self.priors = []
            del self.remembered


def remember(
    network: nn.Module, batches: ResidentBatches, *, size: int, by: str, generator: torch.Generator
) -> Tensor:
    """The images of a task that are kept, [min(size, N), ...]."""
    if by == "random":
        scores = torch.rand(batches.num_examples, generator=generator, device=generator.device)
    else:
        with torch.no_grad():
            scores = torch.cat(
                [function_prior.uncertainty(network(images, task)) for images, _, task in batches]
            )
    chosen = function_prior.most_memorable(scores, batches.labels, size)
    images, _, _ = batches.at(chosen)
    return images
