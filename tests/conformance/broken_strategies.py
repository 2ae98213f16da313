"""Strategies that are silently wrong, each in one way, and the check that must say so.

`BROKEN` has for each: the choice of conf/strategy that it breaks, and the name of the check meant for it.
"""

from typing import Any

import torch
from torch import Tensor

from cl_bench.posteriors import fisher
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.strategies import EWC, SI, VCL, Finetune, Learner, LwF, Replay
from cl_bench.testing import Claims

BROKEN: dict[type, tuple[str, str]] = {}
RAISES: set[type] = set()  # the others give a wrong answer without a word


def breaks(choice: str, *, caught_by: str, raises: bool = False) -> Any:
    """Note a class in `BROKEN`."""

    def note(cls: type) -> type:
        BROKEN[cls] = (choice, caught_by)
        if raises:
            RAISES.add(cls)
        return cls

    return note


# Beside fine-tuning


@breaks("l2", caught_by="the_first_task_is_finetuning")
class DecaysFromTheStart(Finetune):
    def __init__(self, *, strength: float, **learner: Any) -> None:
        super().__init__(**learner)

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.add_(self.flat.values.data, alpha=1e-2)


@breaks("ewc", caught_by="it_differs_from_finetuning_after_the_first_task")
class PenaltyIsZero(EWC):
    """Compares the weights with an alias of themselves."""

    def add_penalty_gradient(self) -> None:
        self.penalty = self.penalty._replace(centre=self.flat.values.data)
        super().add_penalty_gradient()


@breaks("ewc", caught_by="switched_off_it_is_finetuning")
class PenaltyWithoutItsStrength(EWC):
    @property
    def curvature(self) -> float:
        return self.strength + 1


# Gradients and what is kept


@breaks("ewc", caught_by="the_gradient_is_that_of_loss_and_penalty")
class PenaltyGradientOfTwice(EWC):
    def add_penalty_gradient(self) -> None:
        super().add_penalty_gradient()
        super().add_penalty_gradient()


@breaks("ewc", caught_by="what_it_keeps_does_not_depend_on_the_batch_size")
class ImportanceOfTheLastBatch(EWC):
    def _importance(self) -> list[Tensor]:
        def last(network: Any, batches: Any, *, generator: torch.Generator) -> Tensor:
            newest = list(batches)[-1]
            return fisher.diagonal(network, [newest], estimator="exact", generator=generator)

        return self.measure(last, batch_size=self.train_mb_size)


@breaks("ewc", caught_by="what_it_keeps_does_not_depend_on_the_batch_size")
class FisherOfBatchMeans(EWC):
    def _importance(self) -> list[Tensor]:
        def means(network: Any, batches: Any, *, generator: torch.Generator) -> Tensor:
            return fisher.of_batch_means(network, batches)

        return self.measure(means, batch_size=self.train_mb_size)


@breaks("vcl", caught_by="what_it_keeps_does_not_depend_on_the_batch_size")
class DivergenceOverTheBatch(VCL):
    """KL / B in each step in place of KL / N."""

    def make_train_dataloader(self, **kwargs: Any) -> None:
        super().make_train_dataloader(**kwargs)
        self.num_examples = self.train_mb_size


@breaks("lwf", caught_by="frozen_copies_are_in_eval_mode")
class TeacherInTrainMode(LwF):
    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.teacher.train()


# Posteriors


@breaks("vcl", caught_by="the_posterior_is_the_next_prior")
class PriorIsThePosterior(VCL):
    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.prior = self.posterior


@breaks("vcl", caught_by="the_posterior_is_the_next_prior")
class PriorIsNeverRenewed(VCL):
    def _after_training_exp(self, **kwargs: Any) -> None:
        before = self.prior
        super()._after_training_exp(**kwargs)
        self.prior = before


@breaks("vcl", caught_by="sequential_learning_ends_at_the_batch_posterior")
class LikelihoodOfHalfTheExamples(VCL):
    def make_train_dataloader(self, **kwargs: Any) -> None:
        super().make_train_dataloader(**kwargs)
        self.num_examples = self.num_examples // 2


# Secrets


