"""What training.save leaves of a run, and what is loaded from it: the same network, the same predictions."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import cl_bench
from cl_bench import records
from cl_bench.config.build import build_stream
from cl_bench.config.choices import choices
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import Seeds
from cl_bench.records.rows import Record
from cl_bench.runner.load_saved import SavedWeightsError
from cl_bench.runner.run import execute
from cl_bench.runner.saved_files import read_weights
from cl_bench.runner.saved_tensors import as_bits, from_bits, put_together, taken_apart
from cl_bench.streams.benchmark import to_avalanche

BOTH = "training.save=[weights,predictions]"
# settings at which a strategy keeps something that it does not keep otherwise
VARIANTS = [
    ["strategy=vcl", "strategy.coreset=random", "strategy.coreset_size=20"],
    ["strategy=finetune", "training.optimizer_state=kept"],
    ["strategy=finetune", "benchmark.scenario=class", "training.active_classes=seen"],
    ["strategy=bayesbinn", "strategy.num_test_samples=5"],
]
STRATEGIES = [*([f"strategy={name}"] for name in choices("strategy") if name != "avalanche"), *VARIANTS]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones


def about(folder):
    return json.loads((folder / "run.json").read_text())


def predictions(folder, after_task=2):
    return load_file(folder / "saved" / f"predictions_after_{after_task}.safetensors")


def weights(folder, after_task=2):
    return folder / "saved" / f"weights_after_{after_task}.safetensors"


def answers_again(strategy, config):
    """Log probabilities of the tests after the last task, in the order of the run."""
    stream, _ = build_stream(config, Seeds(config.seed, config.seed_for))
    outputs = []

    criterion = strategy.criterion

    def heard():
        outputs.append(strategy.mb_output.detach().clone())
        return criterion()

    strategy.criterion = heard
    strategy.eval(list(to_avalanche(stream).streams["test"]))
    return torch.cat(outputs)


@pytest.mark.parametrize("settings", STRATEGIES, ids=" ".join)
def test_a_loaded_strategy_predicts_what_it_predicted_bit_for_bit(configured, settings):
    config = configured(*settings, BOTH)
    (folder,) = execute(config)
    strategy = cl_bench.load_strategy(folder)
    assert weights_sha256(strategy) == [about(folder)["weights_sha256"]]
    torch.testing.assert_close(
        answers_again(strategy, config), predictions(folder)["outputs"], rtol=0, atol=0, equal_nan=True
    )
    assert weights_sha256(strategy) == [about(folder)["weights_sha256"]], "a test changes nothing"
    network, own = cl_bench.load_network(folder).state_dict(), strategy.model.state_dict()
    assert network.keys() == own.keys()
    assert all(torch.equal(network[name], own[name]) for name in own)


@pytest.mark.parametrize("settings", STRATEGIES, ids=" ".join)
def test_seeds_trained_at_once_leave_what_each_would_alone(configured, settings):
    if "strategy.coreset=random" in settings:
        pytest.skip("it does not stack")
    config = configured(*settings, BOTH, "seeds=[0,1]", "training.stacked=true")
    try:
        folders = execute(config)
    except ValueError as error:
        pytest.skip(str(error)[:60])  # says that it does not stack
    alone = execute(configured(*settings, BOTH, "seeds=[0,1]", "training.stacked=false", "study=alone"))
    for folder, single in zip(folders, alone, strict=True):
        assert len(about(folder)["trained_at_once_with_seeds"]) == 2
        strategy = cl_bench.load_strategy(folder)
        assert weights_sha256(strategy) == [about(folder)["weights_sha256"]]
        mine, theirs = load_file(weights(folder)), load_file(weights(single))
        assert {name: each.shape for name, each in mine.items()} == {
            name: each.shape for name, each in theirs.items()
        }
    assert about(folders[0])["weights_sha256"] != about(folders[1])["weights_sha256"]
