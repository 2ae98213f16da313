"""What a checkpoint says, compared with the run that is to continue from it: every field is checked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from cl_bench import records
from cl_bench.runner.checkpoint_file import CheckpointError

FIELDS = frozenset(
    ("after_task", "task_seconds", "rows", "versions", "made_by", "state", "wall_seconds", "cpu_seconds")
)
SECONDS = ("task_seconds", "wall_seconds", "cpu_seconds")
MOST_SECONDS = 1e10  # three hundred years
# of a strategy's state: what is of the same shapes from its first step to its last
FIXED = ("network", "generators", "global_generators", "clock")
NAMED = ("kept", "plugins")  # whose names alone are: memories grow


def check_fields(content: Mapping[str, Any], *, num_runs: int, tasks: range) -> None:
    """Check that a checkpoint says all that it must, and each field is of its kind.

    Args:
        num_runs: trained at once.
        tasks: the last one that was trained on may be any of these.

    Raises:
        CheckpointError: with what is wrong, in words that follow the file's name.
    """
    missing = sorted(FIELDS - content.keys())
    if missing:
        raise CheckpointError(f"says nothing of {', '.join(missing)}")
    after = content["after_task"]
    if type(after) is not int or after not in tasks:
        raise CheckpointError(
            f"must be of a task from {tasks.start} to {tasks.stop - 1}, got after_task={_shown(after)}"
        )
    for name in SECONDS:
        value = content[name]
        if type(value) not in (int, float) or not 0 <= value <= MOST_SECONDS:
            raise CheckpointError(f"must have a number of seconds, got {name}={_shown(value)}")
    if not _is_sizes(content["rows"], num_runs):
        raise CheckpointError(f"must have the sizes of the rows of {num_runs} runs")
    for name in ("versions", "made_by"):
        if not isinstance(content[name], dict):
            raise CheckpointError(f"must have names and values as {name}, got {_shown(content[name])}")
    if not all(type(each) is str for pair in content["versions"].items() for each in pair):
        raise CheckpointError("must have texts as versions")


def check_state(state: Any, *, like: Mapping[str, Any], after_task: int) -> None:
    """Check that a state fits the strategy.

    Args:
        like: the state of the strategy as it is now.
        after_task: tasks that it was trained on.

    Raises:
        CheckpointError: with what does not.
    """
    if not isinstance(state, dict) or state.keys() != like.keys():
        raise CheckpointError("must have the state of this strategy, got another one's")
    for name in FIXED:
        where = _difference(state[name], like[name], name)
        if where.startswith("generators."):  # a GPU's state is of another size than a processor's
            raise CheckpointError(
                "cannot be resumed from on another kind of device, which draws other random numbers: it was "
                "written on a GPU and training.device is none, or the other way round"
            )
        if where:
            raise CheckpointError(f"must have the state of this strategy, got another {where}")
    for name in NAMED:
        if not isinstance(state[name], dict) or (name == "kept" and state[name].keys() != like[name].keys()):
            raise CheckpointError(f"must have the state of this strategy, got other names in {name}")
    steps, clock = state["steps_taken"], state["clock"]
    if type(steps) is not int or any(value < 0 for value in (steps, *clock.values())):
        raise CheckpointError(f"must count steps from 0, got steps_taken={_shown(steps)} and {clock}")
    gradients = state["gradient_evaluations"]
    if type(gradients) not in (int, float) or gradients < 0 or gradients == math.inf:
        raise CheckpointError(f"must count gradients from 0, got gradient_evaluations={_shown(gradients)}")
    if clock["train_exp_counter"] != after_task or clock["train_exp_iterations"] != steps:
        raise CheckpointError(f"must be of {after_task} tasks and {steps} steps, got {clock}")


def _is_sizes(rows: Any, num_runs: int) -> bool:
    return (
        isinstance(rows, list)
        and len(rows) == num_runs
        and all(
            isinstance(each, dict)
            and each.keys() <= set(records.FILES.values())
            and all(
                isinstance(pair, list | tuple)
                and [type(part) for part in pair] == [int, str]
                and pair[0] >= 0
                for pair in each.values()
            )
            for each in rows
        )
    )


def _difference(value: Any, wanted: Any, where: str) -> str:
    """Say where two values have other shapes, kinds or names; empty where they have the same."""
    if isinstance(wanted, Tensor):
        same = isinstance(value, Tensor) and (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
        return "" if same else where
    if isinstance(wanted, Mapping):
        if not isinstance(value, Mapping) or value.keys() != wanted.keys():
            return where
        pairs: Sequence[Any] = [(value[key], wanted[key], f"{where}.{key}") for key in wanted]
    elif isinstance(wanted, list | tuple):
        # what the devices of CUDA draw stands for as many as were in use
        if where == "global_generators.cuda" and isinstance(value, list | tuple):
            return ""
        if not isinstance(value, list | tuple) or len(value) != len(wanted):
            return where
        pairs = [(*each, f"{where}[{index}]") for index, each in enumerate(zip(value, wanted, strict=True))]
    elif wanted is None or isinstance(wanted, float):  # as the second number of a pair of normal ones
        return "" if value is None or (type(value) is float and math.isfinite(value)) else where
    else:
        return "" if type(value) is type(wanted) else where
    return next((place for each in pairs if (place := _difference(*each))), "")


def _shown(value: Any) -> str:
    return repr(value)[:80] if isinstance(value, int | float | str | None) else type(value).__name__
