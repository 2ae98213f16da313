"""Gaussian forms of layers against the layers themselves."""

import pytest
import torch
from torch import nn

from cl_bench.learner.gaussian_layers import GaussianLayer, make_gaussian
from cl_bench.learner.noise import Noise
from cl_bench.models import Network, mlp

UNUSED = Noise([torch.Generator()])
LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (5, 6)),
    "linear without a bias": (lambda: nn.Linear(6, 4, bias=False), (5, 6)),
    "convolution": (lambda: nn.Conv2d(4, 6, 3), (5, 4, 7, 6)),
    "convolution with all settings": (
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
        (5, 4, 7, 6),
    ),
    "convolution with same padding": (lambda: nn.Conv2d(4, 6, 3, padding="same"), (5, 4, 7, 6)),
    "layer norm": (lambda: nn.LayerNorm(6, eps=0.1), (5, 6)),
    "layer norm of images": (lambda: nn.LayerNorm([4, 7, 6]), (5, 4, 7, 6)),
    "layer norm without a bias": (lambda: nn.LayerNorm(6, bias=False), (5, 6)),
    "group norm": (lambda: nn.GroupNorm(2, 4, eps=0.1), (5, 4, 7, 6)),
    "group norm of vectors": (lambda: nn.GroupNorm(2, 6), (5, 6)),
    "batch norm": (lambda: nn.BatchNorm1d(6, eps=0.1, momentum=0.3), (5, 6)),
    "batch norm of images": (lambda: nn.BatchNorm2d(4), (5, 4, 7, 6)),
}


def gaussian_twin(layer: nn.Module, log_variance: float) -> nn.Module:
    network = nn.Sequential(layer)
    make_gaussian(network, log_variance=log_variance, noise=Noise([torch.Generator().manual_seed(0)]))
    assert isinstance(network[0], GaussianLayer)
    return network[0]


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", LAYERS)
def test_without_variance_a_gaussian_layer_is_the_layer_in_training_and_in_testing(name):
    build, shape = LAYERS[name]
    layer = build()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    inputs = torch.randn(shape)
    gaussian = gaussian_twin(layer, -60.0)
    for _ in range(2):  # statistics of a batch norm move along
        torch.testing.assert_close(gaussian.train()(inputs), layer.train()(inputs), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gaussian.eval()(inputs), layer.eval()(inputs))


@pytest.mark.parametrize("name", LAYERS)
def test_in_training_outputs_have_the_spread_of_drawn_weights(name):
    """Mean and variance of each output against draws of whole weights; a test draws nothing."""
    build, shape = LAYERS[name]
    layer = build()
    inputs = torch.randn(shape)
    gaussian = gaussian_twin(layer, -2.0)
    for module in (layer, gaussian):
        module.train()
    with torch.no_grad():
        outputs = torch.stack([gaussian(inputs) for _ in range(600)])
        means = [parameter.clone() for parameter in layer.parameters()]
        drawn = []
        for _ in range(600):
            for parameter, mean in zip(layer.parameters(), means, strict=True):
                parameter.copy_(mean + torch.exp(torch.tensor(-1.0)) * torch.randn_like(mean))
            drawn.append(layer(inputs))
        drawn = torch.stack(drawn)
        tolerance = 6 * float(drawn.std(0).max()) / 600**0.5
        torch.testing.assert_close(outputs.mean(0), drawn.mean(0), rtol=0, atol=2 * tolerance)
        torch.testing.assert_close(outputs.std(0), drawn.std(0), rtol=0.25, atol=0.02)
        gaussian.eval()
        assert torch.equal(gaussian(inputs), gaussian(inputs))


@pytest.mark.parametrize(
    "layer",
    [nn.PReLU(), nn.ConvTranspose2d(2, 2, 3), nn.Embedding(3, 2), nn.Bilinear(2, 2, 2)],
    ids=lambda layer: type(layer).__name__,
)
def test_an_unknown_layer_with_weights_is_refused_by_its_name(layer):
    with pytest.raises(ValueError, match=type(layer).__name__):
        make_gaussian(nn.Sequential(nn.Linear(2, 2), layer), log_variance=0.0, noise=UNUSED)


def test_a_convolution_with_other_padding_than_zeros_is_refused():
    layer = nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")
    with pytest.raises(ValueError, match="circular"):
        make_gaussian(nn.Sequential(layer), log_variance=0.0, noise=UNUSED)


def test_weights_of_the_network_itself_are_refused_too():
    class WithToken(Network):
        def __init__(self, network: Network) -> None:
            super().__init__(network.body, network.heads)
            self.token = nn.Parameter(torch.zeros(3))

    plain = mlp(
        input_shape=(1, 2, 2), num_classes=2, num_heads=1, hidden=[3], normalisation="none", weights="real"
    )
    with pytest.raises(ValueError, match="WithToken"):
        make_gaussian(WithToken(plain), log_variance=0.0, noise=UNUSED)


def test_layers_without_weights_stay_as_they_are():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.LayerNorm(3, elementwise_affine=False))
    kept = network[1], network[2]
    assert len(make_gaussian(network, log_variance=0.0, noise=UNUSED)) == 1
    assert (network[1], network[2]) == kept
