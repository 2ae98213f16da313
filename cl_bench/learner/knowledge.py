"""What a learner knows between two tasks, of one of its seeds, in the form of `state.state_of`.

It is all that predictions and further training depend on: network, posterior, importances, memories. What the
next task makes anew is not in it, nor are the global generators.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.learner.noise import Noise
from cl_bench.learner.packing import Stateful, pack
from cl_bench.learner.seed_stack import template_of
from cl_bench.learner.state import declared
from cl_bench.models.stacked import StackedNetwork

TEST_NOISE = "test_noise"  # the generator of tests, an attribute of a learner


def knowledge_of(learner: Any, index: int, *, test_noise: list[Tensor]) -> dict[str, Any]:
    """What one seed of a learner knows, as plain values.

    Args:
        learner: a `Learner`.
        index: of the seed, from 0.
        test_noise: the place at which each seed's generator of tests stood before the newest tests: from
            there the same weights are sampled again.

    Raises:
        TypeError: for an attribute or a plugin whose state nobody can tell, by name.
    """
    state = learner.state()
    names = declared(learner, "kept") + declared(learner, "in_task")
    seeds = len(learner.stack) if learner.stack.shape else 0
    found = {
        "network": pack(_network_of(learner.network, index), "network"),
        "active_classes": state["active_classes"],
        "steps_taken": state["steps_taken"],
        "clock": state["clock"],
        "generators": {name: [each[index]] for name, each in state["generators"].items()},
        "kept": {name: pack(_of_seed(getattr(learner, name), index, seeds), name) for name in names},
        "plugins": state["plugins"],
    }
    found["generators"][TEST_NOISE] = [test_noise[index]]
    if learner.keeps_optimizer:
        found["optimizer"] = pack(_of_seed(learner.optimizer.state_dict(), index, seeds), "optimizer")
    return found


def take_up(learner: Any, knowledge: Mapping[str, Any], experiences: Any = ()) -> None:
    """Let a new learner of the same settings know what `knowledge_of` told.

    Generators of another kind of device stay as they are.

    Args:
        experiences: all that it was trained on, in order; only their data are read.

    Raises:
        ValueError: where it does not fit.
    """
    generators = {name: noise.state() for name, noise in vars(learner).items() if isinstance(noise, Noise)}
    told = knowledge["generators"]
    for name, state in generators.items():
        if [each.shape for each in told.get(name, ())] == [each.shape for each in state]:
            generators[name] = told[name]
    learner.restore(
        learner.state() | dict(knowledge) | {"generators": generators},  # what is not told is as new
        experiences,
    )
    learner.network.eval()


def _network_of(network: nn.Module, index: int) -> nn.Module:
    return network.one(index) if isinstance(network, StackedNetwork) else template_of(network)


def _of_seed(value: Any, index: int, num_seeds: int) -> Any:
    """What a seed trained alone would have in the place of a value; 0 seeds: it was trained alone."""
    if not num_seeds:
        return value
    if isinstance(value, StackedNetwork):
        return value.one(index)
    if isinstance(value, Tensor):
        stacked = value.dim() > 0 and len(value) == num_seeds
        return value[index] if stacked else value
    if isinstance(value, list) and len(value) == num_seeds and all(map(_is_of_one, value)):
        return [value[index]]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_of_seed(part, index, num_seeds) for part in value))
    if isinstance(value, list | tuple):
        return type(value)(_of_seed(part, index, num_seeds) for part in value)
    if isinstance(value, dict):
        return {key: _of_seed(part, index, num_seeds) for key, part in value.items()}
    return value


def _is_of_one(value: Any) -> bool:
    """Whether it is one seed's: each has a memory, a generator of its own."""
    return isinstance(value, torch.Generator) or (
        isinstance(value, Stateful) and not isinstance(value, Noise)
    )
