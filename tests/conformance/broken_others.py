"""A second strategy for the questions that had one, wrong in another way."""

import time
from typing import Any

import numpy as np
import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.memory import Memory
from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import Seeds
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.strategies import EWC, BayesBiNN, Finetune, LwF, Replay
from cl_bench.testing import Claims


@breaks("finetune", caught_by="it_is_built_from_its_settings", raises=True)
class LooksForASettingThatNobodyGives(Finetune):
    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        self.rate = learner["rate"]


@breaks("finetune", caught_by="losses_are_finite")
class SaysZeroProbabilities(Finetune):
    """A softmax and a logarithm, one after the other, of large logits."""

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        return (1e6 * self.logits(images, task)).softmax(dim=-1).log()


@breaks("finetune", caught_by="the_same_seed_gives_the_same_bits")
class StepsByTheClock(Finetune):
    def backward(self) -> None:
        super().backward()
        self.flat.gradients.add_(self.flat.values.data, alpha=1e-6 * (time.perf_counter_ns() % 1000))


@breaks("finetune", caught_by="another_seed_gives_other_bits")
class StartsEveryGeneratorAtZero(Finetune):
    def draws(self, purpose: str, device: torch.device | str) -> Noise:
        return Noise([Seeds(0).generator(purpose, device) for _ in self.seeds], stacked=False)


@breaks("finetune", caught_by="testing_changes_nothing")
class StepsSmallerAfterEachTest(Finetune):
    def _after_eval_exp(self, **kwargs: Any) -> None:
        super()._after_eval_exp(**kwargs)
        self.learning_rate *= 0.9


@breaks("finetune", caught_by="global_generators_are_left_alone")
class DropsByNumpy(Finetune):
    def _before_training_iteration(self, **kwargs: Any) -> None:
        super()._before_training_iteration(**kwargs)
        self.dropped = np.random.rand() < 0.5


@breaks("ewc", caught_by="the_first_task_is_finetuning")
class WarmsUp(EWC):
    def set_step_size(self) -> None:
        super().set_step_size()
        for group in self.optimizer.param_groups:
            group["lr"] *= min(1.0, (self.steps_taken + 1) / 3)


@breaks("replay", caught_by="it_differs_from_finetuning_after_the_first_task")
class EmptiesItsMemory(Replay):
    def _before_training_exp(self, **kwargs: Any) -> None:
        self.memories = [
            Memory(each.size, buffer="reservoir", generator=each.generator) for each in self.memories
        ]
        super()._before_training_exp(**kwargs)


@breaks("lwf", caught_by="switched_off_it_is_finetuning")
class TakesZeroForNothingGiven(LwF):
    def __init__(self, *, strength: float, **lwf: Any) -> None:
        super().__init__(strength=strength or 1.0, **lwf)


@breaks("ewc", caught_by="the_gradient_is_that_of_loss_and_penalty")
class CountsAPenaltyThatDoesNotPull(EWC):
    """It is in the loss, cut from the graph."""

    def criterion(self) -> Tensor:
        loss = super().criterion()
        return loss + self.flat.values.detach().square().sum() if self.is_training else loss


@breaks("bayesbinn", caught_by="sequential_learning_ends_at_the_batch_posterior")
class PullsTowardsTheFirstPrior(BayesBiNN):
    """It carries its posterior over, and steps without it."""

    def optimizer_step(self) -> None:
        carried, self.prior = self.prior, torch.zeros_like(self.prior)
        super().optimizer_step()
        self.prior = carried


@breaks("finetune", caught_by="it_reads_no_future_task")
class CountsImagesOfTheWholeStream(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        everything = [each.dataset for each in self.experience.origin_stream]
        self.mean = torch.stack([data[0][0] for data in everything]).mean()


@breaks("finetune", caught_by="it_uses_no_hidden_task_label")
class KnowsWhichTestItIs(Finetune):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        logits = self.logits(images, task)
        return log_probabilities(logits.roll(self.experience.current_experience, dims=1))


@breaks("finetune", caught_by="it_runs_in_each_scenario_it_declares", raises=True)
class CountsClassesFromZero(Finetune):
    """As if each task had the labels of the first."""

    def criterion(self) -> Tensor:
        F.one_hot(self.mb_y, 5)
        return super().criterion()


@breaks("finetune", caught_by="it_refuses_other_scenarios")
class RefusesWithoutAReason(Finetune):
    claims = Claims(against_forgetting=False, scenarios=("task",))

    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        if self.heads is not None and self.heads.num_heads == 1:
            raise ValueError("not here")


@breaks("finetune", caught_by="it_runs_on_a_convolutional_network", raises=True)
class FlattensImages(Finetune):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        return log_probabilities(self.logits(images.flatten(1), task))


@breaks("finetune", caught_by="it_runs_on_a_convolutional_network")
class SaysThatItTakesNoConvolution(Finetune):
    claims = Finetune.claims._replace(networks=("dense", "normalised"))


@breaks("finetune", caught_by="running_statistics_move_in_steps_alone")
class SaysThatItTakesNoNormalisation(Finetune):
    claims = Finetune.claims._replace(networks=("dense", "convolutional"))


@breaks("finetune", caught_by="heads_of_other_tasks_stand_still")
class ShakesAllWeights(Finetune):
    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.flat.values.data.add_(self.noise.normal_like(self.flat.values.data), alpha=1e-3)


@breaks("finetune", caught_by="stacked_seeds_are_those_alone_or_refused")
class OneNoiseForAllSeeds(Finetune):
    stackable = True

    def backward(self) -> None:
        super().backward()
        noise = torch.randn(len(self.flat), generator=self.noise.generators[0])
        self.flat.gradients.add_(noise.to(self.flat.gradients), alpha=1e-3)
