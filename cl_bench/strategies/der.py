"""Dark experience replay, DER and DER++."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cl_bench.learner.batches import ResidentBatches, stacked
from cl_bench.learner.claims import Claims
from cl_bench.learner.mixed_batches import RoomBatches
from cl_bench.learner.rehearsal import Rehearsal
from cl_bench.posteriors import dark_experience
from cl_bench.validation import check_count, check_not_negative


class DER(Rehearsal):
    """The loss of the batch plus two terms on remembered examples, one of logits and one of labels.

    The first is alpha times the mean squared distance of their logits to those that the network had when it
    saw them. The second is beta times the cross-entropy of their labels. Each draws a batch of its own from
    the memory. That is a reservoir over all training batches so far, those of every epoch and of the present
    task too. Each batch is offered after its step, with the logits from before it, on the example's own head.
    Rehearsed images are augmented anew.

    Source: Buzzega et al. 2020 (DER: beta 0; DER++: both). As published a step costs two (DER) or three
    (DER++) times one of fine-tuning, so that it is not compared at equal computation; `compute_matched` does.

    Args:
        alpha: of the logits' term; 0 without it.
        beta: of the labels' term; 0 without it. With both 0 this is fine-tuning.
        buffer_batch_size: examples of each term a step, or all where the memory holds fewer.
        compute_matched: take the memory's examples out of `batch_size`, and show so many fewer of the task in
            as many steps, as replay does; false adds them to it.
    """

    stackable = True
    claims = Claims(off={"alpha": 0.0, "beta": 0.0}, rehearses=True)

    def __init__(
        self,
        *,
        alpha: float,
        beta: float,
        buffer_batch_size: int,
        compute_matched: bool,
        **rehearsal: Any,
    ) -> None:
        check_not_negative(alpha=alpha, beta=beta)
        check_count(buffer_batch_size=buffer_batch_size)
        # a batch is offered after its step, so that no offer is a whole task
        super().__init__(buffer="reservoir", memory_tasks=None, **rehearsal)
        self.alpha, self.beta, self.buffer_batch_size = alpha, beta, buffer_batch_size
        self.rehearses = alpha > 0 or beta > 0
        num_rehearsed = ((alpha > 0) + (beta > 0)) * buffer_batch_size
        if compute_matched and num_rehearsed >= self.train_mb_size:
            raise ValueError(
                f"buffer_batch_size must leave room in batch_size={self.train_mb_size} when compute_matched, "
                f"got buffer_batch_size={buffer_batch_size}"
            )
        if beta == 0 and not compute_matched:
            self.claims = self.claims._replace(pulls_nowhere_at_start="unmoved")
        self.share_left_out = num_rehearsed / self.train_mb_size if compute_matched else 0.0

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        if not self.share_left_out:
            return super().train_batches(tasks)
        return stacked(RoomBatches(task, share=self.share_left_out) for task in self.batches_by_seed(tasks))

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or not len(self.memories[0]):
            return loss
        num_losses = self.num_seeds  # the sum over seeds of each one's mean
        if self.alpha > 0:
            logits, remembered = self.rehearse("logits", self.buffer_batch_size)
            loss = loss + self.alpha * num_losses * dark_experience.distillation(logits, remembered)
        if self.beta > 0:
            logits, remembered = self.rehearse("labels", self.buffer_batch_size)
            loss = loss + self.beta * num_losses * dark_experience.rehearsal(logits, remembered)
        return loss

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        batches, newest = self.dataloader, self.dataloader.newest
        rows = {
            "pixels": batches.pixels.index_select(0, newest),
            "labels": self.mb_y,
            "heads": batches.heads_of_newest(),
            "logits": self.mb_output.detach(),
        }
        for index, memory in enumerate(self.memories):
            memory.offer(**{name: rows.chunk(len(self.memories))[index] for name, rows in rows.items()})
