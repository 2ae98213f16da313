"""Seeds that are trained at once have the records that each of them has alone."""

import json
import math
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from omegaconf import DictConfig
from strategy_variants import DENSE

import cl_bench
from cl_bench import records
from cl_bench.config.build import build_strategy, build_stream
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import Seeds
from cl_bench.records.rows import CalibrationBin, Record, State
from cl_bench.runner.run import execute
from cl_bench.streams.stacked import stack_streams

# Batched and single products add the same terms in another order. In double precision that stays at 1e-15.
# In single precision a difference of 1e-7 crosses the kink of some ReLU sooner or later, and BayesBiNN on
# convolutions with batch norm then ends at other accuracies: there, methods with smooth steps are compared,
# for two steps a task.
DOUBLE_TOLERANCE, SINGLE_TOLERANCE = 1e-11, 1e-6  # nats; accuracies have none
SEEDS = (0, 1, 2)
SMALL = (
    "seeds=[0,1,2]",
    "training.device=cpu",
    "training.epochs=2",
    "training.batch_size=100",  # the last batch of an epoch is smaller
    "training.learning_rate=0.003",
    "benchmark.num_tasks=2",
    "model.hidden=[40]",  # of few binary weights two classes often have the same logit: rounding decides
)
PROBLEMS = {
    "one head per task": ("benchmark=split_digits",),
    "one head": ("benchmark=permuted_digits", "benchmark.num_train=250", "training.schedule=cosine"),
    "crops and batch norm": (
        "benchmark=split_digits",
        "benchmark.augmentation=crop",
        "training.epochs=1",
        "model=cnn",
        "model.channels=[4,4]",
        "model.hidden=40",
        "model.normalisation=batch",
    ),
}
VARIANTS = {
    "bayesbinn_momentum": ("strategy=bayesbinn", "strategy.num_samples=2", "strategy.momentum=0.5"),
    "ewc_online_sampled": ("strategy=ewc", "strategy.mode=online", "strategy.fisher_estimator=sampled"),
    "function_prior_random": ("strategy=function_prior", "strategy.selection=random"),
    "joint_without_restart": ("strategy=joint", "strategy.restart=false"),
    "vcl_restart": ("strategy=vcl", "strategy.restart=true"),
}


def stackable() -> dict[str, tuple[str, ...]]:
    """The strategies of conf/ whose class says that it can train several seeds at once."""
    import cl_bench.strategies

    names = {name: compose([f"strategy={name}"]).strategy._target_ for name in choices("strategy")}
    classes = {name: getattr(cl_bench.strategies, path.rpartition(".")[2]) for name, path in names.items()}
    return {name: (f"strategy={name}",) for name, cls in classes.items() if vars(cls).get("stackable")}


STACKABLE = stackable()


class Outcome(NamedTuple):
    """What a seed leaves."""

    folder: Path
    records: list[Record]
    states: list[State]
    bins: list[CalibrationBin]
    about: dict[str, Any]


@cache
def composed(*overrides: str) -> DictConfig:
    return compose(overrides)


def outcomes(results: Path, *overrides: str, **training: Any) -> list[Outcome]:
    """Of every seed."""
    config = composed(*SMALL, *overrides).copy()
    config.results_dir = str(results)
    config.training.update(training)
    if "num_test_samples" in config.strategy:
        config.strategy.num_test_samples = 4  # thirds lie on edges of the calibration bins: rounding decides
    return [
        Outcome(
            folder,
            *(records.read(folder / records.FILES[kind], kind) for kind in (Record, State, CalibrationBin)),
            json.loads((folder / "run.json").read_text()),
        )
        for folder in execute(config, show_progress=False)
    ]


