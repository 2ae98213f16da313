"""Strategies that forget something when they are stopped: a name is missing in `kept` or `in_task`."""

import random
from copy import deepcopy
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.experiences import resident_tasks
from cl_bench.strategies import Finetune, Learner

FORGETS = "it_goes_on_bit_for_bit"
CPU = torch.device("cpu")


@breaks("finetune", caught_by=FORGETS)
class ForgetsImportances(Learner):
    """A penalty by names of parameters, from the second task on."""

    may_freeze_later = False

    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        self.importance: dict[str, Tensor] = {}
        self.anchor: dict[str, Tensor] = {}

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if self.is_training and self.importance:
            for name, parameter in self.network.named_parameters():
                loss = loss + (self.importance[name] * (parameter - self.anchor[name]) ** 2).sum()
        return loss

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        for name, parameter in self.network.named_parameters():
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            self.importance[name] = gradient.detach().clone() ** 2 + 1e-2
            self.anchor[name] = parameter.detach().clone()


@breaks("finetune", caught_by=FORGETS)
class ForgetsItsFirstSolution(Finetune):
    """Only the third task uses it."""

    first: Tensor | None = None

    def backward(self) -> None:
        super().backward()
        if self.clock.train_exp_counter == 2 and self.first is not None:
            self.flat.gradients.add_(self.flat.values.data - self.first, alpha=1e-2)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        if self.first is None:
            self.first = self.flat.values.data.clone()


@breaks("finetune", caught_by=FORGETS)
class CountsItsSteps(Finetune):
    """Warms up over the first 15 steps of all, which end in the second task."""

    num_done = 0

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.mul_(min(1.0, (self.num_done + 1) / 15))

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        self.num_done += 1


@breaks("finetune", caught_by=FORGETS)
class AveragesItsWeights(Finetune):
    """Ends each task at the average over its steps, which is no name in `in_task`."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.average, self.number = torch.zeros_like(self.flat.values.data), 0

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        self.number += 1
        self.average += (self.flat.values.data - self.average) / self.number

    def _after_training_exp(self, **kwargs: Any) -> None:
        self.flat.set(self.average)
        super()._after_training_exp(**kwargs)


@breaks("finetune", caught_by=FORGETS)
class ForgetsItsTeacher(Finetune):
    teacher: Any = None

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or self.teacher is None:
            return loss
        with torch.no_grad():
            target = self.teacher(self.mb_x, self.head).softmax(-1)
        return loss + F.cross_entropy(self.mb_output, target)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.teacher = deepcopy(self.network).eval()


class WithAMemory(Finetune):
    """Some images of each task, chosen by Python's random numbers; 8 of them beside each batch."""

    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        self.random = random.Random(0)
        self.images: list[Tensor] = []
        self.labels: list[Tensor] = []

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if self.is_training and self.images:
            images, labels = torch.cat(self.images), torch.cat(self.labels)
            chosen = self.random.sample(range(len(labels)), 8)
            loss = loss + F.cross_entropy(self.logits(images[chosen], self.head), labels[chosen])
        return loss

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        (task,) = resident_tasks(self.experience)
        chosen = self.random.sample(range(len(task)), 10)
        self.images.append(task.images(CPU)[chosen])
        self.labels.append(task.labels[chosen])


@breaks("finetune", caught_by=FORGETS)
class ForgetsItsMemory(WithAMemory):
    """The generator's state is restored, the lists are not."""

    kept = ("where",)

    @property
    def where(self) -> list[Any]:
        version, words, gauss = self.random.getstate()
        return [version, list(words), gauss]

    @where.setter
    def where(self, state: list[Any]) -> None:
        version, words, gauss = state
        self.random.setstate((version, tuple(words), gauss))


@breaks("finetune", caught_by=FORGETS)
class ForgetsItsRandomNumbers(WithAMemory):
    kept = ("images", "labels")


class ForgetsNothing(ForgetsItsMemory):
    kept = ("images", "labels")
