"""What a network that stays as it is makes of images."""

import pytest
import torch
from torch import nn

from cl_bench.models import cnn, mlp
from cl_bench.models.frozen_features import frozen_features
from cl_bench.models.layers import check_images

SHAPES = {"input_shape": (1, 8, 8), "num_classes": 3, "num_heads": 2}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return cnn(**SHAPES, channels=[4, 4], hidden=6, normalisation="batch", weights="real")


@pytest.fixture
def images():
    return torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_body_gives_what_the_heads_get(network, images):
    found = frozen_features(network, images.split(4))
    network.eval()
    assert found.shape == (10, 6)
    for head in range(2):
        assert torch.allclose(network.heads(found, head), network(images, head), atol=1e-6)


def test_statistics_modes_and_gradients_are_left_alone(network, images):
    network.train()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    found = frozen_features(network, [images])
    assert network.training
    assert all(each.equal(before[name]) for name, each in network.state_dict().items())
    assert not found.requires_grad
    nn.Linear(6, 2)(found).sum().backward()  # they can be trained on
    again = frozen_features(network, images.split(1))
    assert torch.allclose(again, found, atol=1e-6)


def test_a_part_gives_its_outputs_and_maps_stay_maps(network, images):
    maps = frozen_features(network, images.split(3), layer="body.0")
    network.eval()
    assert maps.shape == (10, 4, 8, 8)
    assert torch.allclose(maps, network.body[0](images), atol=1e-6)
    assert torch.equal(frozen_features(network, [images], layer="body"), frozen_features(network, [images]))
    assert not network.body[0]._forward_hooks


def test_any_module_needs_a_layer_and_gives_rows(images):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Unflatten(1, (2, 3)))
    with pytest.raises(ValueError, match=r"layer must name a part of Sequential.*: one of 0, 1, 2"):
        frozen_features(module, [images])
    assert frozen_features(module, [images], layer="1").shape == (10, 6)
    assert frozen_features(module, [images], layer="2").shape == (10, 6)  # not images any more


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.twice, self.never, self.pair, self.mean = nn.Tanh(), nn.ReLU(), nn.LSTM(64, 2), nn.Identity()

    def forward(self, images):
        rows = self.twice(self.twice(images.flatten(1)))
        self.mean(rows.mean(0))
        return self.pair(rows)[0]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("none", "layer must be a part of the network, got layer='none'; twice, never, pair, mean"),
        ("twice", "layer must be called once an image, got layer='twice', called 2 times"),
        ("never", "called 0 times"),
        ("pair", "a row for each of 10 images, got tuple"),
        ("mean", r"a row for each of 10 images, got \[64\]"),
    ],
)
def test_a_part_that_gives_no_row_an_image_is_refused(images, layer, message):
    with pytest.raises(ValueError, match=message):
        frozen_features(Odd(), [images], layer=layer)


def test_convolutions_refuse_rows_in_words_and_a_perceptron_takes_them():
    for name in ("cnn", "resnet18"):
        with pytest.raises(
            ValueError, match=rf"{name} needs images, got rows of 20 features .*set model=mlp"
        ):
            check_images(name, (20, 1, 1))
    shapes = SHAPES | {"input_shape": (20, 1, 1)}
    with pytest.raises(ValueError, match="cnn needs images"):
        cnn(**shapes, channels=[4], hidden=6, normalisation="none", weights="real")
    network = mlp(**shapes, hidden=[5], normalisation="none", weights="real")
    assert network(torch.rand(3, 20, 1, 1), 1).shape == (3, 3)
