"""Do the weights move that should, and do those stay that are frozen?"""

from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.subject import Run, Subject, copied
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models import mlp
from cl_bench.models.parameters import trainable

TASKS = ("benchmark=permuted_digits", "benchmark.num_tasks=3")


def half_frozen(**settings: Any) -> nn.Module:
    """Build the perceptron of these settings, its first layer frozen at random weights."""
    network = mlp(**settings)
    first = next(module for module in network.body.modules() if isinstance(module, nn.Linear))
    first.requires_grad_(False)
    return network


HALF_FROZEN = f"model._target_={__name__}.{half_frozen.__name__}"


@check(
    "do all weights that are trained move in every task?",
    cause="an optimizer of tensors that are not the network's, a layer that was replaced or detached, or a "
    "learning rate that has become 0",
    rests_on=ONE_RUN,
)
def weights_move_in_every_task(subject: Subject) -> str:
    number = _demand_that_all_move(subject, subject.run(*TASKS))
    return f"in each of 3 tasks all {number} tensors of weights, or what they are made from, move"


def _demand_that_all_move(subject: Subject, run: Run) -> int:
    """Count the trained tensors; fail where one stands still in a task."""
    strategy = run.strategy
    with global_generators_restored(0):
        for task in range(3):
            before, kept_before = copied(trainable(strategy.model)), _made_of(subject, strategy)
            run.train(task)
            after, kept = trainable(strategy.model), _made_of(subject, strategy)
            still = [name for name in before if torch.equal(before[name], after[name])]
            if kept:
                moved = [
                    name for name in kept if name in kept_before and _moves(kept_before[name], kept[name])
                ]
                demand(bool(moved) or not still, f"in task {task + 1} nothing that makes the weights moves")
            else:
                demand(not still, f"in task {task + 1} these stand still: {', '.join(still)}")
    return len(before)


def _made_of(subject: Subject, strategy: Any) -> dict[str, Tensor]:
    """Return what the signs of binary weights come from: a few steps may turn no sign, but move that."""
    return copied(subject.kept(strategy) or {}) if getattr(strategy, "binary", False) else {}


def _moves(before: Tensor, after: Tensor) -> bool:
    return before.shape == after.shape and not torch.equal(before, after)


@check(
    "do frozen weights (requires_grad=False) stay as they are, while the others move?",
    cause="a posterior, a penalty, a decay or noise over model.parameters() in place of the flat vector, or "
    "gradients asked of every parameter",
    rests_on=(*ONE_RUN, weights_move_in_every_task),
)
def frozen_weights_stay(subject: Subject) -> str:
    run = subject.run(*TASKS, HALF_FROZEN)
    model = run.strategy.model
    frozen = {name: each for name, each in model.named_parameters() if not each.requires_grad}
    applies(bool(frozen), "its networks are not built by model._target_")
    before = copied(frozen)
    number = _demand_that_all_move(subject, run)
    after = dict(model.named_parameters())
    moved = [name for name in before if name not in after or not torch.equal(before[name], after[name])]
    demand(not moved, f"these are frozen, and move in three tasks: {', '.join(moved)}")
    return f"{len(before)} frozen tensors are equal after three tasks, {number} others move"
