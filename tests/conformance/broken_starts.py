"""What pulls at weights that have not moved."""

from copy import deepcopy
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.experiences import resident_tasks
from cl_bench.models.heads import present
from cl_bench.strategies import EWC, L2, MAS, SI, LwF

ASKED = "nothing_pulls_at_the_start_of_a_task"


@breaks("ewc", caught_by=ASKED)
class AnchoredAtItsFirstWeights(EWC):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.anchor = self.flat.values.data.clone()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.penalty = self.penalty._replace(centre=self.anchor)


@breaks("l2", caught_by=ASKED)
class AnchoredAtZero(L2):
    """Weight decay that begins with the second task."""

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if self.is_training and self.clock.train_exp_counter > 0:
            loss = loss + self.strength / 2 * sum(p.pow(2).sum() for p in self.model.parameters())
        return loss


@breaks("mas", caught_by=ASKED)
class AnchoredATaskTooEarly(MAS):
    """The weights of the task before the last, from the third task on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.solutions: list[Tensor] = []

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.solutions.append(self.flat.values.data.clone())
        self.penalty = self.penalty._replace(centre=self.solutions[max(0, len(self.solutions) - 2)])


@breaks("si", caught_by=ASKED)
class AnchorIsStoredBeforeTheTask(SI):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.start = self.flat.values.data.clone()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.penalty = self.penalty._replace(centre=self.start)


class OwnDistillation(LwF):
    """The divergence as it is written by hand; healthy if `distil` is."""

    def _divergence(self, student: Tensor, teacher: Tensor, known: Tensor) -> Tensor:
        student, teacher = (present(x, known) for x in (student, teacher))
        return self.distil(student, teacher, self.temperature)

    def distil(self, student: Tensor, teacher: Tensor, temp: float) -> Tensor:
        p, log_q = (teacher / temp).softmax(1), (student / temp).log_softmax(1)
        return temp**2 * F.kl_div(log_q, p, reduction="batchmean")


@breaks("lwf", caught_by=ASKED)
class DivergenceOfProbabilities(OwnDistillation):
    """F.kl_div without the logarithm."""

    def distil(self, student: Tensor, teacher: Tensor, temp: float) -> Tensor:
        return F.kl_div((student / temp).softmax(1), (teacher / temp).softmax(1), reduction="batchmean")


@breaks("lwf", caught_by=ASKED)
class TemperatureOfTheTeacherAlone(OwnDistillation):
    def distil(self, student: Tensor, teacher: Tensor, temp: float) -> Tensor:
        return F.kl_div(student.log_softmax(1), (teacher / temp).softmax(1), reduction="batchmean")


@breaks("lwf", caught_by=ASKED)
class DistilsHardLabels(OwnDistillation):
    """The teacher's most probable class in place of its probabilities."""

    def distil(self, student: Tensor, teacher: Tensor, temp: float) -> Tensor:
        return F.cross_entropy(student / temp, teacher.argmax(1))


@breaks("lwf", caught_by=ASKED)
class TeacherIsATaskOld(LwF):
    """The copy is made when a task begins, and used in the one after that."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.newest = deepcopy(self.network).requires_grad_(False).eval()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.teacher = self.newest


@breaks("lwf", caught_by=ASKED)
class LogitsOfOtherImages(LwF):
    """Recorded once in the order of the data, and taken in the order of the batches."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        data = resident_tasks(self.experience)[0]
        self.model.eval()
        with torch.no_grad():
            heads = (self._own_head, *self.known)
            self.recorded = self.model(data.images(self.device), heads)
        self.model.train()

    def _by_head(self, network: Any) -> dict[int, Tensor]:
        found = super()._by_head(network)
        if torch.is_grad_enabled():
            return found
        n, number = len(self.mb_x), self.clock.train_exp_iterations * self.train_mb_size
        rows = self.recorded.roll(-number, 0)[:n].unflatten(1, (len(self.known) + 1, -1))
        return dict(zip((self._own_head, *self.known), rows.unbind(1), strict=True))
