"""Operations of a prediction, against formulas for the layers; and what tells them apart."""

import pytest
import torch
from torch import nn

from cl_bench.models import cnn, mlp
from cl_bench.models.operations import OUTSIDE, Layer, is_bits, operations

MNIST = {"input_shape": (1, 28, 28), "num_classes": 10, "num_heads": 1, "hidden": [100, 100]}
PRODUCTS = {"body.1": 784 * 100, "body.4": 100 * 100, "heads.linear": 100 * 10}


def of(network, **calls):
    forward = calls.get("forward", lambda images: network(images, 0))
    return operations(network.eval(), forward, calls.get("input_shape", (1, 28, 28)))


def signs_in(network):
    for parameter in network.parameters():
        parameter.data = parameter.data.sign()
    return network


@pytest.mark.parametrize("normalisation", ["none", "layer", "batch"])
def test_a_real_perceptron_multiplies_and_adds_once_a_weight(normalisation):
    found = of(mlp(**MNIST, normalisation=normalisation, weights="real"))
    assert found.layers == [Layer(name, "multiply_adds", number) for name, number in PRODUCTS.items()]
    assert found.total("multiply_adds") == 89_400
    assert found.total("additions") == found.total("binary_operations") == 0


def test_binary_weights_add_real_inputs():
    found = of(signs_in(mlp(**MNIST, normalisation="layer", weights="binary")))
    assert found.layers == [Layer(name, "additions", number) for name, number in PRODUCTS.items()]


def test_behind_a_gate_operations_are_binary_and_on_pixels_additions():
    found = of(signs_in(mlp(**MNIST, normalisation="layer", weights="binary", activation="gate")))
    kinds = ["additions", "binary_operations", "binary_operations"]
    assert [layer.kind for layer in found.layers] == kinds
    assert [layer.number for layer in found.layers] == list(PRODUCTS.values())
    assert (found.total("additions"), found.total("binary_operations")) == (78_400, 11_000)


def test_a_gate_before_real_weights_saves_nothing():
    found = of(mlp(**MNIST, normalisation="layer", weights="real", activation="gate"))
    assert {layer.kind for layer in found.layers} == {"multiply_adds"}


def test_a_convolution_has_a_product_for_each_place_channel_and_weight():
    settings = {"input_shape": (3, 8, 8), "num_classes": 5, "num_heads": 2, "channels": [4, 6], "hidden": 7}
    network = signs_in(cnn(**settings, normalisation="batch", weights="binary", activation="gate"))
    found = of(network, input_shape=(3, 8, 8))
    first, second = 64 * 3 * 9 * 4, 64 * 4 * 9 * 6
    dense = 6 * 16 * 7, 7 * 5 * 2  # after pooling; all heads
    assert [layer.number for layer in found.layers] == [first, second, *dense]
    assert [layer.kind for layer in found.layers] == ["additions", *["binary_operations"] * 3]


def test_a_prediction_counts_each_pass_through_the_network():
    network = mlp(**MNIST, normalisation="none", weights="real")
    once = of(network).total("multiply_adds")
    assert of(network, forward=lambda x: [network(x) for _ in range(7)]).total("multiply_adds") == 7 * once


class Own(nn.Module):
    """Signs of one's own, a product that no layer has, and nothing that the suite knows."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 8, bias=False)
        self.out = signs_in(nn.Linear(8, 3, bias=False))
        self.mixing = nn.Parameter(torch.eye(3))

    def forward(self, images):
        hidden = self.hidden(images.flatten(1))
        return self.out(torch.where(hidden > 0, 1.0, -1.0)) @ self.mixing


def test_a_network_of_ones_own_is_counted_by_what_it_computes():
    network = Own()
    found = of(network, forward=network, input_shape=(6,))
    assert found.layers == [
        Layer("hidden", "multiply_adds", 48),
        Layer("out", "binary_operations", 24),
        Layer(OUTSIDE, "multiply_adds", 9),
    ]
    assert {"gt", "where"} <= set(found.uncounted)


def test_what_the_counter_does_not_know_is_named():
    found = of(mlp(**MNIST, normalisation="layer", weights="real"))
    assert found.uncounted == ["native_layer_norm", "relu"]


def test_a_network_of_which_nothing_can_be_counted_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Softmax(dim=1))
    with pytest.raises(ValueError, match=r"cannot count the operations of Sequential.*_softmax"):
        of(network, forward=network, input_shape=(4,))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 1, 1], True), ([-1, 1], True), ([0, 0], False), ([0, 1, 0.5], False), ([], False), ([0, 2], False)],
)
def test_bits_are_two_values_of_which_both_occur(values, expected):
    assert is_bits(torch.tensor(values, dtype=torch.float32)) == expected
