"""Data, networks, strategies and benchmarks of one's own, and what is left of them in a folder."""

import json
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from avalanche.training import Naive
from torch import nn

import cl_bench
from cl_bench import models, streams
from cl_bench.analysis import load, summary
from cl_bench.data import DataError, ImageData, digits
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import Seeds
from cl_bench.strategies import EWC, Learner
from cl_bench.streams.benchmark import to_avalanche


def stripes(number=120, *, name="stripes", seed=0):
    """Grey images, 8x8, of which one row is white."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(8, size=number + 40)
    images = generator.random((len(labels), 8, 8)) / 2
    images[np.arange(len(labels)), labels] = 1.0
    return ImageData(
        name, images[:number], labels[:number], images[number:], labels[number:],
        class_names=tuple("abcdefgh"), source="a test",
    )  # fmt: skip


def module(outputs=10):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, outputs))


class Modest(Learner):
    """The loss minus rate times the mean entropy of predictions."""

    def __init__(self, *, rate, **learner):
        super().__init__(**learner)
        self.rate = rate

    def criterion(self):
        loss = super().criterion()
        if self.is_training:
            log_p = self.mb_output.log_softmax(dim=-1)
            loss = loss + self.rate * (log_p.exp() * log_p).sum(dim=-1).mean()
        return loss


def small(strategy, stream, **settings):
    return cl_bench.strategy(strategy, stream, epochs=1, batch_size=64, tuned=False, **settings)


# Data


def test_a_data_set_of_one_s_own_is_learnt():
    stream = cl_bench.stream("split", dataset=stripes(), num_tasks=4)
    strategy = cl_bench.strategy("finetune", stream, epochs=20, learning_rate=0.01)
    records = cl_bench.train(strategy, stream)
    assert stream.num_tasks == 4
    assert stream.input_shape == (1, 8, 8)
    assert stream.num_classes == 2
    newest = records[records["after_task"] == records["on_task"]]
    assert newest["accuracy"].min() > 0.9
    assert set(records["benchmark"]) == {"split_stripes"}


def test_other_data_are_another_run():
    names = set()
    for data in (stripes(), stripes(seed=1), stripes()):
        stream = cl_bench.stream("split", dataset=data, num_tasks=2)
        names.add(cl_bench.train(small("finetune", stream), stream)["run"].iloc[0])
    assert len(names) == 2


def test_data_that_cannot_be_read_are_refused():
    with pytest.raises(DataError, match="stripes"):
        cl_bench.stream("split", dataset=stripes()._replace(train_labels=np.full(120, 9)))
    with pytest.raises(DataError, match="must be the name of a choice"):
        cl_bench.stream("split", dataset=np.zeros((3, 8, 8)))


# Networks


def test_a_module_stays_as_it_is_and_a_copy_is_trained():
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    mine = module()
    before = [each.clone() for each in mine.parameters()]
    strategy = small("ewc", stream, model=mine)
    records = cl_bench.train(strategy, stream)
    assert all(map(torch.equal, mine.parameters(), before))
    assert isinstance(strategy.model, nn.Sequential)
    assert strategy.model is not mine
    assert not torch.equal(next(strategy.model.parameters()), before[0])
    again = small("ewc", stream, model=mine)
    assert cl_bench.train(again, stream).equals(records)
    assert weights_sha256(again) == weights_sha256(strategy)


def test_a_function_that_makes_the_network_of_a_choice_gives_its_bits():
    settings = {"hidden": [20], "normalisation": "none", "weights": "real"}
    stream = cl_bench.stream("split_digits", num_tasks=2, seed=4)
    chosen = small("ewc", stream, model="mlp", **settings)
    made = small("ewc", stream, model=partial(models.mlp, **settings))
    cl_bench.train(chosen, stream), cl_bench.train(made, stream)
    assert weights_sha256(made) == weights_sha256(chosen)


def test_every_stacked_network_of_a_module_begins_with_its_weights():
    stream = cl_bench.stream("permuted_digits", num_tasks=2, seeds=[0, 1])
    strategy = small("finetune", stream, model=module())
    first = [strategy.network.one(index).state_dict() for index in (0, 1)]
    assert all(torch.equal(first[0][name], first[1][name]) for name in first[0])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "model must be the name of a choice, a torch.nn.Module, or a class or function"),
        (lambda **about: "a network", "model must make a torch.nn.Module, got a str"),
    ],
)
def test_what_is_no_network_is_refused(model, message):
    with pytest.raises(TypeError, match=message):
        small("ewc", cl_bench.stream("permuted_digits", num_tasks=2), model=model)


def test_a_network_of_one_s_own_has_no_settings():
    with pytest.raises(ValueError, match="there is no setting hidden"):
        small("ewc", cl_bench.stream("permuted_digits", num_tasks=2), model=module(), hidden=[3])


def test_a_network_with_too_few_outputs_is_told_so():
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    with pytest.raises(ValueError, match=r"a network must give logits \[2, 10 or more\]"):
        cl_bench.train(small("finetune", stream, model=module(outputs=3)), stream)


# Strategies


def test_a_class_of_one_s_own_takes_its_settings_and_those_of_training():
    stream = cl_bench.stream("split_digits", num_tasks=2)
    plain = small("finetune", stream)
    free, bound = small(Modest, stream, rate=0.0), small(Modest, stream, rate=0.5)
    assert bound.rate == 0.5
    assert bound.train_epochs == 1
    frames = [cl_bench.train(each, stream) for each in (plain, free, bound)]
    assert frames[0]["nll"].equals(frames[1]["nll"])
    assert not frames[0]["nll"].equals(frames[2]["nll"])
    assert set(frames[2]["strategy"]) == {"Modest"}


def test_a_slip_in_a_setting_of_one_s_own_class_is_told():
    stream = cl_bench.stream("split_digits", num_tasks=2)
    with pytest.raises(ValueError, match="Did you mean rate="):
        small(Modest, stream, rat=0.5)
    with pytest.raises(TypeError, match="its path"):
        small(Naive, stream)


def test_an_instance_trains_and_has_the_seed_of_the_stream():
    stream = cl_bench.stream("permuted_digits", num_tasks=2, seed=3)
    built = small("ewc", stream, strength=1.0)
    mine = EWC(
        model=models.mlp(
            input_shape=stream.input_shape, num_classes=10, num_heads=1, hidden=[8], normalisation="none",
            weights="real",
        ),
        seeds=Seeds(3), strength=1.0, mode="separate", decay=1.0, fisher_estimator="exact", epochs=1,
        iterations=None, batch_size=64, test_batch_size=2000, optimizer="adam", optimizer_state="new",
        active_classes="all", learning_rate=1e-3, schedule="constant", device="cpu", compile=False,
        precision="float32",
    )  # fmt: skip
    records = cl_bench.train(mine, stream, name="mine")
    assert list(records.columns) == list(cl_bench.train(built, stream).columns)
    assert set(records["seed"]) == {3}
    assert set(records["strategy"]) == {"mine"}


def naive():
    model = module()
    return Naive(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
        train_mb_size=64, train_epochs=1, eval_mb_size=500, evaluator=None,
    )  # fmt: skip


def test_a_strategy_of_avalanche_s_trains_and_its_seed_decides():
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    frames = [cl_bench.train(naive(), stream, seed=seed) for seed in (0, 0, 1)]
    assert frames[0].equals(frames[1])
    assert not frames[0]["nll"].equals(frames[2]["nll"])
    assert set(frames[2]["seed"]) == {1}
    assert set(frames[2]["strategy"]) == {"Naive"}


# Streams


def own_stream():
    return streams.split(
        data=digits(), padding=0, num_tasks=2, scenario="task", class_order="fixed", pixels="unit",
        augmentation="none", validation_share=0.0, num_train=None, generator=Seeds(0).generator("order"),
    )  # fmt: skip


def test_a_stream_of_one_s_own_has_the_defaults_of_conf():
    stream = own_stream()
    strategy = cl_bench.strategy("ewc", stream, epochs=1)
    assert strategy.composed.config.strategy.strength == 1000.0  # and not what was tuned for another stream
    records = cl_bench.train(strategy, stream)
    assert set(records["benchmark"]) == {"own"}
    assert set(records["scenario"]) == {"task"}
    assert set(records["tuning"]) == {"not tuned"}


def test_a_benchmark_of_avalanche_s_is_trained_on_as_its_stream_is():
    stream = own_stream()
    ours = cl_bench.train(cl_bench.strategy("ewc", stream, epochs=1), stream)
    theirs = to_avalanche(stream)
    records = cl_bench.train(cl_bench.strategy("ewc", theirs, epochs=1), theirs)
    assert records[["nll", "accuracy"]].equals(ours[["nll", "accuracy"]])


@pytest.mark.parametrize("stream", ["split_digits", None, 3])
def test_what_is_no_stream_is_refused(stream):
    with pytest.raises(TypeError, match="a stream must be one of"):
        cl_bench.strategy("ewc", stream)


# Folders


def test_a_folder_has_runs_that_load_and_summary_read(tmp_path):
    stream = cl_bench.stream("split", dataset=stripes(), num_tasks=2, seeds=[0, 1])
    records = cl_bench.train(small("ewc", stream, model=module(4)), stream, folder=tmp_path / "mine")
    found = load(tmp_path / "mine")
    assert found[records.columns.tolist()].equals(records)
    assert set(records["study"]) == {"mine"}
    assert len(summary(found)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
    for path in (tmp_path / "mine").glob("*/run.json"):
        about = json.loads(path.read_text())
        assert about["status"] == "finished"
        assert about["arguments"] is None
        assert about["data"]
        assert not (path.parent / "checkpoint").exists()


def test_a_run_that_is_there_is_not_written_over(tmp_path):
    stream = cl_bench.stream("split_digits", num_tasks=2)
    cl_bench.train(small("ewc", stream), stream, folder=tmp_path / "mine")
    again = small("ewc", stream)
    with pytest.raises(ValueError, match="is finished already: read it"):
        cl_bench.train(again, stream, folder=tmp_path / "mine")
    assert again.clock.train_exp_counter == 0
    cl_bench.train(naive(), cl_bench.stream("permuted_digits", num_tasks=2), folder=tmp_path / "mine")
    assert len(load(tmp_path / "mine")["strategy"].unique()) == 2


def test_a_killed_run_goes_on_from_python(tmp_path):
    stream = cl_bench.stream("split_digits", num_tasks=3)
    whole = small("ewc", stream)
    expected = cl_bench.train(whole, stream)

    first, tasks = small("ewc", stream), []
    trained = first._after_training_exp

    def dies_in_the_second_task(**kwargs):
        trained(**kwargs)
        tasks.append(first.experience)
        if len(tasks) == 2:
            raise KeyboardInterrupt

    first._after_training_exp = dies_in_the_second_task
    with pytest.raises(KeyboardInterrupt):
        cl_bench.train(first, stream, folder=tmp_path / "mine")
    second = small("ewc", stream)
    records = cl_bench.train(second, stream, folder=tmp_path / "mine")
    assert records.drop(columns="study").equals(expected.drop(columns="study"))
    assert weights_sha256(second) == weights_sha256(whole)
    about = json.loads(next((tmp_path / "mine").glob("*/run.json")).read_text())
    assert about["resumed"].startswith("after task 1")


# What a network of one's own is to its seeds, and what is made of it


class Features(nn.Module):
    """Features [B, width] of grey images; it asks for nothing."""

    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Flatten(), nn.Linear(64, width))

    def forward(self, images):
        return self.stem(images).relu()


class OfClasses(nn.Module):
    """It asks for the number of classes alone."""

    def __init__(self, num_classes, width=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, num_classes))

    def forward(self, images):
        return self.layers(images)


class Needing(nn.Module):
    def __init__(self, num_classes, depth):
        super().__init__()


def test_seeds_of_modules_with_other_weights_are_of_one_method(tmp_path):
    for seed in (0, 1):
        stream = cl_bench.stream("permuted_digits", num_tasks=2, seed=seed)
        torch.manual_seed(seed)
        given = OfClasses(10)
        cl_bench.train(small("ewc", stream, model=given), stream, folder=tmp_path / "mine", progress=False)
    assert summary(load(tmp_path / "mine"))["num_seeds"].tolist() == [2]
    assert {json.loads(path.read_text())["status"] for path in tmp_path.glob("*/*/run.json")} == {"finished"}


@pytest.mark.parametrize("other", [OfClasses(10, width=7), nn.Sequential(OfClasses(10), nn.Dropout(0.5))])
def test_modules_of_another_structure_are_another_method(other):
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    parts = [small("ewc", stream, model=each).composed.config.model for each in (OfClasses(10), other)]
    assert parts[0].fingerprint != parts[1].fingerprint


def test_a_module_that_starts_several_seeds_is_told_once():
    mine = OfClasses(10)
    streams_ = [cl_bench.stream("permuted_digits", num_tasks=2, seed=seed) for seed in (0, 1, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small("ewc", streams_[0], model=mine), small("finetune", streams_[0], model=mine)
        for each in streams_:
            small("ewc", each, model=OfClasses(10)), small("ewc", each, model=OfClasses)
    with pytest.warns(
        UserWarning, match="the seeds 0, 1 start from the same weights, those of the OfClasses"
    ):
        small("ewc", streams_[1], model=mine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small("ewc", streams_[2], model=mine)
        nn.init.zeros_(mine.layers[1].weight)  # other weights are another start
        small("ewc", streams_[0], model=mine)
    at_once = cl_bench.stream("permuted_digits", num_tasks=2, seeds=[3, 4])
    with pytest.warns(UserWarning, match="the seeds 3, 4 start from the same weights"):
        small("ewc", at_once, model=OfClasses(10))


def test_a_class_gets_what_its_signature_names_and_weights_by_seed():
    firsts = []
    for seed in (0, 1):
        stream = cl_bench.stream("permuted_digits", num_tasks=2, seed=seed)
        for made in (OfClasses, partial(OfClasses, width=6), lambda num_classes: OfClasses(num_classes)):
            firsts.append(small("ewc", stream, model=made).model.layers[1].weight.detach())
    assert all(torch.equal(each, firsts[0]) for each in firsts[:3])
    assert all(torch.equal(each, firsts[3]) for each in firsts[3:])
    assert not torch.equal(firsts[0], firsts[3])


def test_a_class_that_needs_more_is_refused_in_a_sentence():
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    with pytest.raises(TypeError, match=r"model=Needing is called .*'depth'; give the rest, as in functools"):
        small("ewc", stream, model=Needing)


@pytest.mark.parametrize(
    "given", [Features, Features(), partial(Features, width=9)], ids=["class", "module", "partial"]
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_heads_and_frozen_parts_are_settings_of_any_network(given, prefix):
    stream = cl_bench.stream("split_digits", num_tasks=2)
    strategy = small("ewc", stream, model=given, **{f"{prefix}heads": True, f"{prefix}frozen": ["stem"]})
    assert strategy.heads.num_heads == 2
    assert [name for name, each in strategy.model.named_parameters() if each.requires_grad] == [
        "heads.linear.weight",
        "heads.linear.bias",
    ]
    plain = small("ewc", stream, model=given, heads=True)
    assert plain.composed.config.model.fingerprint == strategy.composed.config.model.fingerprint


def test_the_suite_s_settings_of_a_network_are_checked():
    stream = cl_bench.stream("split_digits", num_tasks=2)
    with pytest.raises(ValueError, match=r"model.heads must be true or false, got 3"):
        small("ewc", stream, model=Features, heads=3)
    with pytest.raises(ValueError, match="Did you mean heads=True"):
        small("ewc", stream, head=True)
    with pytest.raises(ValueError, match="got one that has heads already"):
        small("ewc", stream, model="mlp", heads=True)
    everything = small("ewc", stream, model=lambda **about: OfClasses(**about), gets=["num_classes"])
    assert everything.model.layers[2].out_features == 5


# Loading


@pytest.mark.parametrize(
    "given", [OfClasses, OfClasses(10), partial(OfClasses, 10)], ids=["class", "module", "partial"]
)
def test_a_run_with_a_network_from_python_is_loaded_with_it(tmp_path, given):
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    strategy = small("ewc", stream, model=given, save=["weights"])
    cl_bench.train(strategy, stream, folder=tmp_path / "mine", progress=False)
    images = stream.test[0].images("cpu")
    expected = strategy.predict(images, 0)
    network = cl_bench.load_network(tmp_path, model=given)
    learnt, loaded = strategy.model.state_dict(), network.state_dict()
    assert list(learnt) == list(loaded)
    assert all(torch.equal(learnt[name], loaded[name]) for name in learnt)
    # the last bit of a product of matrices depends on where they lie in memory
    torch.testing.assert_close(network(images).log_softmax(dim=1), expected)
    torch.testing.assert_close(cl_bench.load_strategy(tmp_path, model=given).predict(images, 0), expected)
    for load_it in (cl_bench.load_network, cl_bench.load_strategy):
        with pytest.raises(ValueError, match=r"a network of this run was given from Python.*model=\.\.\."):
            load_it(tmp_path)
        with pytest.raises(ValueError, match="do not fit"):
            load_it(tmp_path, model=partial(OfClasses, width=9))
        with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, or what makes one, got 'mlp'"):
            load_it(tmp_path, model="mlp")
