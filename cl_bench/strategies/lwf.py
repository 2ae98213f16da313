"""Learning without forgetting (LwF): distillation of the network as it was after the last task."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.base import Learner
from cl_bench.learner.claims import Claims
from cl_bench.learner.experiences import head_of, resident_tasks
from cl_bench.learner.forward import Forward
from cl_bench.models.heads import ABSENT, present
from cl_bench.posteriors import distillation
from cl_bench.validation import check_choice, check_not_negative, check_positive

WEIGHTINGS = ("fixed", "by_task")
NEW_CLASSES = ("excluded", "zero")
REDUCTIONS = ("sum", "mean")


class LwF(Learner):
    """The loss of task t plus a distillation of the network as it was after task t - 1, on task t's images.

    The teacher is a frozen copy in eval mode. The scenario `task` distils every earlier head; with one head
    the classes are distilled that were among the labels of earlier tasks, in both softmaxes.

    `fixed` is loss + strength sum over heads of T^2 KL: Li, Hoiem 2016. `by_task` is loss / t + (1 - 1/t)
    strength times the mean over heads: van de Ven, Tolias 2019, arXiv 1904.07734. Theirs is strength 1. Their
    code appends zeros to the teacher's answer for the new classes, which is `new_classes=zero`. As first
    published it takes the mean over classes, which is `reduction=mean`. Heads of earlier tasks are trained
    further, by distillation, as in both papers.

    Args:
        strength: of the distillation; 0 with `fixed` is fine-tuning.
        temperature: T; 2 in the papers.
        weighting: `fixed` or `by_task`.
        new_classes: of one head, in the softmaxes of teacher and student: `excluded` from both, or `zero`:
            the teacher says 0 of them, so that distillation works against them.
        reduction: over the classes of the student's softmax: `sum` is the divergence, `mean` divides it by
            their number.
    """

    stackable = True
    mixes_heads = False
    claims = Claims(
        first_task_is_finetuning=True,
        off={"strength": 0.0, "weighting": "fixed"},
        by_example=True,
        rehearses=True,
        pulls_nowhere_at_start="every",
    )
    kept = ("teacher", "known", "num_learnt")
    in_task = ("num_outputs",)

    def __init__(
        self,
        *,
        strength: float,
        temperature: float,
        weighting: str,
        new_classes: str,
        reduction: str,
        **learner: Any,
    ) -> None:
        check_not_negative(strength=strength)
        check_positive(temperature=temperature)
        check_choice("weighting", weighting, WEIGHTINGS)
        check_choice("new_classes", new_classes, NEW_CLASSES)
        check_choice("reduction", reduction, REDUCTIONS)
        super().__init__(**learner)
        self.strength, self.temperature, self.weighting = strength, temperature, weighting
        self.new_classes, self.reduction, self.precision = new_classes, reduction, learner["precision"]
        self.teacher = deepcopy(self.network).requires_grad_(False).eval()  # of the first task nobody asks it
        if weighting == "by_task" or new_classes == "zero":  # less of the loss; against the new classes
            self.claims = self.claims._replace(pulls_nowhere_at_start="")
        self.known: dict[int, Tensor] = {}  # by head: the classes of earlier tasks, bool [K] or [R, K]
        self.num_learnt = self.num_outputs = 0

    def forward(self) -> Tensor:
        if not self.is_training or not self.num_learnt:
            logits = super().forward()
            self.num_outputs = logits.shape[-1]
            return logits
        now = self._by_head(self.logits)
        teach = Forward(self.teacher, compile=False, precision=self.precision, device=self.device)
        with torch.no_grad():
            before = self._by_head(teach)
        divergences = [
            self._divergence(now[head], before[head], self._for_examples(known))
            for head, known in self.known.items()
        ]
        self.distilled = torch.stack(divergences)
        return now[self._own_head]

    def _divergence(self, student: Tensor, teacher: Tensor, known: Tensor) -> Tensor:
        if self.new_classes == "zero":
            teacher, known = present(teacher, known), torch.ones_like(known)
        divergence = distillation.divergence(student, teacher, known, temperature=self.temperature)
        if self.reduction == "sum":
            return divergence
        lowest = student.detach().amax(dim=-1, keepdim=True) + ABSENT / 2  # see `present`
        there = known & (student > lowest)  # as many for each example, whatever its seed
        return divergence * len(student) / there.sum()

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or not self.num_learnt:
            return loss
        strength = self.strength * self.num_seeds  # a mean over the examples of all seeds
        if self.weighting == "fixed":
            return loss + strength * self.distilled.sum()
        share = 1 / (self.num_learnt + 1)
        return share * loss + (1 - share) * strength * self.distilled.mean()

    def _by_head(self, network: Forward) -> dict[int, Tensor]:
        """Logits of the batch [B, K] for the present head and every head of an earlier task."""
        heads = (self._own_head, *(head for head in self.known if head != self._own_head))
        outputs = network(self.mb_x, heads).unflatten(1, (len(heads), -1))
        return dict(zip(heads, outputs.unbind(1), strict=True))

    def heads_trained(self) -> set[int]:
        is_off = self.strength == 0 and self.weighting == "fixed"
        return super().heads_trained() | (set() if is_off else self.known.keys())

    @property
    def _own_head(self) -> int:
        return 0 if self.heads is None or self.heads.num_heads == 1 else head_of(self.experience)

    def _for_examples(self, known: Tensor) -> Tensor:
        """A row for each example of the batch where each seed knows classes of its own."""
        rows = self.stack.split(known)[:, None].expand(-1, len(self.mb_x) // self.num_seeds, -1)
        return rows.flatten(0, 1)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        head = self._own_head
        known = self.join_seeds(
            [
                distillation.known_classes(task.labels, self.num_outputs).to(self.device)
                for task in resident_tasks(self.experience)
            ]
        )
        self.known[head] = self.known[head] | known if head in self.known else known
        self.teacher = deepcopy(self.network).requires_grad_(False).eval()
        self.num_learnt += 1
