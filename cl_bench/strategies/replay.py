"""Experience replay: old examples out of a memory in every batch."""

from collections.abc import Sequence
from typing import Any

from cl_bench.learner.batches import ResidentBatches, stacked
from cl_bench.learner.claims import Claims
from cl_bench.learner.mixed_batches import RehearsalBatches
from cl_bench.learner.rehearsal import Rehearsal
from cl_bench.validation import check_share


class Replay(Rehearsal):
    """Batches with a share of earlier tasks' examples out of a memory, from the second task on.

    It takes the gradient steps of fine-tuning, on batches of the same size, so that methods are compared at
    equal computation. An epoch is ceil(N_t / batch_size) steps, in which 1 - replay_share of the task's
    examples are shown. The next epoch continues with the others. At the end of each task all its training
    examples are offered to the memory, each once.

    Source: Ratcliff 1990. In Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual Learning", batches
    are twice as large with a memory.

    Args:
        replay_share: of each batch, in [0, 1); 0 is fine-tuning.
    """

    stackable = True
    claims = Claims(first_task_is_finetuning=True, off={"replay_share": 0.0}, rehearses=True)

    def __init__(self, *, replay_share: float, **rehearsal: Any) -> None:
        check_share(replay_share=replay_share)
        super().__init__(**rehearsal)
        self.replay_share, self.rehearses = replay_share, replay_share > 0

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        if not self.replay_share or not len(self.memories[0]):
            return super().train_batches(tasks)
        return stacked(
            RehearsalBatches(task, memory, share=self.replay_share, generator=memory.generator)
            for task, memory in zip(self.batches_by_seed(tasks), self.memories, strict=True)
        )

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.offer_task()
