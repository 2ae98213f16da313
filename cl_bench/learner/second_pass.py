"""A second pass through a task's data, in which a network that has learnt them is measured."""

from collections.abc import Callable
from typing import Any, TypeVar

from cl_bench.learner.batches import batches_of

MEASURE_BATCH_SIZE = 1000  # fixed: sums round by their parts, and test_batch_size must change no weight

Result = TypeVar("Result")


def measure(
    learner: Any, function: Callable[..., Result], *, batch_size: int = MEASURE_BATCH_SIZE
) -> list[Result]:
    """The results of function(network, batches, generator=...), one a seed.

    The network is in eval mode, and the batches are the seed's data of the current task in their order.
    """
    results = []
    for network, data, generator in learner.each_seed():
        network.eval()
        batches = batches_of([data], batch_size=batch_size, device=learner.device)
        results.append(function(network, batches, generator=generator))
        network.train()
    return results
