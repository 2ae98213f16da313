"""The same settings, from Python and at the command line: the same records, weights and names of runs."""

from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cl_bench
from cl_bench.config.compose import compose
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.python.settings import placed, word

SMALL_STREAM = ["benchmark.num_tasks=2"]
SMALL_TRAINING = ["training.epochs=1", "training.batch_size=64"]
CNN_BY_BENCHMARK = """\
defaults: [split, override dataset: digits, override /model@_global_.model: cnn]
padding: 4
"""


class Case(NamedTuple):
    """The settings of a run, in both ways of writing them."""

    words: list[str]
    benchmark: str
    strategy: str
    stream: dict[str, Any]
    settings: dict[str, Any]


CASES = {
    "tuned settings of the pair": Case(
        ["strategy.strength=30.0", "seed=3"],
        "permuted_digits", "ewc", {"seed": 3}, {"strength": 30.0},
    ),
    "a strategy that changes the model": Case(
        ["benchmark.scenario=class", "seed=1"],
        "split_digits", "bayesbinn", {"scenario": "class", "seed": 1}, {},
    ),
    "another choice of the model": Case(
        ["model=cnn", "benchmark.padding=4", "seed=2"],
        "split_digits", "si", {"padding": 4, "seed": 2}, {"model": "cnn"},
    ),
    "sampled weights": Case(
        ["benchmark.scenario=task", "model.hidden=[20]", "strategy.num_samples=2"],
        "split_digits", "vcl", {"scenario": "task"}, {"hidden": [20], "num_samples": 2},
    ),
    "without what was tuned": Case(
        ["tuned=none"], "permuted_digits", "vcl", {}, {"tuned": False},
    ),
    "a memory": Case(
        ["seed=5", "seed_for.order=7", "strategy.memory_size=20"],
        "rotated_digits", "replay", {"seed": 5, "seed_for": {"order": 7}}, {"memory_size": 20},
    ),
    "a seed of the strategy's own": Case(
        ["seed=5", "seed_for.order=2", "seed_for.init=1"],
        "permuted_digits", "finetune", {"seed": 2}, {"seed": 5, "seed_for": {"init": 1}},
    ),
    "one of Avalanche's": Case(
        ["strategy.path=avalanche.training.EWC", "+strategy.settings.ewc_lambda=10.0"],
        "split_digits", "avalanche", {}, {"path": "avalanche.training.EWC", "settings": {"ewc_lambda": 10.0}},
    ),
    "early stopping": Case(
        ["benchmark.validation_share=0.2", "training.patience=1", "training.clip_norm=0.5",
         "model.dropout=0.1"],
        "split_digits", "finetune", {"validation_share": 0.2},
        {"patience": 1, "clip_norm": 0.5, "dropout": 0.1},
    ),
    "a schedule, by dots": Case(
        ["training.schedule=cosine", "training.learning_rate=0.01", "training.optimizer=sgd"],
        "split_digits", "lwf", {},
        {"training": {"schedule": "cosine"}, "training.learning_rate": 0.01, "optimizer": "sgd"},
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.* uses settings of:UserWarning")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_python_gives_the_bits_of_the_command_line(run, case):
    epochs = 3 if "patience" in case.settings else 1
    small = [*SMALL_STREAM, *SMALL_TRAINING, f"training.epochs={epochs}"]
    frame, hashes = run([f"benchmark={case.benchmark}", f"strategy={case.strategy}", *small, *case.words])
    stream = cl_bench.stream(case.benchmark, num_tasks=2, **case.stream)
    strategy = cl_bench.strategy(case.strategy, stream, epochs=epochs, batch_size=64, **case.settings)
    records = cl_bench.train(strategy, stream)
    pd.testing.assert_frame_equal(records.drop(columns="study"), frame)
    assert weights_sha256(strategy) == hashes


def test_a_benchmark_of_a_folder_may_change_the_model(run, tmp_path):
    (tmp_path / "mine" / "benchmark").mkdir(parents=True)
    (tmp_path / "mine" / "benchmark" / "as_pictures.yaml").write_text(CNN_BY_BENCHMARK)
    stream = cl_bench.stream("as_pictures", num_tasks=2, config_dir=tmp_path / "mine")
    strategy = cl_bench.strategy("ewc", stream, epochs=1)
    assert strategy.composed.config.model.name == "cnn"
    records = cl_bench.train(strategy, stream)
    words = ["benchmark=split_digits", "benchmark.padding=4", "model=cnn", "tuned=none"]
    frame, _ = run([*words, *SMALL_STREAM, "strategy=ewc", "training.epochs=1"])
    measured = ["seed", "after_task", "on_task", "accuracy", "nll"]
    pd.testing.assert_frame_equal(records[measured], frame[measured])


@pytest.mark.filterwarnings("ignore:.* uses settings of:UserWarning")
@pytest.mark.parametrize("strategy", ["ewc", "vcl"])
def test_stacked_seeds_give_what_each_gives_alone_and_the_bits_of_the_command_line(run, strategy):
    stream = cl_bench.stream("permuted_digits", num_tasks=2, seeds=[3, 4])
    both = cl_bench.strategy(strategy, stream, epochs=1, batch_size=64)
    records = cl_bench.train(both, stream).drop(columns="study")
    words = ["benchmark=permuted_digits", f"strategy={strategy}", *SMALL_STREAM, *SMALL_TRAINING]
    alone = pd.concat([run([*words, f"seed={seed}"])[0] for seed in (3, 4)], ignore_index=True)
    # products of stacked matrices are rounded otherwise on some processors: one of 360 answers may change
    pd.testing.assert_frame_equal(records, alone, rtol=1e-3, atol=3e-3)
    frame, hashes = run([*words, "seeds=[3,4]", "training.stacked=true", "resume=false"])
    pd.testing.assert_frame_equal(records, frame)
    assert weights_sha256(both) == hashes


@pytest.mark.filterwarnings("ignore:.* uses settings of:UserWarning")
def test_several_seeds_may_share_the_order_of_a_stream(run):
    stream = cl_bench.stream("permuted_digits", num_tasks=2, seed=9)
    strategy = cl_bench.strategy("ewc", stream, seeds=[3, 4], epochs=1, batch_size=64)
    records = cl_bench.train(strategy, stream)
    words = ["benchmark=permuted_digits", "strategy=ewc", *SMALL_STREAM, *SMALL_TRAINING]
    frame, _ = run([*words, "seed=4", "seed_for.order=9"])
    mine = records[records["seed"] == 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine.drop(columns="study"), frame)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0$~"), max_size=12)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=VALUES | st.lists(VALUES, max_size=3))
def test_any_value_is_read_as_it_was_given(value):
    found = compose([word("training.schedule", value)]).training.schedule
    assert (list(found) if isinstance(value, list) else found) == value
    assert isinstance(found, type(value)) or isinstance(value, list)


def test_numbers_of_numpy_and_ranges_are_settings():
    import numpy as np

    config = compose([])
    words = placed(config, {"epochs": np.int64(3), "hidden": range(2, 4), "learning_rate": np.float32(0.5)},
                   ("training", "model"))  # fmt: skip
    assert words == ["training.epochs=3", "model.hidden=[2,3]", "training.learning_rate=0.5"]
