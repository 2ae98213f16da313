"""A second pass through a task's data, in which a network that has learnt them is measured."""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from cl_bench.learner.batches import Batch, ResidentBatches, batches_of, joined

MEASURE_BATCH_SIZE = 1000  # fixed: sums round by their parts, and test_batch_size must change no weight

Result = TypeVar("Result")


def measure(
    learner: Any,
    function: Callable[..., Result],
    *,
    batch_size: int = MEASURE_BATCH_SIZE,
    gradients: Callable[[int], int] | None = None,
) -> list[Result]:
    """The results of function(network, batches, generator=...), one a seed.

    The network is in eval mode, and the batches are the seed's data of the current task in their order.
    Where examples are of several heads, each batch is of one.

    Args:
        gradients: number of outputs -> the gradients that the function takes of each example. None: not
            known, and neither are the task's `gradient_evaluations` then.
    """
    results: list[Result] = []
    for network, data, generator in learner.each_seed():
        network.eval()
        batches = batches_of([data], batch_size=batch_size, device=learner.device)
        if batches.task is None:  # what is measured of single examples takes one head at a time
            batches = HeadByHead(batches)
        if not results:  # each seed takes as many
            learner.gradient_evaluations += _num_gradients(network, batches, gradients)
        results.append(function(network, batches, generator=generator))
        network.train()
    return results


def _num_gradients(network: Any, batches: ResidentBatches, gradients: Callable[[int], int] | None) -> float:
    if gradients is None:
        return math.nan
    images, _, task = next(iter(batches))
    with torch.no_grad():
        num_outputs = network(images[:1], task).shape[-1]
    return gradients(num_outputs) * batches.num_examples


class HeadByHead(ResidentBatches):
    """The examples of a task without sharp boundaries, in batches of one head each."""

    def __init__(self, task: ResidentBatches) -> None:
        order = task.heads_on_host.argsort(stable=True)
        super().__init__(**joined([task.only(order)], like=task))
        self.sizes = self.heads_on_host.bincount().tolist()

    def __iter__(self) -> Iterator[Batch]:
        start = 0
        for head, size in enumerate(self.sizes):
            for first in range(start, start + size, self.batch_size):
                images, labels, _ = self.at(slice(first, min(first + self.batch_size, start + size)))
                yield [images, labels, head]
            start += size
