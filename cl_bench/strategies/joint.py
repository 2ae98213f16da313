"""Joint training: the upper reference, which sees the data of all tasks so far."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.strategies.experiences import resident_tasks
from cl_bench.strategies.learner import Learner


class Joint(Learner):
    """At task t: training on the data of tasks 1 to t, shuffled together, with the same network and epochs.

    On somebody else's benchmark it sees the evaluation transforms, without random augmentation.

    Args:
        restart: begin each time at the initial weights (what a model trained jointly from scratch reaches),
            or go on from the present ones.
    """

    stackable = True

    def __init__(self, *, restart: bool, **learner: Any) -> None:
        super().__init__(**learner)
        self.restart = restart
        self.seen: list[Sequence[Any]] = []
        self.initial = self.flat.values.data.clone()

    def make_train_dataloader(self, **kwargs: Any) -> None:
        self.seen.append(resident_tasks(self.experience))
        self.dataloader = self.train_batches(self.seen)
        self.num_examples = self.dataloader.num_examples

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self.restart:
            self.flat.set(self.initial)
            self._reset_running_statistics()
        super()._before_training_exp(**kwargs)

    def _reset_running_statistics(self) -> None:
        for module in self.network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._NormBase):
                module.reset_running_stats()

    def state_tensors(self) -> dict[str, Tensor]:
        return {"initial": self.initial}
