"""Experience replay with asymmetric cross-entropy (ER-ACE)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cl_bench.learner.claims import Claims
from cl_bench.learner.mixed_batches import num_rehearsed
from cl_bench.posteriors import asymmetric
from cl_bench.strategies.replay import Replay
from cl_bench.validation import check_choice

CURRENT_CLASSES = ("batch", "all")


class Outputs(NamedTuple):
    """Logits of examples [R, B, K], their labels and groups, int64 [R, B]; a group is a head of a seed."""

    logits: Tensor
    labels: Tensor
    groups: Tensor


class ERACE(Replay):
    """Replay whose current examples compete with the classes of their batch, and old ones with all seen.

        loss = CE(current examples, C_batch) + CE(examples of the memory, C_seen)

    Each term is a mean over its examples. Where tasks have heads of their own, classes are those of an
    example's head. Current examples do not touch the outputs of old classes, which the memory's term alone
    tells apart from new ones. Batches and memory are those of `Replay`, at fine-tuning's computation. In the
    published method the memory's examples are added to the batch, and the memory is offered each batch.

    Source: Caccia et al. 2022; see posteriors/asymmetric.py.

    Args:
        current_classes: of the first softmax: `batch`, or `all` outputs.
        replay_share: of each batch, in [0, 1); with 0 and `all` it is fine-tuning.
    """

    stackable = True
    claims = Claims(off={"replay_share": 0.0, "current_classes": "all"}, rehearses=True)
    kept = ("seen",)

    def __init__(self, *, current_classes: str, **replay: Any) -> None:
        check_choice("current_classes", current_classes, CURRENT_CLASSES)
        super().__init__(**replay)
        self.current_classes = current_classes
        self.seen: Tensor | None = None  # classes of each head, bool [H, K] or [R, H, K]

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training:
            return loss
        outputs = self._outputs()
        seen = self._note(self._present(outputs))
        num_old = self._num_old()
        if self.current_classes == "all" and not num_old:
            return loss
        num_current = outputs.labels.shape[1] - num_old
        current, old = (
            Outputs(*parts)
            for parts in zip(*(each.split([num_current, num_old], dim=1) for each in outputs), strict=True)
        )
        classes = torch.ones_like(seen) if self.current_classes == "all" else self._present(current)
        loss = self._loss(current, classes)
        return loss + self._loss(old, seen) if num_old else loss

    def _outputs(self) -> Outputs:
        """The batch, seed by seed."""
        shape = (self.num_seeds, -1)
        labels = self.mb_y.view(shape)
        seeds = torch.arange(self.num_seeds, device=labels.device).unsqueeze(1)
        heads = self.head if self._num_heads > 1 else 0
        heads = heads.view(shape) if isinstance(heads, Tensor) else heads
        groups = (seeds * self._num_heads + heads).expand_as(labels)
        return Outputs(self.mb_output.unflatten(0, shape), labels, groups)

    @property
    def _num_heads(self) -> int:
        return 1 if self.heads is None else self.heads.num_heads

    def _num_old(self) -> int:
        """How many examples of each seed's batch are of the memory; they are its last ones."""
        if not self.rehearses or not len(self.memories[0]):
            return 0
        return num_rehearsed(len(self.mb_y) // self.num_seeds, self.replay_share)

    def _present(self, outputs: Outputs) -> Tensor:
        """The classes of each group that examples have, bool [R * H, K]."""
        return asymmetric.present(
            outputs.labels.flatten(),
            outputs.groups.flatten(),
            num_groups=self.num_seeds * self._num_heads,
            num_classes=outputs.logits.shape[-1],
        )

    def _note(self, present: Tensor) -> Tensor:
        """Add these to the classes seen, bool [R * H, K]; the memory may have a class that no batch had."""
        shape = (*self.stack.shape, self._num_heads, -1)
        seen = present if self.seen is None else present | self.seen.view(present.shape)
        self.seen = seen.view(shape)
        return seen

    def _loss(self, outputs: Outputs, classes: Tensor) -> Tensor:
        """The sum over seeds of each one's mean loss, in nats, in softmaxes over these classes of a group."""
        logits, labels, groups = (each.flatten(0, 1) for each in outputs)
        smoothing = self.training_settings.label_smoothing
        losses = asymmetric.cross_entropy(logits, labels, classes[groups], smoothing=smoothing)
        return self.num_seeds * losses.mean()
