"""The state of a learner as plain values, so that training is stopped and resumes bit for bit.

`state_of` and `restore_state` follow what the learner's classes declare in `kept` and `in_task`. The state is
that between two tasks, or between two steps of one.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from cl_bench.deferred import deferred
from cl_bench.learner.noise import Noise
from cl_bench.learner.packing import Stateful, pack, tensors_of, unpack
from cl_bench.learner.seed_stack import template_of
from cl_bench.learner.seeds import global_state, restore_global_state

with deferred():
    from avalanche.training.plugins import EvaluationPlugin
    from avalanche.training.plugins.clock import Clock
    from avalanche.training.templates.base_sgd import PeriodicEval

# what a state of something else, or one that somebody has changed, may raise on its way
UNFIT = (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, AssertionError)
# Avalanche's plugins that change nothing in training (the clock's counts are kept apart)
WITHOUT_STATE = (Clock, PeriodicEval, EvaluationPlugin)


def state_of(learner: Any) -> dict[str, Any]:
    """All that training depends on, as plain values (see learner/packing.py).

    Raises:
        TypeError: for an attribute or a plugin whose state nobody can tell, by name.
    """
    heads, batches = learner.heads, learner.dataloader
    stopping = learner.early_stopping
    return what_is_known(learner) | {
        "active_classes": None if heads is None else pack(heads.active, "active"),
        "early_stopping": None if stopping is None else pack(stopping, "early_stopping"),
        "steps_taken": learner.steps_taken,
        "gradient_evaluations": learner.gradient_evaluations,
        "clock": {name: value for name, value in vars(learner.clock).items() if isinstance(value, int)},
        "generators": {name: noise.state() for name, noise in _generators(learner)},
        "global_generators": global_state(),
        "plugins": {name: pack(plugin.state(), name) for name, plugin in _plugins_with_state(learner)},
        "batches": batches.state() if isinstance(batches, Stateful) else None,
    }


def what_is_known(learner: Any) -> dict[str, Any]:
    """All that steps change but random streams and counts: weights, buffers, optimizer, what is declared.

    Raises:
        TypeError: for an attribute whose state nobody can tell, by name.
    """
    names = declared(learner, "kept") + declared(learner, "in_task")
    return {
        "network": pack(template_of(learner.network), "network"),
        "optimizer": pack(learner.optimizer.state_dict(), "optimizer"),
        "kept": {name: pack(getattr(learner, name), name) for name in names},
    }


def put_knowledge_back(learner: Any, known: dict[str, Any]) -> None:
    """Let a learner know what it did when `what_is_known` was asked."""
    places = {"device": learner.device, "modules": {kind.__module__ for kind in type(learner).__mro__}}
    unpack(known["network"], present=template_of(learner.network), **places)
    learner.optimizer.load_state_dict(known["optimizer"])
    for name in declared(learner, "kept") + declared(learner, "in_task"):
        present = getattr(learner, name)
        setattr(learner, name, unpack(known["kept"][name], present=present, **places))


def restore_state(learner: Any, state: dict[str, Any]) -> None:
    """Put a learner to where one of the same settings stood.

    Raises:
        ValueError: where the state does not fit.
    """
    try:
        _restore(learner, state)
    except UNFIT as error:
        raise ValueError(
            f"the state does not fit {type(learner).__name__}, which cannot go on from it: {error!r}"
        ) from error


def _restore(learner: Any, state: dict[str, Any]) -> None:
    heads = learner.heads
    put_knowledge_back(learner, state)
    if heads is not None and state["active_classes"] is not None:
        heads.active = state["active_classes"].to(learner.device)
    if learner.early_stopping is not None:
        learner.early_stopping.restore(state["early_stopping"])
    learner.steps_taken = state["steps_taken"]
    learner.gradient_evaluations = state["gradient_evaluations"]
    learner.clock.__dict__.update(state["clock"])
    for name, noise in _generators(learner):
        noise.restore(state["generators"][name])
    for name, plugin in _plugins_with_state(learner):
        if name in state["plugins"]:
            plugin.restore(state["plugins"][name])
    restore_global_state(state["global_generators"])


def kept_tensors(learner: Any) -> dict[str, Tensor]:
    """All tensors in what the learner declares in `kept`, by dotted name."""
    found: dict[str, Tensor] = {}
    for name in declared(learner, "kept"):
        found |= tensors_of(getattr(learner, name), name)
    return found


def declared(learner: Any, what: str) -> tuple[str, ...]:
    """The names that the learner's class and its bases list in a class attribute, each once."""
    by_class = (vars(kind).get(what, ()) for kind in reversed(type(learner).__mro__))
    return tuple(dict.fromkeys(name for names in by_class for name in names))


def first_epoch(state: dict[str, Any] | None, num_epochs: int) -> int:
    """The epoch of a task, from 0, in which training resumes from a state; 0 without one.

    Raises:
        ValueError: for a state of an epoch that the task has not.
    """
    epoch = 0 if state is None else state["clock"]["train_exp_epochs"]
    if state is not None and epoch >= num_epochs:
        raise ValueError(
            f"training cannot go on from a state of epoch {epoch + 1}: the task has {num_epochs} epochs"
        )
    return epoch


def _generators(learner: Any) -> Iterator[tuple[str, Noise]]:
    """Every attribute that draws random numbers, by name."""
    yield from ((name, each) for name, each in vars(learner).items() if isinstance(each, Noise))


def _plugins_with_state(learner: Any) -> Iterator[tuple[str, Stateful]]:
    for plugin in learner.plugins:
        if isinstance(plugin, Stateful):
            yield type(plugin).__name__, plugin
        elif not (isinstance(plugin, WITHOUT_STATE) or type(plugin).__module__.startswith("cl_bench.")):
            raise TypeError(
                f"a checkpoint cannot hold the plugin {type(plugin).__name__}, whose state nobody can tell: "
                "give it the methods state() and restore(state)"
            )
