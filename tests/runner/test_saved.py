"""What training.save leaves of a run, and what is loaded from it: the same network, the same predictions."""

import json

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

import cl_bench
from cl_bench import records
from cl_bench.config.build import build_stream
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, one_seed_each
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import Seeds
from cl_bench.records.rows import Record
from cl_bench.runner.load_saved import SavedWeightsError
from cl_bench.runner.run import execute
from cl_bench.runner.saved_files import read_weights
from cl_bench.runner.saved_tensors import as_bits, from_bits, put_together, taken_apart
from cl_bench.streams.benchmark import to_avalanche

BOTH = "training.save=[weights,predictions]"
SETTINGS = (
    "benchmark=split_digits",
    "benchmark.num_tasks=2",
    "benchmark.scenario=domain",
    "training.epochs=1",
)
# settings at which a strategy keeps something that it does not keep otherwise
VARIANTS = [
    ["strategy=vcl", "strategy.coreset=random", "strategy.coreset_size=20"],
    ["strategy=finetune", "training.optimizer_state=kept"],
    ["strategy=finetune", "benchmark.scenario=class", "training.active_classes=seen"],
    ["strategy=bayesbinn", "strategy.num_test_samples=5"],
    ["strategy=ewc", "benchmark.validation_share=0.2", "training.patience=1", "training.epochs=3"],
]
NOT_AT_ONCE = {"strategy.coreset=random", "training.patience=1"}
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


def of_each_class():
    """A choice of each class of strategies: variants differ in numbers."""
    first = {}
    for name, path in choices("strategy").items():
        target = yaml.safe_load(path.read_text()).get("_target_", "of the choice that it inherits")
        if name != "avalanche" and not target.startswith("of "):
            first.setdefault(target, [f"strategy={name}"])
    return [*first.values(), *(each for each in VARIANTS if not NOT_AT_ONCE & set(each))]


@pytest.mark.parametrize("settings", of_each_class(), ids=" ".join)
def test_seeds_trained_at_once_leave_each_its_own(configured, settings):
    folders = execute(configured(*settings, BOTH, "seeds=[0,1]", "training.stacked=true"))
    for folder, config in zip(folders, one_seed_each(configured(*settings, "seeds=[0,1]")), strict=True):
        strategy = cl_bench.load_strategy(folder)
        assert weights_sha256(strategy) == [about(folder)["weights_sha256"]]
        torch.testing.assert_close(  # alone and at once differ in the last digits
            answers_again(strategy, config), predictions(folder)["outputs"], rtol=1e-3, atol=1e-3
        )
    assert about(folders[0])["weights_sha256"] != about(folders[1])["weights_sha256"]


def test_binary_weights_are_bits_and_floats_are_floats(configured):
    (folder,) = execute(configured("strategy=bayesbinn", "strategy.num_test_samples=0", BOTH))
    stored, network = load_file(weights(folder)), cl_bench.load_network(folder).state_dict()
    packed = [
        name for name, each in stored.items() if name.startswith("network.") and each.dtype == torch.uint8
    ]
    assert packed
    for name in packed:
        values = network[name.removeprefix("network.")]
        assert set(values.unique().tolist()) <= {-1.0, 1.0}
        assert stored[name].numel() == -(-values.numel() // 8)


@pytest.mark.parametrize("shape", [(64,), (3, 5, 7), (100, 1), (9, 0), (), (8, 8)])
def test_bits_come_back_as_the_numbers_that_they_were(shape):
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0)).sign()
    stored, packed = as_bits({"one": tensor, "two": torch.arange(100.0)})
    assert ("one" in packed) == (tensor.numel() >= 64)
    back = from_bits(stored, packed)
    assert torch.equal(back["one"], tensor)
    assert back["one"].dtype == tensor.dtype
    assert torch.equal(back["two"], torch.arange(100.0))


def test_what_is_taken_apart_is_put_together():
    value = {"a": [torch.ones(2), (1, None, True)], 3: {"x": 0.5, "y": "text"}, "empty": []}
    told, tensors = taken_apart(value)
    assert list(tensors) == ["a.0"]
    back = put_together(json.loads(json.dumps(told)), tensors)
    assert torch.equal(back["a"].pop(0), value["a"].pop(0))
    assert back == value


def test_saving_changes_nothing_that_is_computed(configured):
    (folder,) = execute(configured("strategy=vcl"))
    before = about(folder)["weights_sha256"], records.read(folder / "records.csv")
    assert not (folder / "saved").exists()
    assert execute(configured("strategy=vcl", "training.save=[weights@each,predictions@each]")) == [folder]
    assert (about(folder)["weights_sha256"], records.read(folder / "records.csv")) == before


