"""Sums of each layer's own formula against vmap(grad), which runs each example apart."""

import pytest
import torch
from torch import nn

from cl_bench.models import Heads, cnn
from cl_bench.models.network import Network
from cl_bench.posteriors import fisher, per_example


def network_of(*body, features):
    return Network(nn.Sequential(*body, nn.Flatten()), Heads(features, 3, 2, bias=True))


NETWORKS = {
    **{
        f"cnn, {normalisation}": (
            lambda normalisation=normalisation: cnn(
                input_shape=(2, 9, 9),
                num_classes=3,
                num_heads=2,
                channels=[4, 6, 6],
                hidden=8,
                normalisation=normalisation,
                weights="real",
            )
        )
        for normalisation in ("batch", "layer", "group", "none")
    },
    "all settings of a convolution": lambda: network_of(
        nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)), features=220
    ),
    "a scale without a shift": lambda: network_of(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 5),
        nn.LayerNorm(5, bias=False), features=5,
    ),
}  # fmt: skip
OTHERS = {
    "groups": lambda: network_of(nn.Conv2d(2, 4, 3, groups=2), features=196),
    "padding by name": lambda: network_of(nn.Conv2d(2, 4, 3, padding="same"), features=324),
    "padding by reflection": lambda: network_of(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), features=324
    ),
    "rows of vectors": lambda: network_of(nn.Flatten(2), nn.Linear(81, 5), features=10),
    "layer norm of images": lambda: network_of(nn.LayerNorm([2, 9, 9]), features=162),
}


def prepared(build):
    torch.manual_seed(0)
    network = build().double()
    with torch.no_grad():
        network(torch.randn(20, 2, 9, 9, dtype=torch.float64), 0)  # statistics of a batch norm
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval(), (torch.randn(7, 2, 9, 9, dtype=torch.float64), 1)


@pytest.mark.parametrize("magnitude", [torch.square, torch.abs])
@pytest.mark.parametrize("chunk", [1, 2**24])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_layer_s_sums_are_those_of_single_gradients(name, magnitude, chunk, monkeypatch):
    monkeypatch.setattr("cl_bench.posteriors.per_example_layers.PATCH_ELEMENTS", chunk)
    network, arguments = prepared(NETWORKS[name])
    assert per_example.is_layered(network, arguments)
    rest = (fisher.log_probabilities, lambda logits: logits.softmax(dim=-1), magnitude)
    found = per_example.layered_sums(network, arguments, *rest)
    expected = per_example.vmap_sums(network, arguments, *rest)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_go_example_by_example(name):
    network, arguments = prepared(OTHERS[name])
    assert not per_example.is_layered(network, arguments)
    batches = [(arguments[0], torch.zeros(7, dtype=torch.int64), 1)]
    found = fisher.diagonal(network, batches, estimator="exact", generator=torch.Generator())
    assert found.isfinite().all()


def test_a_batch_norm_without_statistics_mixes_examples():
    network, arguments = prepared(
        lambda: network_of(nn.BatchNorm2d(2, track_running_stats=False), features=162)
    )
    assert not per_example.is_layered(network, arguments)


def test_a_layer_that_is_called_twice_has_no_sum_of_its_own():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, images):
            return self.layer(self.layer(images))

    network, arguments = prepared(lambda: network_of(Twice(), features=162))
    assert not per_example.is_layered(network, arguments)
