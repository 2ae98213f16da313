"""What methods have in common that go through a task's data once more when they have learnt it."""

from collections.abc import Callable
from typing import TypeVar

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import batches_of

MEASURE_BATCH_SIZE = 1000  # fixed: sums round by their parts, and test_batch_size must change no weight

Result = TypeVar("Result")


class Measured(Learner):
    """Base: training on each task as in fine-tuning, and measurements of the network on the task's data."""

    may_freeze_later = False

    def measure(
        self, function: Callable[..., Result], *, batch_size: int = MEASURE_BATCH_SIZE
    ) -> list[Result]:
        """function(network, batches, generator=...) of each seed on its data of the task, in eval mode."""
        results = []
        for network, data, generator in self.each_seed():
            network.eval()
            batches = batches_of([data], batch_size=batch_size, device=self.device)
            results.append(function(network, batches, generator=generator))
            network.train()
        return results
