"""GDumb: a balanced memory, and a network trained from scratch on it."""

from collections.abc import Sequence
from typing import Any

from cl_bench.learner.batches import ResidentBatches, merged, stacked
from cl_bench.learner.claims import Claims
from cl_bench.learner.mixed_batches import RehearsalBatches
from cl_bench.learner.rehearsal import Rehearsal
from cl_bench.strategies.joint import begin_anew
from cl_bench.validation import check_choice

EPOCHS = ("memory", "task")


class GDumb(Rehearsal):
    """Training from the initial weights on a balanced memory alone, anew at each task.

    The task's examples are offered to the memory first.

    Source: Prabhu et al. 2020, "GDumb: A Simple Approach that Questions Our Progress in Continual Learning".
    Optimizer, step size and number of epochs are the suite's, as for every method. (Theirs: SGD with
    momentum, warm restarts of a cosine, cutmix; and their code reports the best epoch's test accuracy.) Their
    greedy sampler keeps the first examples of each class that come. Ours keeps any of them with the same
    probability, so that it works where all tasks have the same classes.

    Args:
        epoch: what one of `epochs` is. `memory` is one pass over the memory, as in the paper. `task` is as
            many steps as fine-tuning takes on the present task, in passes over the memory: equal computation.
    """

    may_freeze_later = False
    stackable = True
    claims = Claims(rehearses=True)
    kept = ("initial",)

    def __init__(self, *, epoch: str, **rehearsal: Any) -> None:
        check_choice("epoch", epoch, EPOCHS)
        super().__init__(**rehearsal)
        self.epoch = epoch
        self.initial = self.flat.values.data.clone()

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        self.offer_task()
        each = zip(self.batches_by_seed(tasks), self.memories, strict=True)
        if self.epoch == "memory":
            return stacked(merged([memory], like=task) for task, memory in each)
        return stacked(
            RehearsalBatches(task, memory, share=1, generator=memory.generator) for task, memory in each
        )

    def _before_training_exp(self, **kwargs: Any) -> None:
        begin_anew(self.flat, self.network, self.initial)
        super()._before_training_exp(**kwargs)
