"""What goes wrong with a schedule, batch normalisation and dropout only."""

from copy import deepcopy
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.experiences import resident_tasks
from cl_bench.strategies import EWC, L2, MAS, Finetune, LwF, Replay

FINETUNING = "normalised_and_scheduled_it_is_finetuning"
MEASURED = "measurements_are_made_in_evaluation_mode"
STATISTICS = "running_statistics_move_in_steps_alone"
TRAIN_MODE = "every_step_is_taken_in_train_mode"
SCHEDULE = "the_schedule_reaches_its_steps"


@breaks("ewc", caught_by=FINETUNING)
class PassesForNothing(EWC):
    """The penalty's pass is made in train mode, whatever its strength."""

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if self.is_training:
            again = self.logits(self.mb_x, self.head)
            loss = loss + 0.0 * again.sum()
        return loss


@breaks("lwf", caught_by=FINETUNING)
class TeacherIsTheNetworkItself(LwF):
    """Old answers are recorded in train mode, from the first task on."""

    def _before_training_iteration(self, **kwargs: Any) -> None:
        super()._before_training_iteration(**kwargs)
        with torch.no_grad():
            self.old_answers = self.model(self.mb_x, self.head)


@breaks("l2", caught_by=FINETUNING)
class StepsWithoutTheSchedule(L2):
    """Adam of its own, made once a task."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.adam = torch.optim.Adam([self.flat.values], lr=self.learning_rate, fused=True)

    def optimizer_step(self) -> None:
        self.adam.step()


@breaks("finetune", caught_by=SCHEDULE)
class DescendsByHand(Finetune):
    def optimizer_step(self) -> None:
        self.flat.values.data.sub_(self.flat.gradients, alpha=self.learning_rate)


@breaks("replay", caught_by=SCHEDULE)
class AnOptimizerThatNobodyElseKnows(Replay):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sgd = torch.optim.SGD(self.model.parameters(), lr=self.learning_rate)

    def optimizer_step(self) -> None:
        self.sgd.step()


def squared_gradients(strategy: Any, model: Any) -> list[Tensor]:
    """The usual loop over a task's data."""
    data = resident_tasks(strategy.experience)[0]
    images, labels = data.images(strategy.device), data.labels
    fisher = [torch.zeros_like(p) for p in model.parameters()]
    for x, y in zip(images.split(16), labels.split(16), strict=True):
        loss = F.cross_entropy(model(x, data.head), y)
        grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        for f, g in zip(fisher, grads, strict=True):
            if g is not None:
                f += g.pow(2) * len(x)
    return [f / len(images) for f in fisher]


@breaks("ewc", caught_by=MEASURED)
class FisherInTrainMode(EWC):
    def _importance(self) -> list[Tensor]:
        buffers = deepcopy(dict(self.model.named_buffers()))
        fisher = squared_gradients(self, self.model)
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])
        return [torch.cat([f.reshape(-1) for f in fisher])]


@breaks("mas", caught_by=MEASURED)
class ImportanceOfACopyInTrainMode(MAS):
    """Of a copy, so that nothing of the network is touched; but the copy is in train mode, too."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.omega = squared_gradients(self, deepcopy(self.model))


@breaks("lwf", caught_by=MEASURED)
class RecordsLogitsBeforeTheTask(LwF):
    """As in the paper, the old answers to the new images are recorded first; Avalanche has called train()."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        data = resident_tasks(self.experience)[0]
        buffers = deepcopy(dict(self.model.named_buffers()))
        self.model.train()
        with torch.no_grad():
            self.recorded = self.model(data.images(self.device), data.head)
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])


@breaks("ewc", caught_by=STATISTICS)
class FisherMovesStatistics(EWC):
    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        squared_gradients(self, self.model)


@breaks("replay", caught_by=STATISTICS)
class LooksThroughItsMemory(Replay):
    """The losses of what it remembers, to choose by them."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        memory = self.memories[0]
        self.model.train()
        with torch.no_grad():
            out = self.model(self.dataloader.to_float(memory.pixels), memory.heads)
        self.hardest = F.cross_entropy(out, memory.labels, reduction="none").argsort()


@breaks("finetune", caught_by=STATISTICS)
class RefreshesStatisticsBeforeTests(Finetune):
    """Recomputes them on the last training batch, in each test."""

    def _before_eval(self, **kwargs: Any) -> None:
        super()._before_eval(**kwargs)
        if hasattr(self, "last"):
            self.model.train()
            self.model(self.last, 0)
            self.model.eval()

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        self.last = self.mb_x


@breaks("ewc", caught_by=TRAIN_MODE)
class ForgetsToTrainAgain(EWC):
    """The penalty looks at the old task in eval mode, which it does not leave."""

    def backward(self) -> None:
        super().backward()
        if self.clock.train_exp_counter > 0:
            self.model.eval()


@breaks("replay", caught_by=TRAIN_MODE)
class WatchesItsMemory(Replay):
    """The accuracy on the memory after each step, of the second task on."""

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        memory = self.memories[0]
        if len(memory):
            self.model.eval()
            with torch.no_grad():
                out = self.model(self.dataloader.to_float(memory.pixels), memory.heads)
            self.accuracy = (out.argmax(1) == memory.labels).float().mean()
