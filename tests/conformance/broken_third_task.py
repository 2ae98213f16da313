"""What is right in two tasks, and wrong in the third."""

from copy import deepcopy
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor

from cl_bench.posteriors import quadratic_penalty
from cl_bench.strategies import EWC, L2, MAS, SI, VCL, LwF, Replay

FROZEN = "frozen_copies_are_in_eval_mode"
BY_PATH = "a_task_without_a_move_adds_no_importance"
DIFFERS = "it_differs_from_finetuning_in_the_third_task"
RENEWS = "every_task_renews_what_it_keeps"
ADDS_UP = "importances_add_up"


@breaks("ewc", caught_by=RENEWS)
class PenaltyOfTheFirstTask(EWC):
    def _after_training_exp(self, **kwargs: Any) -> None:
        first, number = self.penalty, self.clock.train_exp_counter
        super()._after_training_exp(**kwargs)
        if number > 0:
            self.penalty = first


@breaks("lwf", caught_by=RENEWS)
class TeacherOfTheSecondTask(LwF):
    """It is not copied again when there is one."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        teacher = self.teacher
        super()._after_training_exp(**kwargs)
        if self.num_learnt > 2:
            self.teacher = teacher


@breaks("vcl", caught_by=RENEWS)
class PriorOfTheFirstTask(VCL):
    def _after_training_exp(self, **kwargs: Any) -> None:
        before, number = self.prior, self.clock.train_exp_counter
        super()._after_training_exp(**kwargs)
        if number > 0:
            self.prior = before


@breaks("lwf", caught_by=FROZEN)
class ThawsItsSecondTeacher(LwF):
    """.eval() is called on the first copy only."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.teacher.train(self.num_learnt > 1)


@breaks("l2", caught_by=DIFFERS)
class PenaltyForOneTask(L2):
    """It is used up."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.clock.train_exp_counter == 2:
            self.penalty = quadratic_penalty.init(self.flat.values.data)


@breaks("lwf", caught_by=DIFFERS)
class DistilsInTheSecondTaskAlone(LwF):
    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or self.num_learnt < 2:
            return loss
        return loss - self.strength * self.distilled.sum()


@breaks("replay", caught_by=DIFFERS)
class ReplaysInTheSecondTaskAlone(Replay):
    def train_batches(self, tasks: Any) -> Any:
        if self.clock.train_exp_counter != 1:
            self.memories, memories = [[]], self.memories
            batches = super().train_batches(tasks)
            self.memories = memories
            return batches
        return super().train_batches(tasks)


@breaks("ewc", caught_by=ADDS_UP)
class FisherIsOverwritten(EWC):
    def _after_training_exp(self, **kwargs: Any) -> None:
        self.penalty = quadratic_penalty.init(self.flat.values.data)
        super()._after_training_exp(**kwargs)


@breaks("mas", caught_by=ADDS_UP)
class ImportanceIsAveraged(MAS):
    """(n old + new) / (n + 1)."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        n, old = self.clock.train_exp_counter, self.penalty.precision.clone()
        super()._after_training_exp(**kwargs)
        new = self.penalty.precision - old
        self.penalty = self.penalty._replace(precision=(n * old + new) / (n + 1))


@breaks("online_ewc", caught_by=ADDS_UP)
class ImportanceIsCountedTwice(EWC):
    """The running sum is added to itself."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        old = deepcopy(self.penalty)
        super()._after_training_exp(**kwargs)
        self.penalty = self.penalty._replace(precision=torch.add(self.penalty.precision, old.precision))


@breaks("si", caught_by=BY_PATH)
class NeverBeginsItsPathAnew(SI):
    def _after_training_exp(self, **kwargs: Any) -> None:
        share = self.share
        super()._after_training_exp(**kwargs)
        self.share = share


@breaks("si", caught_by=BY_PATH)
class AddsItsSumToItsSum(SI):
    """What a task added is kept as a running sum, and that is added."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.omega = torch.zeros_like(self.penalty.precision)

    def _after_training_exp(self, **kwargs: Any) -> None:
        before = self.penalty.precision.clone()
        super()._after_training_exp(**kwargs)
        self.omega += self.penalty.precision - before
        self.penalty = self.penalty._replace(precision=before + self.omega)
