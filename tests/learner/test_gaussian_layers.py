"""Gaussian forms of layers against the layers themselves."""

import math

import pytest
import torch
from torch import nn

from cl_bench.learner.gaussian_layers import CONV_SAMPLING, GaussianLayer, make_gaussian
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
    "linear on rows": (lambda: nn.Linear(6, 4), (5, 3, 6)),
    "layer norm": (lambda: nn.LayerNorm(6, eps=0.1), (5, 6)),
    "layer norm of images": (lambda: nn.LayerNorm([4, 7, 6]), (5, 4, 7, 6)),
    "layer norm without a bias": (lambda: nn.LayerNorm(6, bias=False), (5, 6)),
    "group norm": (lambda: nn.GroupNorm(2, 4, eps=0.1), (5, 4, 7, 6)),
    "group norm of vectors": (lambda: nn.GroupNorm(2, 6), (5, 6)),
    "batch norm": (lambda: nn.BatchNorm1d(6, eps=0.1, momentum=0.3), (5, 6)),
    "batch norm of images": (lambda: nn.BatchNorm2d(4), (5, 4, 7, 6)),
}


def gaussian_twin(layer: nn.Module, log_variance: float, sampling: str = "local") -> nn.Module:
    network = nn.Sequential(layer)
    noise = Noise([torch.Generator().manual_seed(0)])
    make_gaussian(network, log_variance=log_variance, noise=noise, conv_sampling=sampling)
    assert isinstance(network[0], GaussianLayer)
    return network[0]


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("sampling", CONV_SAMPLING)
@pytest.mark.parametrize("name", LAYERS)
def test_without_variance_a_gaussian_layer_is_the_layer_in_training_and_in_testing(name, sampling):
    build, shape = LAYERS[name]
    layer = build()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    inputs = torch.randn(shape)
    gaussian = gaussian_twin(layer, -60.0, sampling)
    for _ in range(2):  # statistics of a batch norm move along
        torch.testing.assert_close(gaussian.train()(inputs), layer.train()(inputs), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gaussian.eval()(inputs), layer.eval()(inputs))


@pytest.mark.parametrize("sampling", CONV_SAMPLING)
@pytest.mark.parametrize("name", LAYERS)
def test_in_training_outputs_have_the_spread_of_drawn_weights(name, sampling):
    """Mean and variance of each output against draws of whole weights; a test draws nothing."""
    build, shape = LAYERS[name]
    layer = build()
    inputs = torch.randn(shape)
    gaussian = gaussian_twin(layer, -2.0, sampling)
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


