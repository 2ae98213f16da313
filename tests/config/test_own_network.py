"""A network by the path of its class: what it gets, what is left out, and the name of its runs."""

import pytest
import yaml
from omegaconf import OmegaConf
from small_parts import small_stream

from cl_bench.config.build import build_model
from cl_bench.config.checked import Checker, SettingError
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, config_hash, hydra_apart, loader, plain
from cl_bench.config.handed import shapes_handed, without_those_of_others
from cl_bench.config.sweep import find
from cl_bench.learner.seeds import Seeds
from cl_bench.models import Network

MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.LazyLinear(num_classes))
    def forward(self, images):
        return self.layers(images)

class Plain(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width))
    def forward(self, images):
        return self.layers(images)

def everything(**settings):
    return Plain(settings["num_classes"] * settings["num_heads"])

def has_heads(heads, frozen):
    return Plain(heads + len(frozen))
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "nets_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


def mine(name, *settings):
    return compose(["model.name=mine", f"model._target_=nets_of_a_test.{name}", *settings])


def problems(config):
    return [each.message for each in Checker().problems(config)]


def built(config):
    return build_model(config, small_stream(), Seeds(0))


def test_settings_of_the_file_that_another_target_does_not_take_are_left_out():
    config = mine("Net", "+model.width=7")
    assert problems(config) == []
    assert plain(config)["model"] == {
        "name": "mine",
        "_target_": "nets_of_a_test.Net",
        "width": 7,
        "frozen": [],
        "_later_": {"frozen": []},
    }
    assert config_hash(config) == config_hash(mine("Net", "+model.width=7", "model.frozen=[]"))
    assert config_hash(config) != config_hash(mine("Net", "+model.width=8"))
    assert built(config).layers[1].weight.shape == (7, 16)


def test_what_was_set_and_is_not_taken_is_refused():
    assert problems(mine("Net", "+model.widht=7")) == [
        "model=mine has no setting model.widht; did you mean width?"
    ]
    assert problems(mine("Net", "model.hidden=[5]")) == ["model=mine has no setting model.hidden"]
    assert "needs the setting model.width" in problems(mine("Plain"))[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("model.width=7", "nets_of_a_test.Net takes it: type +model.width=7"),
        ("strategy.epochs=3", "Did you mean training.epochs=3?"),
        ("model.num_classes=3", "has no setting model.num_classes"),
    ],
)
def test_what_the_class_takes_and_no_file_names_is_told_with_its_plus(given, expected):
    words = ["strategy=ewc", "model.name=mine", "model._target_=nets_of_a_test.Net", given]
    with hydra_apart(), pytest.raises(SettingError) as refused:
        find(loader(), words, anew=True)
    assert expected in str(refused.value)


def test_our_own_networks_keep_all_their_settings():
    assert without_those_of_others(plain(compose())["model"]) == plain(compose())["model"]


@pytest.mark.parametrize(
    ("node", "names", "is_open", "expected"),
    [
        ({}, ["width"], False, []),
        ({}, ["num_classes", "width"], False, ["num_classes"]),
        ({}, [], True, ["input_shape", "num_classes", "num_heads"]),
        ({"gets": ["num_classes"]}, [], True, ["num_classes"]),
        ({"num_classes": 512}, ["num_classes"], False, []),
        ({"gets": []}, ["gets", "num_heads"], False, ["num_heads"]),
    ],
)
def test_a_target_gets_what_its_signature_names(node, names, is_open, expected):
    assert shapes_handed(node, names, is_open=is_open) == expected


def test_heads_are_put_on_features_where_that_is_asked():
    network = built(mine("Plain", "+model.width=5", "model.heads=true", "model.frozen=[layers]"))
    assert isinstance(network, Network)
    assert (network.heads.in_features, network.heads.num_heads) == (5, 2)
    assert [name for name, each in network.named_parameters() if each.requires_grad] == [
        "heads.linear.weight",
        "heads.linear.bias",
    ]


@pytest.mark.parametrize("name", choices("model"))
@pytest.mark.parametrize("word", ["model.heads=false", "model.frozen=[]", "model.gets=null"])
def test_every_network_takes_the_suite_s_settings_without_a_plus(name, word):
    key, _, value = word.partition("=")
    composed = compose([f"model={name}", word])
    assert OmegaConf.select(composed, key) == yaml.safe_load(value)
    assert compose([f"model={name}", f"++{word}"]) == composed


def test_a_target_with_settings_of_these_names_gets_them():
    assert built(mine("has_heads", "model.heads=2", "model.frozen=[a,b]")).layers[1].out_features == 4


def test_a_function_of_all_settings_gets_all():
    assert built(mine("everything")).layers[1].out_features == 4


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (["model.heads=1"], "model.heads must be true or false, got 1"),
        (["model.frozen=stem"], "model.frozen must be a list of names"),
        (["model.gets=[width]"], "model.gets must be a list of input_shape, num_classes, num_heads"),
    ],
)
def test_settings_of_the_suite_have_rules(settings, rule):
    assert problems(mine("Net", *settings))[0].startswith(rule)


def test_a_network_that_does_not_fit_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"model=mine: a network must give logits \[2, 2 or more\]"):
        built(mine("Plain", "+model.width=1"))
