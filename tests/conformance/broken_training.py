"""Strategies that are wrong in how they train and in what they move."""

from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor

from cl_bench.learner.seeds import Seeds
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.strategies import EWC, MESU, VCL, Finetune, LwF

# How it trains


@breaks("finetune", caught_by="it_is_built_from_its_settings", raises=True)
class LosesSettings(Finetune):
    def __init__(self, *, model: Any, **learner: Any) -> None:
        learner.pop("seeds")
        super().__init__(model=model, **learner)


@breaks("ewc", caught_by="what_tuning_searches_is_taken")
class TakesWeakPenaltiesOnly(EWC):
    def __init__(self, *, strength: float, **ewc: Any) -> None:
        if strength > 5000:
            raise ValueError(f"strength must be at most 5000, got {strength=}")
        super().__init__(strength=strength, **ewc)


@breaks("lwf", caught_by="what_tuning_searches_is_taken")
class TakesWholeTemperatures(LwF):
    def __init__(self, *, temperature: int, **lwf: Any) -> None:
        self.table = [0.0] * int(temperature)
        if len(self.table) != temperature or temperature > 3:
            raise ValueError(f"temperature must be 1, 2 or 3, got {temperature=}")
        super().__init__(temperature=temperature, **lwf)


@breaks("finetune", caught_by="losses_are_finite", raises=True)
class DividesByZero(Finetune):
    def criterion(self) -> Tensor:
        return super().criterion() + (torch.zeros(()) / 0 if self.is_training else 0)


@breaks("finetune", caught_by="the_same_seed_gives_the_same_bits")
class DrawsFromNobodysSeed(Finetune):
    def backward(self) -> None:
        super().backward()
        generator = torch.Generator()
        generator.seed()
        noise = torch.randn(len(self.flat), generator=generator)
        self.flat.gradients.add_(noise.to(self.device, non_blocking=True), alpha=1e-3)


@breaks("finetune", caught_by="another_seed_gives_other_bits")
class IgnoresItsSeeds(Finetune):
    def __init__(self, *, seeds: Any, **learner: Any) -> None:
        super().__init__(seeds=Seeds(0), **learner)


@breaks("finetune", caught_by="testing_changes_nothing")
class LearnsRunningStatisticsInTests(Finetune):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        self.network.train()
        self.logits(images, task)
        self.network.eval()
        return super().predict(images, task)


@breaks("finetune", caught_by="the_size_of_test_batches_changes_nothing")
class TestsWithBatchStatistics(Finetune):
    __test__ = False  # pytest: no test class

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        return log_probabilities(self.logits(images - images.mean(0), task))


@breaks("vcl", caught_by="the_size_of_test_batches_changes_nothing")
class SamplesAnewForEachBatch(VCL):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        noise = self.test_noise.normal_like(self.posterior.mean)
        return super().predict(images + noise[0] / 10, task)

    def forward(self) -> Tensor:
        return self.predict(self.mb_x, self.head) if not self.is_training else super().forward()


@breaks("vcl", caught_by="global_generators_are_left_alone")
class TestsWithTheGlobalGenerator(VCL):
    __test__ = False

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        torch.randn(3)
        return super().predict(images, task)


@breaks("l2", caught_by="stacked_seeds_are_those_alone_or_refused")
class ClipsTheNormOfAllSeeds(Finetune):
    stackable = True

    def __init__(self, *, strength: float, **learner: Any) -> None:
        super().__init__(**learner)

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.div_(self.flat.gradients.norm().clamp_min(1e-3))


# What moves


@breaks("finetune", caught_by="weights_move_in_every_task")
class StopsAfterTheFirstTask(Finetune):
    """Its gradients no longer reach the optimizer: as where they are no views of the vector."""

    def optimizer_step(self) -> None:
        if self.clock.train_exp_counter == 0:
            super().optimizer_step()


@breaks("ewc", caught_by="weights_move_in_every_task")
class TrainsTheHeadsAlone(EWC):
    """Its body is cut from the loss from the third task on."""

    def backward(self) -> None:
        super().backward()
        if self.clock.train_exp_counter == 2:
            for parameter in self.network.body.parameters():
                parameter.grad = None


@breaks("mesu", caught_by="weights_move_in_every_task")
class PutsItsWeightsBack(MESU):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.before = self.posterior

    def _after_training_exp(self, **kwargs: Any) -> None:
        self.posterior = self.before
        super()._after_training_exp(**kwargs)


@breaks("finetune", caught_by="frozen_weights_stay")
class DecaysFrozenWeights(Finetune):
    def optimizer_step(self) -> None:
        super().optimizer_step()
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.mul_(0.999)


@breaks("vcl", caught_by="frozen_weights_stay")
class AddsNoiseToEveryWeight(VCL):
    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.add_(self.noise.normal_like(parameter), alpha=1e-3)


@breaks("ewc", caught_by="frozen_weights_stay", raises=True)
class AsksEveryParameterForAGradient(EWC):
    def _importance(self) -> list[Tensor]:
        def squared(network: Any, batches: Any, *, generator: torch.Generator) -> Tensor:
            images, labels, task = next(iter(batches))
            loss = torch.nn.functional.cross_entropy(network(images, task), labels)
            return (
                torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(network.parameters()))]) ** 2
            )

        return self.measure(squared)
