"""Methods of the field, written as their users would: each is right, and the kit must let it pass.

`RIGHT` has the settings of each. What a method does that a question could mistake for a fault stands in its
docstring.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.batches import batches_of
from cl_bench.learner.experiences import resident_tasks
from cl_bench.learner.rehearsal import Rehearsal
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.strategies import Finetune, Learner
from cl_bench.testing import Claims

RIGHT: dict[type, tuple[str, ...]] = {}
MEMORY = ("strategy.memory_size=20", "strategy.buffer=reservoir")


def right(*settings: str) -> Any:
    """Note a class in `RIGHT`."""

    def note(cls: type) -> type:
        RIGHT[cls] = settings
        return cls

    return note


@right(*MEMORY)
class AveragedGEM(Rehearsal):
    """A-GEM (Chaudhry et al. 2019): a gradient that would raise the loss of old examples is projected."""

    claims = Claims(first_task_is_finetuning=True, rehearses=True, waits=True)

    def project_gradients(self) -> None:
        if not len(self.memories[0]):
            return
        own = self.flat.gradients.clone()
        old = self.memories[0].draw(self.train_mb_size)
        self.flat.zero_gradients()
        logits = self.logits(self.dataloader.images(old["pixels"]), old["heads"])
        F.cross_entropy(logits, old["labels"]).backward()
        reference = self.flat.gradients.clone()
        overlap = own @ reference
        if overlap < 0:
            own = own - overlap / (reference @ reference) * reference
        self.flat.gradients.copy_(own)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.offer_task()


@right()
class OrthogonalGradients(Learner):
    """OGD (Farajtabar et al. 2020), with one direction a task, in `backward`: it says `projects`."""

    kept = ("directions",)
    claims = Claims(first_task_is_finetuning=True, projects=True, grows=True, rehearses=True)

    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        self.directions: list[Tensor] = []

    def backward(self) -> None:
        super().backward()
        for direction in self.directions:
            along = self.flat.gradients @ direction
            self.flat.gradients.sub_(along * direction)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        (task,) = resident_tasks(self.experience)
        batch = batches_of([task], batch_size=50, device=self.device)
        self.network.eval()
        self.flat.zero_gradients()
        images, labels, *_, head = next(iter(batch))
        self.logits(images, head).gather(1, labels[:, None]).mean().backward()
        direction = self.flat.gradients.clone()
        for other in self.directions:
            direction -= (direction @ other) * other
        if direction.norm() > 0:
            self.directions = [*self.directions, direction / direction.norm()]
        self.flat.zero_gradients()


@right("strategy.norm=0.5")
class ClipsGradients(Finetune):
    """Fine-tuning with gradients of bounded length, which belong to no loss."""

    claims = Claims(against_forgetting=False)

    def __init__(self, *, norm: float, **learner: Any) -> None:
        super().__init__(**learner)
        self.norm = norm

    def project_gradients(self) -> None:
        self.flat.gradients.mul_((self.norm / self.flat.gradients.norm()).clamp_max(1))


@right("strategy.radius=0.05")
class SharpnessAware(Finetune):
    """SAM (Foret et al. 2021): the gradient at weights a little uphill. Its two passes are its own."""

    claims = Claims(against_forgetting=False, projects=True)

    def __init__(self, *, radius: float, **learner: Any) -> None:
        super().__init__(**learner)
        self.radius = radius

    def differentiate(self, **kwargs: Any) -> None:
        super().differentiate(**kwargs)
        here, gradient = self.flat.values.data.clone(), self.flat.gradients.clone()
        self.flat.set(here + self.radius * gradient / gradient.norm().clamp_min(1e-12))
        self.flat.zero_gradients()
        self.criterion_of(self.logits(self.mb_x, self.head)).backward()
        self.flat.set(here)

    def criterion_of(self, logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.mb_y)


@right("strategy.smoothing=0.1")
class SmoothsLabels(Finetune):
    """Label smoothing in training alone: the loss of a test is that of its labels."""

    claims = Claims(against_forgetting=False)

    def __init__(self, *, smoothing: float, **learner: Any) -> None:
        super().__init__(**learner)
        self.smoothing = smoothing

    def criterion(self) -> Tensor:
        if not self.is_training:
            return super().criterion()
        return F.cross_entropy(self.mb_output, self.mb_y, label_smoothing=self.smoothing)


@right("strategy.per_task=10")
class KeepsTheFirstOfEachTask(Learner):
    """A memory in lists of its own: the first examples of each task, shown in every step of later ones."""

    kept = ("images", "labels", "heads_of")
    claims = Claims(first_task_is_finetuning=True, rehearses=True, grows=True, off={"per_task": 0})

    def __init__(self, *, per_task: int, **learner: Any) -> None:
        super().__init__(**learner)
        self.per_task = per_task
        self.images: list[Tensor] = []
        self.labels: list[Tensor] = []
        self.heads_of: list[int] = []

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if self.is_training:
            for images, labels, head in zip(self.images, self.labels, self.heads_of, strict=True):
                loss = loss + F.cross_entropy(self.logits(images, head), labels)
        return loss

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        if not self.per_task:
            return
        (task,) = resident_tasks(self.experience)
        batches = batches_of([task], batch_size=self.per_task, device=self.device)
        images, labels, *_, head = next(iter(batches))
        self.images.append(images.clone())
        self.labels.append(labels.clone())
        self.heads_of.append(int(head))


@right("strategy.decay=0.9")
class AveragesItsWeights(Finetune):
    """Tests a moving average of the weights, and trains on with the last ones."""

    kept = ("average",)
    claims = Claims(against_forgetting=False)

    def __init__(self, *, decay: float, **learner: Any) -> None:
        super().__init__(**learner)
        self.decay = decay
        self.average = self.flat.values.data.clone()

    def optimizer_step(self) -> None:
        super().optimizer_step()
        self.average = torch.lerp(self.flat.values.data, self.average, self.decay)

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        present = self.flat.values.data.clone()
        self.flat.set(self.average)
        try:
            return super().predict(images, task)
        finally:
            self.flat.set(present)


@right("strategy.shrink=0.5")
class ShrinksBetweenTasks(Learner):
    """Shrink and perturb (Ash and Adams 2020): the body moves between tasks, with noise of the seed."""

    claims = Claims(first_task_is_finetuning=True)

    def __init__(self, *, shrink: float, **learner: Any) -> None:
        super().__init__(**learner)
        self.shrink = shrink

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        if self.clock.train_exp_counter:
            with torch.no_grad():
                for parameter in filter(lambda each: each.requires_grad, self.network.body.parameters()):
                    noise = self.noise.normal_like(parameter)
                    parameter.mul_(self.shrink).add_(noise, alpha=0.01)


@right("strategy.strength=1.0")
class DistilsItsLastSelf(Learner):
    """Outputs on the batch stay near those of the network after the last task (squared differences)."""

    kept = ("teacher", "num_learnt")
    claims = Claims(first_task_is_finetuning=True, off={"strength": 0.0})

    def __init__(self, *, strength: float, **learner: Any) -> None:
        super().__init__(**learner)
        self.strength, self.num_learnt = strength, 0
        self.teacher = deepcopy(self.network).requires_grad_(False).eval()

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or not self.num_learnt or not self.strength:
            return loss
        with torch.no_grad():
            before = self.teacher(self.mb_x, self.head)
        return loss + self.strength * (self.mb_output - before).square().mean()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.teacher = deepcopy(self.network).requires_grad_(False).eval()
        self.num_learnt += 1


@right()
class AsksItsPastSelves(Learner):
    """An ensemble of the networks after each task, whose probabilities are averaged."""

    kept = ("past",)
    claims = Claims(against_forgetting=False, first_task_is_finetuning=True, grows=True)

    def __init__(self, **learner: Any) -> None:
        super().__init__(**learner)
        self.past: list[Tensor] = []

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        present = self.flat.values.data.clone()
        predictions = []
        for weights in [*self.past, present]:
            self.flat.set(weights)
            predictions.append(log_probabilities(self.logits(images, task)))
        return torch.stack(predictions).logsumexp(0) - torch.tensor(len(predictions)).log()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.past = [*self.past, self.flat.values.data.clone()]
