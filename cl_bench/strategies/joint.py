"""Joint training: the upper reference, which sees the data of all tasks so far."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import heads_of
from cl_bench.learner.claims import Claims
from cl_bench.learner.experiences import resident_tasks
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.models.frozen import stays_in_eval


class Joint(Learner):
    """Training on the data of tasks 1 to t at task t, shuffled together, with the same network and epochs.

    On somebody else's benchmark it sees the evaluation transforms, without random augmentation.

    Args:
        restart: begin each time at the initial weights (what a model trained jointly from scratch reaches),
            or continue from the present ones.
    """

    may_freeze_later = False
    stackable = True
    claims = Claims(first_task_is_finetuning=True, rehearses=True, grows=True)
    kept = ("seen_bits", "initial")

    def __init__(self, *, restart: bool, **learner: Any) -> None:
        super().__init__(**learner)
        self.seen: list[Sequence[Any]] = []
        self.seen_bits = 0
        self.initial = self.flat.values.data.clone() if restart else None

    def make_train_dataloader(self, **kwargs: Any) -> None:
        self.seen.append(resident_tasks(self.experience))
        self.dataloader = self.train_batches(self.seen)
        self.num_examples = self.dataloader.num_examples
        kept = (self.dataloader.pixels, self.dataloader.labels, self.dataloader.heads)
        self.seen_bits = 8 * sum(tensor.nbytes for tensor in kept) // self.num_seeds

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self.initial is not None:
            begin_anew(self.flat, self.network, self.initial)
        super()._before_training_exp(**kwargs)

    def heads_trained(self) -> set[int]:
        return {head for parts in self.seen for part in parts for head in heads_of(part).unique().tolist()}

    def recall(self, experiences: Sequence[Any]) -> None:
        self.seen = [resident_tasks(experience) for experience in experiences]

    def kept_elsewhere_bits(self) -> int:
        """All examples of the tasks so far."""
        return self.seen_bits


def begin_anew(flat: FlatParameters, network: nn.Module, initial: Tensor) -> None:
    """Put a network back to its initial weights, with no running statistics; frozen parts keep theirs."""
    flat.set(initial)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and not stays_in_eval(module):
            module.reset_running_stats()
