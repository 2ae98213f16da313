"""Strategies that are wrong for one head, one class or one order of examples, or in the weights of a test."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.batches import ResidentBatches, batches_of
from cl_bench.learner.experiences import head_of, resident_tasks
from cl_bench.learner.rehearsal import Rehearsal
from cl_bench.posteriors import bernoulli, quadratic_penalty
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.strategies import DER, EWC, VCL, BayesBiNN, Finetune, LwF, Replay
from cl_bench.testing import Claims


class OwnFisher(EWC):
    """The empirical Fisher information, example by example, in a loop as one writes it in plain torch."""

    def _importance(self) -> list[Tensor]:
        (task,) = resident_tasks(self.experience)
        total = torch.zeros_like(self.flat.values.data)
        batches = batches_of([task], batch_size=1, device=self.device)
        self.network.eval()
        self.flat.zero_gradients()
        for images, labels, *_, head in batches:
            F.cross_entropy(self.logits(images, self.head_for(head)), labels).backward()
            total += self.flat.gradients**2
            self.after_example()
        self.flat.zero_gradients()
        self.network.train()
        return [total / batches.num_examples]

    def head_for(self, head: Any) -> Any:
        return head

    def after_example(self) -> None:
        self.flat.zero_gradients()


@breaks("ewc", caught_by="outputs_of_every_task_are_held")
class MeasuresTheFirstHead(OwnFisher):
    """Every task's Fisher information is that of head 0."""

    def head_for(self, head: Any) -> Any:
        return 0


@breaks("ewc", caught_by="what_it_keeps_does_not_depend_on_the_batch_size")
class GradientsPileUp(OwnFisher):
    """Gradients are not set to zero between examples."""

    def after_example(self) -> None:
        pass


@breaks("lwf", caught_by="outputs_of_every_task_are_held")
class DistilsTheLastHeadAlone(LwF):
    """Right for two tasks: the third one distils the second's head, and no earlier one."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        if self._own_head > 0:
            self.known.clear()
        super()._after_training_exp(**kwargs)


@breaks("lwf", caught_by="outputs_of_every_task_are_held")
class KnowsTheLastClassesAlone(LwF):
    """The same for the classes of one head."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        self.known.pop(self._own_head, None)
        super()._after_training_exp(**kwargs)


@breaks("ewc", caught_by="nothing_pulls_at_the_start_of_a_task")
class AveragesAnchors(EWC):
    """The centre of all penalties is the plain mean of the solutions, whatever their importances."""

    number = 0
    kept = ("number",)

    def _after_training_exp(self, **kwargs: Any) -> None:
        before = self.penalty.centre
        super()._after_training_exp(**kwargs)
        self.number += 1
        centre = before + (self.flat.values.data - before) / self.number
        self.penalty = quadratic_penalty.Quadratic(centre, self.penalty.precision)


@breaks("replay", caught_by="heads_of_other_tasks_stand_still")
class ShowsTheMemoryToThePresentHead(Replay):
    """Old examples go through the head of the task in training."""

    def forward(self) -> Tensor:
        return self.logits(self.mb_x, head_of(self.experience)) if self.is_training else super().forward()


@breaks("bayesbinn", caught_by="a_test_uses_as_many_samples_as_it_says")
class TestsRelaxedWeights(BayesBiNN):
    """Tests draw what training does: weights between -1 and +1."""

    __test__ = False

    def test_draws(self) -> Any:
        def draw() -> Tensor:
            noise = bernoulli.logistic_noise(self.test_noise.uniform_like(self.posterior.natural))
            return bernoulli.relax(self.posterior.natural, noise, temperature=self.temperature)

        return draw


