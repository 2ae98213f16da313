"""Does anything that is kept hold the graph of a step?"""

import weakref
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.conformance.check import check, demand
from cl_bench.conformance.held_tensors import reachable
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.subject import THREE, Subject
from cl_bench.learner.seeds import global_generators_restored


@check(
    "does nothing that it keeps hold the graph of a step?",
    cause="logits, losses or importances that are kept, or summed over steps, without .detach(): memory "
    "grows with each step, and a later backward pass goes through old batches",
    rests_on=ONE_RUN,
)
def nothing_kept_has_a_graph(subject: Subject) -> str:
    with global_generators_restored(0):
        run = subject.run(*THREE)
        run.train(0)
        watch = _Graphs(run.strategy)
        run.strategy.plugins.insert(0, watch)
        run.train(1)
    seen = f"{watch.number} tensors that it holds on to have a graph (grad_fn)"
    demand(not watch.number, f"{seen}, such as one of shape {watch.shape}")
    sizes = watch.sizes
    grows = len(sizes) > 2 and all(one < other for one, other in pairwise(sizes))
    demand(
        not grows, f"the graph of what it holds grows with each step, from {sizes[0]} nodes to {sizes[-1]}"
    )
    return "no tensor that outlives a step, in any of its attributes, has a grad_fn"


class _Graphs(SupervisedPlugin):
    """A plugin that finds tensors that still have a graph after the last step of the second task.

    They were there before that task, or after its first step: what each step replaces is none of them.
    """

    number = 0
    shape: tuple[int, ...] = ()

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self._early = {id(each): weakref.ref(each) for each in _with_graph(strategy)}
        self._begun = False
        self.sizes: list[int] = []  # of the graph after each step, in nodes

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        now = _with_graph(strategy)
        self.sizes.append(_size(now))
        if not self._begun:
            self._begun = True
            self._early |= {id(each): weakref.ref(each) for each in now}
            return
        kept = [each for each in now if id(each) in self._early and self._early[id(each)]() is each]
        self.number = len(kept)
        self.shape = tuple(kept[0].shape) if kept else ()


def _with_graph(strategy: Any) -> list[Tensor]:
    tensors = (each for each in reachable(strategy) if isinstance(each, Tensor))
    return [each for each in tensors if each.grad_fn is not None]


def _size(tensors: Sequence[Tensor]) -> int:
    """Count the nodes that their graphs have together."""
    left, seen = [each.grad_fn for each in tensors], set[Any]()
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left.extend(after for after, _ in node.next_functions)
    return len(seen)