def mean_over_places(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The means over places are those of each example and output channel."""
    outputs = module(inputs)
    return outputs.mean(1) if inputs.dim() == 3 else outputs.mean((2, 3))


AT_PLACES = {  # what later layers see of a layer that acts at P places, here 64
    "convolution": (lambda: nn.Conv2d(4, 6, 3), (3, 4, 10, 10)),
    "convolution with padding": (lambda: nn.Conv2d(4, 6, 3, padding=1), (3, 4, 8, 8)),
    "convolution in groups": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False), (3, 4, 8, 8)),
    "linear on rows": (lambda: nn.Linear(4, 6), (3, 64, 4)),
}


@pytest.mark.parametrize("name", AT_PLACES)
def test_the_mean_over_places_varies_as_tests_have_it_with_whole_weights_alone(name):
    build, shape = AT_PLACES[name]
    layer, inputs = build(), 1 + 0.3 * torch.randn(shape)  # as images and activations, not around 0
    means = [parameter.clone() for parameter in layer.parameters()]
    spread = {}
    with torch.no_grad():
        for sampling in CONV_SAMPLING:
            gaussian = gaussian_twin(build(), -2.0, sampling).train()
            drawn = torch.stack([mean_over_places(gaussian, inputs) for _ in range(400)])
            spread[sampling] = drawn.std(0).mean()
        drawn = []
        for _ in range(400):
            for parameter, mean in zip(layer.parameters(), means, strict=True):
                parameter.copy_(mean + torch.exp(torch.tensor(-1.0)) * torch.randn_like(mean))
            drawn.append(mean_over_places(layer, inputs))
        of_tests = torch.stack(drawn).std(0).mean()
    torch.testing.assert_close(spread["whole"], of_tests, rtol=0.1, atol=0)
    assert 6 < of_tests / spread["local"] < 8.8, "up to sqrt(64) times too small"


def test_of_an_input_that_is_alike_at_all_places_the_mean_varies_sqrt_p_times_less():
    inputs = torch.ones(1, 2, 18, 18)  # 16 x 16 places without padding
    spread = {}
    for sampling in CONV_SAMPLING:
        gaussian = gaussian_twin(nn.Conv2d(2, 200, 3), -2.0, sampling).train()
        with torch.no_grad():
            centre = gaussian.eval()(inputs).mean((2, 3))
            drawn = [gaussian.train()(inputs).mean((2, 3)) - centre for _ in range(20)]
        spread[sampling] = torch.stack(drawn).square().mean().sqrt()
    # 18 weights and a bias, each of variance e^-2
    torch.testing.assert_close(spread["whole"], torch.tensor(19.0).sqrt() / math.e, rtol=0.05, atol=0)
    torch.testing.assert_close(spread["whole"] / spread["local"], torch.tensor(16.0), rtol=0.05, atol=0)


def test_whole_weights_are_one_sample_a_step_for_all_examples_and_anew_the_next():
    gaussian = gaussian_twin(nn.Conv2d(2, 3, 3), -2.0, "whole").train()
    inputs = torch.randn(1, 2, 5, 5).expand(4, -1, -1, -1)
    first, second = gaussian(inputs), gaussian(inputs)
    torch.testing.assert_close(first, first[:1].expand_as(first))
    assert (first - second).abs().min() > 0


def test_the_gradient_of_whole_weights_is_that_of_the_drawn_convolution():
    layer = nn.Conv2d(2, 3, 3)
    gaussian = gaussian_twin(layer, -2.0, "whole").train()
    noise = torch.Generator()
    noise.set_state(gaussian.noise.generators[0].get_state())
    inputs, weigh = torch.randn(4, 2, 5, 5), torch.randn(4, 3, 3, 3)
    (gaussian(inputs) * weigh).sum().backward()
    drawn = [torch.randn(mean.shape, generator=noise) for mean in gaussian.mean]
    weights = [
        (mean.detach() + drawn_one / math.e).requires_grad_()
        for mean, drawn_one in zip(gaussian.mean, drawn, strict=True)
    ]
    (nn.functional.conv2d(inputs, *weights) * weigh).sum().backward()
    for part, weight in enumerate(weights):
        torch.testing.assert_close(gaussian.mean[part].grad, weight.grad)
        # dw / d log v = s eps / 2
        torch.testing.assert_close(gaussian.log_variance[part].grad, weight.grad * drawn[part] / (2 * math.e))


def test_frozen_weights_of_a_convolution_are_never_drawn():
    layer = nn.Conv2d(2, 3, 3)
    layer.weight.requires_grad_(False)
    gaussian = gaussian_twin(layer, -2.0, "whole").train()
    inputs = torch.randn(1, 2, 5, 5)
    moved = gaussian(inputs) - nn.functional.conv2d(inputs, layer.weight, layer.bias)
    torch.testing.assert_close(moved, moved[:, :, :1, :1].expand_as(moved))  # the bias alone
    assert moved.abs().min() > 0
    moved.sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None


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


@pytest.mark.parametrize("name", LAYERS)
def test_at_its_means_it_is_the_layer_as_it_was_given_with_what_it_has_learned(name):
    build, shape = LAYERS[name]
    layer = gaussian_twin(build(), log_variance=-4.0)
    layer(torch.randn(shape))  # moves the statistics of a batch norm
    for number, mean in enumerate(list(layer.mean)):  # as where seeds are stacked: other tensors
        layer.mean[number] = nn.Parameter(torch.randn_like(mean))
    plain = layer.eval().at_means().eval()
    assert type(plain) is type(build())
    images = torch.randn(shape)
    torch.testing.assert_close(plain(images), layer(images))
    assert not isinstance(plain, GaussianLayer)
    assert [id(part) for part in plain.parameters()] == [id(part) for part in layer.mean]
