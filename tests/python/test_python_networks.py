"""Networks of one's own: what they are to their seeds, what is made of them, and how they are loaded."""

import json
import warnings
from functools import partial

import pytest
import torch
from own_networks import Features, OfClasses, module, small
from torch import nn

import cl_bench
from cl_bench import models
from cl_bench.analysis import load, summary
from cl_bench.evaluation.experiment import weights_sha256


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
