"""RanPAC's output layer: random features, and ridge regression on them."""

from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.learner.fitted_head import FittedHead, last_layer
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.learner.seed_stack import template_of
from cl_bench.posteriors import class_statistics, linear_heads
from cl_bench.posteriors.class_statistics import Statistics
from cl_bench.posteriors.linear_heads import Layer
from cl_bench.validation import check_count, check_positive

PENALTIES = tuple(10.0**exponent for exponent in range(-8, 9))  # the authors'
FIRST_PENALTY = 1.0  # before there is a choice
FITTED_SHARE = 0.8  # of a task, on which each penalty is tried


class RanPAC(FittedHead):
    """Ridge regression on random features h = relu(P^T x), x the features of a frozen network.

    The rule is that of posteriors/linear_heads.py. There is no bias. The probability of a class is
    softmax(W h / V), with V the error that generalised cross-validation expects on new examples. It is ours,
    as the authors choose the largest output alone.

    Source: McDonnell et al. 2023, "RanPAC: Random Projections and Pre-trained Models for Continual Learning"
    (the authors' code was read). Theirs adapts the network in the first task before that, which
    is not done here. Elements of P [F, M] are standard normal, and their number of features is 10,000.

    Args:
        num_features: of the projection.
        ridge: the penalty; None chooses it anew after each task, as the authors do. The last fifth of the
            task's examples judges 1e-8, 1e-7, ..., 1e8, by the squared error of a fit to the others of the
            task alone. The one that is chosen holds for the data of all tasks. In the midst of a task it is
            the one before, and at first 1.
    """

    stackable = True
    in_task = ("penalties", "fitted", "held_out", "num_seen")

    def __init__(self, *, num_features: int, ridge: float | None, **learner: Any) -> None:
        check_count(num_features=num_features)
        if ridge is not None:
            check_positive(ridge=ridge)
        self.num_features, self.ridge = num_features, ridge
        super().__init__(**learner)
        first = FIRST_PENALTY if ridge is None else ridge
        whole = torch.full(self.stack.shape, first, dtype=torch.float64, device=self.device)
        self.penalties = [whole] * len(self.statistics)
        self.fitted: dict[int, Statistics] = {}  # of the current task, by head
        self.held_out: dict[int, Statistics] = {}
        self.num_seen = 0  # of the current task's examples, of one seed

    def lay_out(self, network: nn.Module) -> FlatParameters:
        heads = template_of(network).get_submodule("heads")
        old = last_layer(heads).weight
        *stack, num_outputs, num_inputs = old.shape
        projection = self.noise.normal_like(old.new_empty(*stack, num_inputs, self.num_features))
        # without first weights, which would be drawn from torch's global generator
        layer = nn.utils.skip_init(nn.Linear, self.num_features, num_outputs, bias=False)
        layer.weight = nn.Parameter(old.new_zeros(*stack, num_outputs, self.num_features))
        heads.linear = nn.Sequential(RandomFeatures(projection), layer)
        return super().lay_out(network)

    def inputs(self, images: Tensor) -> Tensor:
        random: Any = self.output_heads.linear
        return random[0](super().inputs(images))

    def solution(self, head: int) -> Layer:
        state, penalty = self._whole(head), self.penalties[head]
        weight = linear_heads.ridge(state, penalty)
        variance = linear_heads.left_out_error(state, weight, penalty)
        return Layer(weight / variance[..., None, None], torch.zeros_like(weight[..., 0]))

    def _whole(self, head: int) -> Statistics:
        """The statistics with those of the current task."""
        state = self.statistics[head]
        for parts in (self.fitted, self.held_out):
            if head in parts:
                state = class_statistics.merge(state, parts[head])
        return state

    def learn(self, head: int, inputs: Tensor, labels: Tensor, included: Tensor | None) -> None:
        if self.ridge is not None:
            super().learn(head, inputs, labels, included)
            return
        number = max(0, int(FITTED_SHARE * self.num_to_see) - self.num_seen)
        for parts, chosen in ((self.fitted, slice(0, number)), (self.held_out, slice(number, None))):
            parts[head] = class_statistics.add(
                parts[head],
                inputs[..., chosen, :],
                labels[..., chosen],
                None if included is None else included[..., chosen],
            )

    @property
    def num_to_see(self) -> int:
        """How many examples of a seed the current task's pass has."""
        return min(self.num_examples, self.num_steps * self.train_mb_size)

    def optimizer_step(self) -> None:
        super().optimizer_step()
        self.num_seen += len(self.mb_y) // self.num_seeds

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.num_seen = 0
        if self.ridge is None:
            self.fitted = {head: self.no_statistics() for head in self.heads_of_task}
            self.held_out = dict(self.fitted)

    def _after_training_exp(self, **kwargs: Any) -> None:
        penalties = torch.tensor(PENALTIES, dtype=torch.float64).to(self.device)
        for head, fitted in self.fitted.items():
            held_out = self.held_out[head]
            best = linear_heads.best_penalty(fitted, held_out, penalties)
            judged = held_out.counts.sum(dim=-1) > 0
            self.penalties[head] = torch.where(judged, best, self.penalties[head])
            self.statistics[head] = self._whole(head)
        self.stale = sorted({*self.stale, *self.fitted})  # a test may have come after the last step
        self.fitted, self.held_out = {}, {}
        super()._after_training_exp(**kwargs)


class RandomFeatures(nn.Module):
    """The features relu(x P) of a random matrix P that stays as it is, [F, M] or [R, F, M]."""

    def __init__(self, projection: Tensor) -> None:
        super().__init__()
        self.register_buffer("projection", projection)

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs @ self.get_buffer("projection")).relu()
