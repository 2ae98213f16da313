"""Strategies that depend on the process they run in, or on other objects of their class."""

import os
import time
from functools import cache
from itertools import count
from typing import Any, ClassVar

import torch
from broken_strategies import breaks
from torch import Tensor

from cl_bench.strategies import EWC, Finetune

ELSEWHERE = "another_process_gives_the_same_bits"
IN_COMPANY = "objects_share_no_state"

STARTED = time.time_ns()
NUMBERS = count()
MEANS: dict[int, Tensor] = {}
SHARED = torch.Generator().manual_seed(0)


class Noisy(Finetune):
    """Adds noise to gradients, from a generator with a seed of its own."""

    def seed(self) -> int:
        return 0

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.own = torch.Generator().manual_seed(self.seed())

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.add_(torch.randn(len(self.flat), generator=self.own), alpha=1e-3)


@breaks("finetune", caught_by=ELSEWHERE)
class DrawsInTheOrderOfASet(Finetune):
    def backward(self) -> None:
        super().backward()
        parameters = dict(self.network.named_parameters())
        for name in set(parameters):
            parameters[name].grad.add_(self.noise.normal_like(parameters[name]), alpha=1e-3)


@breaks("ewc", caught_by=ELSEWHERE)
class SumsInTheOrderOfASet(EWC):
    """Clips by a norm whose last digits depend on the order."""

    def backward(self) -> None:
        super().backward()
        parameters = dict(self.network.named_parameters())
        total = torch.zeros(())
        for name in parameters.keys() | {"bias"}:
            if name in parameters:
                total = total + parameters[name].grad.norm() ** 2
        self.flat.gradients.div_(total.sqrt().clamp_min(1e-3))


@breaks("finetune", caught_by=ELSEWHERE)
class SeedsByAHash(Noisy):
    def seed(self) -> int:
        return hash(f"task {self.clock.train_exp_counter}") % 2**31


@breaks("finetune", caught_by=ELSEWHERE)
class SeedsByTheProcess(Noisy):
    def seed(self) -> int:
        return os.getpid()


@breaks("finetune", caught_by=ELSEWHERE)
class SeedsByTheTimeOfItsImport(Noisy):
    def seed(self) -> int:
        return STARTED % 2**31


@breaks("finetune", caught_by=ELSEWHERE)
class DrawsInTheOrderOfAddresses(Finetune):
    def backward(self) -> None:
        super().backward()
        for parameter in sorted(self.network.parameters(), key=lambda each: id(each) // 64 % 61):
            parameter.grad.add_(self.noise.normal_like(parameter), alpha=1e-3)


# State of the class or of the module


@breaks("finetune", caught_by=IN_COMPANY)
class RemembersOnTheClass(Finetune):
    anchors: ClassVar[list[Tensor]] = []

    def backward(self) -> None:
        super().backward()
        for anchor in self.anchors:
            self.flat.gradients.add_(self.flat.values.data - anchor, alpha=1e-2)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.anchors.append(self.flat.values.data.clone())


@breaks("finetune", caught_by=IN_COMPANY)
class RemembersInADefaultArgument(Finetune):
    def __init__(self, *, seen: dict[int, Tensor] = {}, **learner: Any) -> None:  # noqa: B006 (the fault)
        super().__init__(**learner)
        self.seen = seen

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.start = self.seen.setdefault(self.clock.train_exp_counter, self.flat.values.data.clone())

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.add_(self.flat.values.data - self.start, alpha=1e-2)


@breaks("finetune", caught_by=IN_COMPANY)
class SeedsByANumberOfTheModule(Noisy):
    def seed(self) -> int:
        return next(NUMBERS)


@breaks("finetune", caught_by=IN_COMPANY)
class KeepsMeansByTask(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        task = self.clock.train_exp_counter
        if task not in MEANS:
            MEANS[task] = self.experience.task_data.images(torch.device("cpu")).mean()
        self.scale = 1 + MEANS[task]

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.mul_(self.scale)


@cache
def importance_of(task: int, cls: type) -> list[Tensor]:
    """Of a task, once: whoever asks first fills it."""
    return []


@breaks("ewc", caught_by=IN_COMPANY)
class CachesImportanceByTask(EWC):
    def _importance(self) -> list[Tensor]:
        found = importance_of(self.clock.train_exp_counter, type(self))
        if not found:
            found.extend(super()._importance())
        return list(found)


@breaks("finetune", caught_by=IN_COMPANY)
class DrawsFromASharedGenerator(Finetune):
    def backward(self) -> None:
        super().backward()
        self.flat.gradients.add_(torch.randn(len(self.flat), generator=SHARED), alpha=1e-3)


@breaks("finetune", caught_by=IN_COMPANY)
class StartsASharedGeneratorAnew(Finetune):
    """Right while one object comes after another."""

    generator = torch.Generator()

    def __init__(self, *, seeds: Any, **learner: Any) -> None:
        super().__init__(seeds=seeds, **learner)
        self.generator.manual_seed(seeds["noise"])

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.add_(torch.randn(len(self.flat), generator=self.generator), alpha=1e-3)
