"""Configurations of small runs, composed once for each set of choices."""

import importlib
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from cl_bench.config.compose import compose
from cl_bench.strategies import Learner

SMALL_STRATEGY = {
    "num_test_samples": 2,
    "coreset_size": 5,
    "coreset_epochs": 1,
    "memory_size": 20,
    "buffer_batch_size": 8,
}  # where there is such a setting
UNTUNED = "tuned=none"  # two strategies are compared with the same step size


@cache
def _composed(*choices: str) -> DictConfig:
    return compose(choices)


def where(search: Sequence[str]) -> list[str]:
    """Return the override that makes Hydra look for YAML in these folders, too."""
    return [f"hydra.searchpath=[{','.join(search)}]"] if search else []


def configured(
    overrides: Sequence[str], *, target: str | None = None, search: Sequence[str] = ()
) -> DictConfig:
    """Compose a configuration; choices that were composed before are not composed again.

    Args:
        target: a class in place of the chosen strategy's, whose settings it does not take.
    """
    if target is not None:  # whose settings are all new
        overrides = [part.removeprefix("+") if part.startswith("+strategy.") else part for part in overrides]
    first = ("strategy=", "benchmark=", "benchmark/dataset=", "model=", "+", "~")
    chosen = [part for part in overrides if part.startswith(first)]
    choices = list({part.split("=")[0]: part for part in chosen}.values())
    config = deepcopy(_composed(*choices, UNTUNED, *where(search)))
    with open_dict(config):
        if target is not None:
            config.strategy = node_of(target)
        config.merge_with_dotlist(
            [f"strategy.{key}={value}" for key, value in SMALL_STRATEGY.items() if key in config.strategy]
        )
    OmegaConf.set_struct(config.strategy, target is None)
    config.merge_with_dotlist([part for part in overrides if part not in chosen])
    return config


def node_of(target: str) -> dict[str, Any]:
    """Return the configuration of a class. Raises ValueError where there is none."""
    module, _, name = target.rpartition(".")
    try:
        target_class = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ValueError(
            f"a strategy must be a choice or package.module:Class, got {module}:{name}: {error}"
        ) from error
    if isinstance(target_class, type) and issubclass(target_class, Learner):
        return {"name": name, "_target_": target}
    return {"name": name, "_target_": "cl_bench.strategies.stock", "path": target, "settings": {}}
