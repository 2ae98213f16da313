import pytest
import torch
from torch import nn

from cl_bench.models.normalisation import normalise_images, normalise_vectors, num_groups


@pytest.mark.parametrize(
    ("width", "groups"), [(1, 1), (4, 1), (31, 1), (32, 2), (64, 4), (100, 5), (256, 16), (97, 1)]
)
def test_groups_are_equal_and_never_small(width, groups):
    assert num_groups(width) == groups


@pytest.mark.parametrize("normalise", [normalise_vectors, normalise_images])
def test_real_batch_norm_is_that_of_torch(normalise):
    module = normalise(4, fan_in=9, normalisation="batch", weights="real")
    assert (module.eps, module.momentum, module.affine) == (1e-5, 0.1, True)


@pytest.mark.parametrize("normalise", [normalise_vectors, normalise_images])
def test_binary_batch_norm_is_that_of_bayesbinn(normalise):
    module = normalise(4, fan_in=9, normalisation="batch", weights="binary")
    assert (module.eps, module.momentum, module.affine) == (1e-4, 0.15, False)


@pytest.mark.parametrize("normalise", [normalise_vectors, normalise_images])
def test_none_is_nothing_for_real_and_a_constant_for_binary_weights(normalise):
    inputs = torch.randn(2, 4, 3, 3)
    assert isinstance(normalise(4, fan_in=50, normalisation="none", weights="real"), nn.Identity)
    binary = normalise(4, fan_in=50, normalisation="none", weights="binary")
    torch.testing.assert_close(binary(inputs), inputs / 5)


def test_layer_norm_of_images_is_over_channels_and_pixels_of_one_image():
    images = 3 + 7 * torch.randn(2, 4, 5, 5)
    outputs = normalise_images(4, fan_in=9, normalisation="layer", weights="real")(images)
    torch.testing.assert_close(outputs, torch.layer_norm(images, images.shape[1:]), atol=1e-5, rtol=1e-4)
