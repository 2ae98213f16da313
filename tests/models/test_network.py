import pytest
import torch
from torch import nn

from cl_bench.models import cnn, mlp, resnet18


@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("input_shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_every_network_gives_one_row_of_logits_an_image(
    build, input_shape, normalisation, weights, num_heads
):
    network = build(
        input_shape=input_shape, normalisation=normalisation, weights=weights, num_heads=num_heads
    )
    images = torch.rand(4, *input_shape)
    for training in (True, False):
        logits = network.train(training)(images, num_heads - 1)
        assert logits.shape == (4, 3)
        assert logits.isfinite().all()
        by_tensor = network(images, torch.full((4,), num_heads - 1))
        assert by_tensor.shape == (4, 3)
    assert network.body(images).shape == (4, network.heads.in_features)


def test_the_task_is_the_first_head_of_one_unless_given(build):
    network, images = build(num_heads=1), torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(network(images), network(images, 0), rtol=0, atol=0)


def test_binary_networks_have_only_weights_of_layers(build, normalisation):
    network = build(normalisation=normalisation, weights="binary")
    layers = [module for module in network.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    assert {id(parameter) for parameter in network.parameters()} == {id(layer.weight) for layer in layers}


def test_a_hidden_layer_has_a_bias_only_if_no_normalisation_follows(build, normalisation):
    layers = [
        m for m in build(normalisation=normalisation).body.modules() if isinstance(m, (nn.Linear, nn.Conv2d))
    ]
    assert all((layer.bias is not None) == (normalisation == "none") for layer in layers)


def test_resnet18_has_the_published_number_of_parameters():
    network = resnet18(
        input_shape=(3, 32, 32), num_classes=10, num_heads=1, width=64, normalisation="batch", weights="real"
    )
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_173_962


def test_mlp_without_hidden_layers_is_linear():
    network = mlp(
        input_shape=(1, 8, 8), num_classes=2, num_heads=1, hidden=[], normalisation="layer", weights="real"
    )
    assert sum(parameter.numel() for parameter in network.parameters()) == 64 * 2 + 2


@pytest.mark.parametrize(("side", "pixels"), [(32, 8 * 8), (28, 7 * 7), (8, 2 * 2), (3, 3 * 3)])
def test_cnn_pools_after_every_second_convolution_down_to_two_pixels_a_side(side, pixels):
    network = cnn(
        input_shape=(1, side, side),
        num_classes=2,
        num_heads=1,
        channels=[2, 2, 2, 5],
        hidden=7,
        normalisation="none",
        weights="real",
    )
    (linear,) = [module for module in network.body if isinstance(module, nn.Linear)]
    assert linear.in_features == 5 * pixels


def test_without_batch_norm_an_image_is_judged_alone(build, weights):
    images = torch.rand(5, 3, 8, 8, dtype=torch.float64)  # no kernel's rounding reaches the bound
    for normalisation in ("layer", "group", "none"):
        network = build(normalisation=normalisation, weights=weights).double()
        together = network(images, 1)
        alone = torch.cat([network(image[None], 1) for image in images])
        torch.testing.assert_close(together, alone)


def test_logits_of_weights_of_one_and_minus_one_have_a_scale_near_one(build, normalisation):
    network = build(normalisation=normalisation, weights="binary", input_shape=(1, 28, 28), num_classes=10)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        signs = torch.randint(2, parameter.shape, generator=generator) * 2 - 1
        parameter.data = signs.float()
    logits = network(torch.randn(64, 1, 28, 28, generator=generator), 0)
    assert 0.1 < logits.square().mean().sqrt() < 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"normalisation": "x"},
            "normalisation must be one of batch, layer, group, none, got normalisation='x'",
        ),
        ({"weights": "x"}, "weights must be one of real, binary, got weights='x'"),
        ({"input_shape": (3, 0, 8)}, r"input_shape must be .* got input_shape=\(3, 0, 8\)"),
        ({"input_shape": (8, 8)}, r"input_shape must be .* got input_shape=\(8, 8\)"),
        ({"num_classes": 1}, "num_classes must be at least 2, got num_classes=1"),
        ({"num_heads": 0}, "num_heads must be at least 1, got num_heads=0"),
    ],
)
def test_impossible_settings_are_refused_by_every_builder(build, changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


@pytest.mark.parametrize(
    ("builder", "widths", "message"),
    [
        (mlp, {"hidden": [4, 0]}, r"hidden must be positive, got hidden=\[4, 0\]"),
        (cnn, {"channels": [-1], "hidden": 4}, r"channels must be positive, got channels=\[-1\]"),
        (cnn, {"channels": [4], "hidden": 0}, "hidden must be positive, got hidden=0"),
        (resnet18, {"width": 0}, "width must be positive, got width=0"),
    ],
)
def test_widths_that_are_not_positive_are_refused(builder, widths, message):
    settings = {"input_shape": (1, 8, 8), "num_classes": 2, "num_heads": 1}
    with pytest.raises(ValueError, match=message):
        builder(**settings, **widths, normalisation="none", weights="real")
