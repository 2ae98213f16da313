"""Strategies that wait for a GPU in each step, or have something on the wrong side: no CPU tells of it."""

from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor

from cl_bench.strategies import EWC, VCL, Finetune, Replay

CHECK = "no_step_waits_for_the_device"


@breaks("finetune", caught_by=CHECK)
class ReadsItsLoss(Finetune):
    total = 0.0

    def backward(self) -> None:
        super().backward()
        self.total += self.loss.item()


@breaks("finetune", caught_by=CHECK)
class ClipsWhereItIsLong(Finetune):
    def project_gradients(self) -> None:
        if self.flat.gradients.norm() > 1e9:
            self.flat.gradients.div_(2)


@breaks("ewc", caught_by=CHECK)
class PullsWhereThereIsAPrecision(EWC):
    """From the second task on."""

    def add_penalty_gradient(self) -> None:
        if self.clock.train_exp_counter:
            away = self.flat.values.data - self.penalty.centre
            held = self.penalty.precision > 0
            self.flat.gradients[held] += self.curvature * self.penalty.precision[held] * away[held]


@breaks("finetune", caught_by=CHECK)
class DrawsOnTheHost(Finetune):
    def backward(self) -> None:
        super().backward()
        generator = self.batch_order.generators[0]
        self.flat.gradients.add_(torch.randn(len(self.flat), generator=generator), alpha=1e-3)


@breaks("finetune", caught_by=CHECK)
class DrawsForTheDeviceOnTheHost(Finetune):
    def backward(self) -> None:
        super().backward()
        generator, like = self.batch_order.generators[0], self.flat.gradients
        like.add_(torch.randn(like.shape, generator=generator, device=like.device), alpha=1e-3)


@breaks("replay", caught_by=CHECK)
class CopiesWeightsOfClassesInEachStep(Replay):
    def criterion(self) -> Tensor:
        weight = torch.tensor([1.0] * self.mb_output.shape[-1], device=self.device)
        return super().criterion() * weight.mean()


@breaks("vcl", caught_by=CHECK)
class LooksAtItsPredictions(VCL):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        found = super().predict(images, task)
        assert bool(found.isfinite().all())
        return found


@breaks("finetune", caught_by=CHECK)
class PrintsItsLoss(Finetune):
    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        self.line = f"loss {self.loss:.3f}"


@breaks("replay", caught_by=CHECK)
class KeepsNumbersOnTheHost(Replay):
    """Where it resumes, they come back on the device, and the next offer has them on the host."""

    def offer_task(self, **numbers: int) -> None:
        super().offer_task(**numbers, age=self.tasks_learned)
