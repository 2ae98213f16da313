"""Runs of a second or less, and nothing of Hydra left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from cl_bench.config.compose import compose

SMALL = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")
SMALL_SEARCH = (
    "benchmark.num_tasks=2",
    "training.epochs=1",
    "model.hidden=[8]",
    *("model.normalisation=none", "model.activation=relu", "training.schedule=constant"),
    "tune.num_seeds=1",
    "tune.num_reported=5",
)


@pytest.fixture(autouse=True)
def as_before(process_as_before: None) -> None:
    pass


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., list[str]]:
    """small("seed=1"): the overrides of a run of two tasks and one epoch, into the test's own folder."""
    return lambda *overrides: [*SMALL, f"results_dir={tmp_path}", *overrides]


@pytest.fixture
def configured(small: Callable[..., list[str]]) -> Callable[..., DictConfig]:
    """The configuration of such a run: configured("seed=1")."""
    return lambda *overrides: compose(small(*overrides))