@breaks("vcl", caught_by="a_test_uses_as_many_samples_as_it_says")
class TakesTheVarianceForTheDeviation(VCL):
    """exp(log variance), where half of the logarithm belongs."""

    def _sampled_logits(self, mean: Tensor, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        variance = self.posterior.log_variance.exp()

        def draw() -> Tensor:
            return torch.addcmul(mean, variance, self.test_noise.normal_like(mean))

        for weights in self.test_samples.take(self.num_test_samples, draw):
            self.posterior.mean.copy_(weights)
            yield self.logits(images, task)


@breaks("finetune", caught_by="nothing_kept_has_a_graph")
class AddsUpLosses(Finetune):
    """A running sum for the log, which has the graphs of all steps."""

    total: Any = 0.0

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        self.total = self.total + self.loss


@breaks("replay", caught_by="inputs_are_images_of_the_stream")
class DrawsFromEmptyPlaces(Replay):
    """Draws from all places of the memory, those that are still black, too."""

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        (memory,) = self.memories
        if len(memory):
            memory._num_held = memory.size
        return super().train_batches(tasks)


@breaks("replay", caught_by="a_memory_holds_images_of_every_task")
class CountsTheExamplesOfThisTask(Rehearsal):
    """A reservoir that begins to count with each task, so that new examples drive out the old ones."""

    claims = Claims(first_task_is_finetuning=True, rehearses=True)
    kept = ("rows",)

    def __init__(self, *, replay_share: float, **rehearsal: Any) -> None:
        super().__init__(**rehearsal)
        self.rows: list[tuple[Tensor, Tensor, int]] = []  # pixels, label, head

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or not self.rows:
            return loss
        pixels, labels, heads = zip(*self.rows, strict=True)
        logits = self.logits(self.dataloader.images(torch.stack(pixels)), torch.tensor(heads))
        return loss + F.cross_entropy(logits, torch.stack(labels))

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        (task,) = resident_tasks(self.experience)
        for number, (pixels, label) in enumerate(zip(task.pixels(self.device), task.labels, strict=True)):
            row = pixels.clone(), label.clone(), head_of(self.experience)
            place = int(torch.randint(number + 1, (), generator=self.memories[0].generator))
            if len(self.rows) < self.memories[0].size:
                self.rows.append(row)
            elif place < len(self.rows):
                self.rows[place] = row


@breaks("der", caught_by="nothing_pulls_at_the_start_of_a_task")
class RemembersProbabilities(DER):
    """Compares logits with the softmax of remembered ones."""

    def _after_training_iteration(self, **kwargs: Any) -> None:
        self.mb_output = self.mb_output.softmax(dim=-1)
        super()._after_training_iteration(**kwargs)


@breaks("lwf", caught_by="nothing_pulls_at_the_start_of_a_task")
class AsksTheTeacherOnce(LwF):
    """The teacher's answers to the first batch of a task stand for those to every later one of its size."""

    in_task = ("answers",)
    answers: Any = None

    def _by_head(self, network: Any) -> dict[int, Tensor]:
        found = super()._by_head(network)
        if network is self.logits:
            return found
        mine = found[self._own_head]
        if self.steps_taken == 0 or self.answers[self._own_head].shape != mine.shape:
            self.answers = found
        return self.answers


@breaks("vcl", caught_by="the_posterior_is_the_next_prior")
class TakesUnusedHeadsForLearnt(VCL):
    """After a task the narrow start of heads that come later is their prior, too."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.prior = Gaussian(*(part.clone() for part in self.posterior))


@breaks("vcl", caught_by="sequential_learning_ends_at_the_batch_posterior")
class CountsTheFirstTask(VCL):
    """The divergence is divided by the first task's number of examples in every task."""

    first_number = 0
    kept = ("first_number",)

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.first_number = self.first_number or self.num_examples

    def add_kl_gradient(self, prior: Gaussian, num_examples: int, active: Tensor) -> None:
        super().add_kl_gradient(prior, self.first_number, active)

    def added_loss(self) -> Tensor:
        return super().added_loss() * self.num_examples / self.first_number


@breaks("bayesbinn", caught_by="sequential_learning_ends_at_the_batch_posterior")
class ScalesByTheBatch(BayesBiNN):
    """The likelihood of a task is that of as many examples as a batch has."""

    def _scale(self, relaxed: Tensor, noise: Tensor) -> Tensor:
        return super()._scale(relaxed, noise) * (self.num_in_batch / self.num_examples)
