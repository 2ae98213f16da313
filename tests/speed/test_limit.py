"""The limit multiplies as much as the network does, no more and no less."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cl_bench.models import cnn, mlp
from speed.limit import Passes, linear_maps, matrix_products


def multiply_adds(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2


@pytest.fixture(params=["mlp", "cnn"])
def network_and_images(request):
    torch.manual_seed(0)
    common = {"num_classes": 4, "num_heads": 1, "normalisation": "layer", "weights": "real"}
    if request.param == "mlp":
        return mlp(input_shape=(1, 6, 5), hidden=[8, 7], **common), torch.randn(11, 1, 6, 5)
    return cnn(input_shape=(3, 8, 8), channels=[4, 5], hidden=6, **common), torch.randn(11, 3, 8, 8)


def test_an_epoch_multiplies_as_often_as_training_does(network_and_images):
    network, images = network_and_images

    def train():
        for part in images.split(4):  # the last batch is smaller
            F.cross_entropy(network(part), torch.zeros(len(part), dtype=torch.long)).backward()

    limit = matrix_products(network, images, num_images=11, batch_size=4, passes=Passes())
    assert multiply_adds(limit) == multiply_adds(train)


def test_a_test_multiplies_as_often_as_a_forward_pass(network_and_images):
    network, images = network_and_images
    passes = Passes(forward=3, by_weights=0, by_inputs=0)
    limit = matrix_products(network, images, num_images=11, batch_size=20, passes=passes)
    assert multiply_adds(limit) == 3 * multiply_adds(lambda: network(images))


def test_passes_are_counted_by_hand_for_784_100_100_10():
    network = mlp(
        input_shape=(1, 28, 28),
        num_classes=10,
        num_heads=1,
        hidden=[100, 100],
        normalisation="none",
        weights="real",
    )
    limit = matrix_products(
        network, torch.zeros(2, 1, 28, 28), num_images=256, batch_size=128, passes=Passes(1, 1, 10)
    )
    first, rest = 784 * 100, 100 * 100 + 100 * 10
    assert multiply_adds(limit) == 256 * (2 * (first + rest) + 10 * rest)


def test_the_layers_come_in_the_order_in_which_images_meet_them(network_and_images):
    network, images = network_and_images
    maps = linear_maps(network, images)
    assert maps[0].before == tuple(images.shape[1:]) or maps[0].before == (images[0].numel(),)
    assert maps[-1].after == (4,)
    assert not any(module._forward_hooks for module in network.modules())