def test_a_user_s_own_network_is_loaded_when_it_is_trusted(configured, monkeypatch, tmp_path):
    (tmp_path / "own_saved_network.py").write_text(
        "from torch import nn\n"
        "def make(*, num_classes, **others):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = "model._target_=own_saved_network.make"
    config = compose([*SETTINGS, own, BOTH, f"results_dir={tmp_path}"])
    (folder,) = execute(config)
    with pytest.raises(ValueError, match="if you trust it call with trust=True"):
        cl_bench.load_network(folder)
    network = cl_bench.load_network(folder, trust=True)
    assert type(network).__name__ == "Sequential"
    assert network.state_dict().keys() == {"1.weight", "1.bias"}
    assert weights_sha256(cl_bench.load_strategy(folder, trust=True)) == [about(folder)["weights_sha256"]]


def test_of_avalanche_s_own_the_network_alone_is_there(configured):
    (folder,) = execute(configured("strategy=avalanche", BOTH, "benchmark.scenario=domain"))
    network = cl_bench.load_network(folder)
    stream, _ = build_stream(configured("benchmark.scenario=domain"), Seeds(0))
    with pytest.raises(SavedWeightsError, match="only the network of avalanche was saved"):
        cl_bench.load_strategy(folder)
    images = torch.stack([example[0] for example in stream.test[0]])
    expected = predictions(folder)
    first = expected["outputs"][expected["tasks"] == 1]
    torch.testing.assert_close(network(images), first, rtol=1e-5, atol=1e-5)


def test_a_loaded_network_predicts_what_a_point_estimate_predicted(configured):
    (folder,) = execute(configured("strategy=ewc", BOTH))
    network, expected = cl_bench.load_network(folder), predictions(folder)
    stream, _ = build_stream(configured("strategy=ewc"), Seeds(0))
    assert not network.training
    for task, data in enumerate(stream.test, start=1):
        images = torch.stack([example[0] for example in data])
        log_p = network(images, data.head).log_softmax(dim=1)
        torch.testing.assert_close(
            log_p, expected["outputs"][expected["tasks"] == task], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("settings", [["strategy=vcl"], VARIANTS[-1]], ids=" ".join)
def test_a_loaded_strategy_goes_on_as_the_run_would_have(configured, settings):
    """Trained on the last task from what was saved before it, it ends at the same bits."""
    config = configured(*settings, "training.save=[weights@each]")
    (folder,) = execute(config)
    strategy = cl_bench.load_strategy(folder, after_task=1)
    assert weights_sha256(strategy) != [about(folder)["weights_sha256"]]
    stream, _ = build_stream(config, Seeds(0))
    streams = to_avalanche(stream).streams
    watched = list(streams["validation"])[1:] if strategy.early_stopping else []
    strategy.train(list(streams["train"])[1], eval_streams=watched)
    assert weights_sha256(strategy) == [about(folder)["weights_sha256"]]


def test_a_file_says_what_it_is_of(configured):
    (folder,) = execute(configured("strategy=ewc", BOTH))
    told = read_weights(weights(folder)).about
    assert told | {
        "strategy": "ewc", "benchmark": "split_digits", "after_task": 2, "input_shape": [1, 8, 8],
        "num_heads": 2, "dtype": "float32", "weights_sha256": about(folder)["weights_sha256"],
        "hash": about(folder)["hash"],
    } == told  # fmt: skip
    assert told["stored_bits"] > 0
    with safe_open(weights(folder), "np") as file:
        assert any(name.startswith("network.body") for name in file.keys())  # noqa: SIM118
        assert any(name.startswith("kept.") for name in file.keys())  # noqa: SIM118


@pytest.mark.parametrize(
    "besides",
    [[], ["benchmark.scenario=class", "training.also_test=[task]"], ["training.probe_every=2"]],
    ids=str,
)
def test_predictions_are_those_of_the_records(configured, besides):
    (folder,) = execute(configured("strategy=bayesbinn", "training.save=[predictions@each]", *besides))
    for record in records.read(folder / "records.csv", Record):
        found = predictions(folder, record.after_task)
        own = found["tasks"] == record.on_task
        log_p = found["outputs"][own].double().log_softmax(dim=1)
        labels = found["labels"][own].long()
        assert np.mean((log_p.argmax(dim=1) == labels).numpy()) == record.accuracy
        nll = -log_p[torch.arange(len(labels)), labels].mean()
        assert float(nll) == pytest.approx(record.nll, rel=1e-12)