def check_equal(at_once: list[Outcome], one_by_one: list[Outcome], tolerance: float) -> None:
    for seed, together, alone in zip(SEEDS, at_once, one_by_one, strict=True):
        assert together.about["trained_at_once_with_seeds"] == list(SEEDS)
        assert "trained_at_once_with_seeds" not in alone.about
        assert together.folder.name == alone.folder.name
        assert len(together.records) == len(alone.records) == 6
        for found, expected in zip(together.records, alone.records, strict=True):
            assert found[:4] == expected[:4]
            assert found.seed == seed
            assert found == pytest.approx(expected, rel=0, abs=tolerance, nan_ok=True)
        for state, expected in zip(together.states, alone.states, strict=True):
            timeless = {"training_seconds": 0.0, "drift": 0.0}
            assert state._replace(**timeless) == pytest.approx(
                expected._replace(**timeless), rel=0, abs=1e-6, nan_ok=True
            )
            assert state.drift == pytest.approx(expected.drift, rel=1e-4, nan_ok=True)
        assert [state.after_task for state in together.states] == [0, 1, 2]
        assert {(each.after_task, each.on_task) for each in together.bins} == {
            (record.after_task, record.on_task) for record in together.records
        }
    for runs in (at_once, one_by_one):
        assert len({run.about["weights_sha256"] for run in runs}) == len(SEEDS)
        for test in zip(*(run.records for run in runs), strict=True):
            losses = {record.nll for record in test}
            assert len(losses) == len(SEEDS) or knows_nothing(losses), "every seed has numbers of its own"


def knows_nothing(losses: set[float]) -> bool:
    """Whether all classes are alike, as an output layer without data has them in closed form."""
    (loss, *others) = losses
    return not others and any(loss == pytest.approx(math.log(classes)) for classes in (2, 5, 10))


@pytest.fixture(autouse=True)
def _as_before(process_as_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones


def test_every_strategy_of_the_suite_but_avalanches_own_can_be_stacked():
    assert list(STACKABLE) == [name for name in choices("strategy") if name != "avalanche"]


@pytest.mark.parametrize("strategy", STACKABLE)
def test_seeds_that_are_not_trained_yet_are_those_alone_bit_for_bit(strategy):
    config = composed(*SMALL, f"strategy={strategy}", *PROBLEMS["one head per task"])
    seeds = [Seeds(seed) for seed in SEEDS]
    streams = [build_stream(config, each)[0] for each in seeds]
    at_once = build_strategy(config, stack_streams(streams), seeds)
    alone = [build_strategy(config, stream, each) for stream, each in zip(streams, seeds, strict=True)]
    hashes = weights_sha256(at_once)
    assert hashes == [sha256 for each in alone for sha256 in weights_sha256(each)]
    assert len(set(hashes)) == len(SEEDS)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("strategy", "problem"),
    [
        *(
            each
            for each in product(STACKABLE, PROBLEMS)
            if each not in product(DENSE, ["crops and batch norm"])
        ),
        *product(VARIANTS, ["one head per task"]),
    ],
)
def test_at_once_and_one_by_one_give_the_same_records(tmp_path, strategy, problem):
    overrides = (*(STACKABLE | VARIANTS)[strategy], *PROBLEMS[problem])
    at_once = outcomes(tmp_path / "at once", *overrides, stacked=True)
    check_equal(at_once, outcomes(tmp_path / "alone", *overrides, stacked=False), DOUBLE_TOLERANCE)


@pytest.mark.parametrize("strategy", ["ewc", "vcl"])
def test_in_single_precision_they_are_the_same_up_to_rounding(tmp_path, strategy):
    overrides = (f"strategy={strategy}", *PROBLEMS["crops and batch norm"], "training.iterations=2")
    at_once = outcomes(tmp_path / "at once", *overrides, stacked=True)
    check_equal(at_once, outcomes(tmp_path / "alone", *overrides, stacked=False), SINGLE_TOLERANCE)


def test_a_class_that_one_seed_lacks_is_active_in_no_other_by_its_fault():
    """Seeds that are trained at once share one list of classes seen."""
    few = {"num_tasks": 2, "num_train": 12, "scenario": "class"}
    streams = [cl_bench.stream("permuted_digits", seed=seed, **few) for seed in (0, 1)]
    classes = [set(stream.train[0].labels.tolist()) for stream in streams]
    assert classes[0] != classes[1]
    together = cl_bench.stream("permuted_digits", seeds=[0, 1], **few)
    small = {"epochs": 1, "hidden": [4], "tuned": False}
    strategy = cl_bench.strategy("finetune", together, active_classes="seen", **small)
    with pytest.raises(ValueError, match=r"needs the same classes .*set training\.stacked=false"):
        cl_bench.train(strategy, together)
    cl_bench.train(cl_bench.strategy("finetune", together, active_classes="all", **small), together)
    for stream, expected in zip(streams, classes, strict=True):
        alone = cl_bench.strategy("finetune", stream, active_classes="seen", **small)
        cl_bench.train(alone, stream)
        assert set(alone.heads.active.nonzero().flatten().tolist()) == expected | set(
            stream.train[1].labels.tolist()
        )