@breaks("finetune", caught_by="it_reads_no_future_task")
class ReadsTheFuture(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.last = self.experience.origin_stream[-1].task_data.labels.clone()


@breaks("finetune", caught_by="it_learns_from_no_test_image")
class ReadsTestImagesInTraining(Finetune):
    def _before_eval_exp(self, **kwargs: Any) -> None:
        super()._before_eval_exp(**kwargs)
        self.tested = self.experience

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if hasattr(self, "tested"):
            self.shift = self.tested.task_data.images(torch.device("cpu")).mean()


@breaks("replay", caught_by="it_learns_from_no_test_image")
class ReplaysTestImages(Replay):
    def _after_eval_iteration(self, **kwargs: Any) -> None:
        super()._after_eval_iteration(**kwargs)
        pixels = (self.mb_x * 255).round().to(torch.uint8)
        heads = torch.full_like(self.mb_y, self.head)
        self.memories[0].offer(pixels=pixels, labels=self.mb_y, heads=heads)


@breaks("finetune", caught_by="it_uses_no_hidden_task_label")
class PredictsClassesOfTheTaskOnly(Finetune):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        of_task = torch.tensor(list(self.experience.classes_in_this_experience))
        logits = self.logits(images, task)
        favoured = torch.zeros_like(logits)
        favoured[:, of_task] = 10.0
        return log_probabilities(logits + favoured)


# Where it runs, and what it holds


@breaks("finetune", caught_by="it_runs_in_each_scenario_it_declares", raises=True)
class NeedsTaskLabelsInSecret(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.heads.num_heads == 1:
            raise KeyError("no head for this task")


@breaks("finetune", caught_by="it_refuses_other_scenarios")
class RunsWhereItSaysItDoesNot(Finetune):
    claims = Claims(against_forgetting=False, scenarios=("task",))


@breaks("finetune", caught_by="it_runs_on_a_convolutional_network", raises=True)
class TakesWeightsForMatrices(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        for parameter in self.network.parameters():
            if parameter.dim() > 1:
                _rows, _columns = parameter.shape


@breaks("finetune", caught_by="heads_of_other_tasks_stand_still")
class DecaysAllHeads(Finetune):
    def optimizer_step(self) -> None:
        super().optimizer_step()
        self.flat.values.data.mul_(0.999)


@breaks("ewc", caught_by="memory_grows_only_as_declared")
class KeepsWeightsInSecret(EWC):
    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.history = [*getattr(self, "history", []), self.flat.values.data.clone()]


@breaks("finetune", caught_by="memory_grows_only_as_declared")
class KeepsExperiencesInSecret(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.seen = [*getattr(self, "seen", []), self.experience]


@breaks("ewc", caught_by="memory_grows_only_as_declared")
class GrowsWithoutSayingSo(KeepsWeightsInSecret):
    def state_tensors(self) -> dict[str, Tensor]:
        kept = {f"weights_{task}": each for task, each in enumerate(getattr(self, "history", []))}
        return super().state_tensors() | kept


# What the checks must let pass: strategies that are not for every scenario, and say so


class ForKnownTasks(Learner):
    """Fine-tuning where the task is known; healthy."""

    claims = Claims(against_forgetting=False, scenarios=("task",))

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.heads is not None and self.heads.num_heads == 1:
            raise ValueError("ForKnownTasks needs the scenario task, with a head for each, got one head")


class ForOneHead(Learner):
    """Fine-tuning where there is one head; healthy."""

    claims = Claims(against_forgetting=False, first_task_is_finetuning=True, scenarios=("class", "domain"))

    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        if self.heads is not None and self.heads.num_heads > 1:
            raise ValueError("ForOneHead needs the scenario domain or class, got a head for each task")


# How it goes on


@breaks("si", caught_by="it_goes_on_bit_for_bit")
class LosesItsPathOnResume(SI):
    def state(self) -> dict[str, Any]:
        state = super().state()
        state["kept"]["share"].zero_()
        return state


@breaks("finetune", caught_by="it_goes_on_bit_for_bit")
class CountsItsTasksUndeclared(Finetune):
    num_learnt = 0

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.mul_(1 / (1 + self.num_learnt))

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.num_learnt += 1
