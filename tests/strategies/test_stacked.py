"""Seeds that are trained at once have the records that each of them has alone."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra.utils import get_class
from omegaconf import DictConfig

from cl_bench import records
from cl_bench.choices import choices
from cl_bench.records import Record
from cl_bench.running.compose import compose, config_hash, one_seed_each, run_folder
from cl_bench.running.job import execute

# batched and single products add the same float32 terms in another order; accuracies have no tolerance
NLL_TOLERANCE = 2e-6
SEEDS = (0, 1, 2)
SMALL = (
    f"seeds={list(SEEDS)}".replace(" ", ""),
    "training.device=cpu",
    "training.epochs=2",
    "training.batch_size=100",  # the last batch of an epoch is smaller
    "training.learning_rate=0.003",
    "benchmark.num_tasks=2",
    "model.hidden=[12]",
)
PROBLEMS = {
    "a head a task": ("benchmark=split_digits",),
    "one head": ("benchmark=permuted_digits", "benchmark.num_train=250", "training.schedule=cosine"),
    "crops and batch norm": (
        "benchmark=split_digits",
        "benchmark.augmentation=crop",
        "model=cnn",
        "model.channels=[4,4]",
        "model.hidden=8",
        "model.normalisation=batch",
    ),
}
SMALL_STRATEGY = {"num_test_samples": 3, "deviation_learning_rate": 0.003}  # where there is such a setting


@cache
def stackable() -> list[str]:
    """The strategies of conf/ whose class says that it can train several seeds at once."""
    classes = {name: compose([f"strategy={name}"]).strategy._target_ for name in choices("strategy")}
    return [name for name, path in classes.items() if getattr(_found(path), "stackable", False)]


def _found(path: str) -> Any:
    return None if path.endswith(".stock") else get_class(path)


class Outcome(NamedTuple):
    """What a seed leaves."""

    folder: Path
    records: list[Record]
    about: dict[str, Any]


def configured(results: Path, *overrides: str) -> DictConfig:
    config = compose([*SMALL, *overrides, f"results_dir={results}"])
    for key, value in SMALL_STRATEGY.items():
        if key in config.strategy:
            config.strategy[key] = value
    return config


def outcomes(config: DictConfig) -> list[Outcome]:
    return [
        Outcome(folder, records.read(folder / "records.csv"), json.loads((folder / "run.json").read_text()))
        for folder in execute(config, show_progress=False)
    ]


@pytest.fixture(autouse=True)
def _as_before(process_as_before: None) -> None:
    pass


def test_every_strategy_of_the_suite_but_avalanches_own_can_be_stacked():
    assert stackable() == [name for name in choices("strategy") if name != "avalanche"]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("strategy", stackable())
def test_at_once_and_one_by_one_give_the_same_records(tmp_path, strategy, problem):
    overrides = (f"strategy={strategy}", *PROBLEMS[problem])
    at_once, one_by_one = (
        outcomes(configured(tmp_path / stacked, *overrides, f"training.stacked={stacked}"))
        for stacked in ("true", "false")
    )
    for seed, together, alone in zip(SEEDS, at_once, one_by_one, strict=True):
        assert together.about["trained_at_once_with_seeds"] == list(SEEDS)
        assert "trained_at_once_with_seeds" not in alone.about
        assert together.folder.name == alone.folder.name
        assert len(together.records) == len(alone.records) == 6
        for found, expected in zip(together.records, alone.records, strict=True):
            assert found._replace(nll=0) == expected._replace(nll=0)
            assert found.seed == seed
            assert found.nll == pytest.approx(expected.nll, rel=NLL_TOLERANCE, abs=NLL_TOLERANCE)
    for runs in (at_once, one_by_one):
        assert len({run.about["weights_sha256"] for run in runs}) == len(SEEDS)
        for test in zip(*(run.records for run in runs), strict=True):
            assert len({record.nll for record in test}) == len(SEEDS), "every seed has numbers of its own"
    import os
    with open("/tmp/diffs.txt","a") as f:
        print(strategy, problem, max(abs(a.nll-b.nll) for x,y in zip(at_once,one_by_one) for a,b in zip(x.records,y.records)), file=f)
