"""Frozen parts have no gradient, and compute as in tests whatever mode the network is put into."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from cl_bench.models import cnn, freeze, mlp
from cl_bench.models.frozen import stays_in_eval
from cl_bench.models.stacked import StackedNetwork
from cl_bench.strategies.joint import begin_anew

SHAPES = {"input_shape": (1, 4, 4), "num_classes": 2, "num_heads": 2}


def small_cnn(**settings):
    return cnn(**SHAPES, channels=[3, 3], hidden=5, normalisation="batch", weights="real", **settings)


def own():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Dropout(0.5), nn.Linear(4, 2))


def frozen_names(network):
    return {name for name, each in network.named_parameters() if not each.requires_grad}


@pytest.mark.parametrize("pattern", ["0", "body.0", "[0]", "body.[0]"])
def test_a_part_is_named_as_in_the_body_or_in_the_whole_network(pattern):
    network = small_cnn()
    first = next(name for name, each in network.named_modules() if isinstance(each, nn.Conv2d))
    freeze(network, [pattern])
    assert {name for name in frozen_names(network) if name.startswith(first)} == {f"{first}.weight"}
    assert all(name.startswith("body.0") for name in frozen_names(network))


def test_batch_norm_of_a_frozen_part_keeps_its_statistics_and_others_do_not():
    network = freeze(small_cnn(), ["0", "1"])
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    frozen, free = norms[0], norms[1]
    before = {name: each.clone() for name, each in frozen.named_buffers()}
    network.train()
    network(torch.rand(8, 1, 4, 4), 0).sum().backward()
    assert not frozen.training
    assert free.training
    assert all(torch.equal(before[name], each) for name, each in frozen.named_buffers())
    assert free.num_batches_tracked == 1
    assert all(each.grad is None for each in frozen.parameters())


def test_a_copy_and_a_stack_keep_their_own_parts_frozen():
    network = freeze(small_cnn(), ["0", "1"])
    copies = [deepcopy(network), StackedNetwork([network, network]).template]
    for each in copies:
        each.train()
        norms = [part for part in each.modules() if isinstance(part, nn.BatchNorm2d)]
        assert [part.training for part in norms] == [False, True]
        assert stays_in_eval(norms[0])
        assert norms[0].train.args == (norms[0],), "the copy would train the original"
    next(iter(copies[0].children())).train()
    assert not stays_in_eval(copies[0])


def test_a_network_that_begins_anew_keeps_the_statistics_of_frozen_parts():
    class Flat:
        def set(self, values):
            pass

    network = freeze(small_cnn(), ["0", "1"])
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    for each in norms:
        each.running_mean.fill_(3.0)
    begin_anew(Flat(), network, torch.zeros(1))
    assert norms[0].running_mean.tolist() == [3.0] * 3
    assert norms[1].running_mean.tolist() == [0.0] * 3


def test_a_parameter_alone_is_frozen_without_its_layer():
    network = freeze(own(), ["*.bias"])
    assert frozen_names(network) == {"1.bias", "3.bias"}
    assert network.train()[1].training


def test_dropout_of_a_frozen_part_is_off():
    network = freeze(own(), ["2"]).train()
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize(
    ("network", "pattern", "rule"),
    [
        (small_cnn, "layer9", "'layer9', which none is; its parts are"),
        (own, "3.weigth", "did you mean 3.weight"),
        (lambda: mlp(**SHAPES, hidden=[3], normalisation="none", weights="real"), "", "which none is"),
    ],
)
def test_a_pattern_that_names_nothing_is_refused(network, pattern, rule):
    with pytest.raises(ValueError, match=rule):
        freeze(network(), [pattern])


def test_a_layer_of_a_sequence_is_named_by_its_number_as_a_number_or_text():
    for number in (0, "0"):
        network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
        freeze(network, [number])
        assert [name for name, each in network.named_parameters() if each.requires_grad] == [
            "1.weight",
            "1.bias",
        ]
