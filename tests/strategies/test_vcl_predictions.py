"""VCL's predictions against quadrature and a Monte Carlo mean over all weights."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

CPU = torch.device("cpu")


@pytest.fixture
def make(make_vcl):
    return make_vcl


def test_predictions_of_a_linear_model_converge_to_the_integral(lab, make):
    """Two classes: p(1 | x) = E sigmoid(a), a Gaussian in one dimension, by Gauss-Hermite quadrature."""
    strategy = make(
        hidden=[], num_classes=2, method={"num_test_samples": 20_000, "initial_log_variance": 0.5}
    )
    strategy.network.eval()
    images = lab.tasks(1, num_examples=6)[0].images(CPU)
    with torch.no_grad():
        predicted = strategy.predict(images, 0)
    torch.testing.assert_close(predicted.exp().sum(1), torch.ones(6), rtol=0, atol=1e-3)  # 20,000 roundings
    layer = strategy.network.heads.linear
    x, weight, bias = images.flatten(1).double(), layer.mean[0].data.double(), layer.mean[1].data.double()
    centre = x @ (weight[1] - weight[0]) + bias[1] - bias[0]
    deviation = (2 * math.exp(0.5) * ((x**2).sum(1) + 1)).sqrt()
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(80)
    a = centre[:, None] + deviation[:, None] * torch.from_numpy(nodes)
    expected = (torch.sigmoid(a) * torch.from_numpy(node_weights / node_weights.sum())).sum(1)
    torch.testing.assert_close(predicted[:, 1].exp().double(), expected, rtol=0, atol=0.012)
    at_the_mean = torch.sigmoid(centre)
    assert (at_the_mean - expected).abs().max() > 0.05, "the mean alone would fail"


def test_predictions_of_a_network_converge_to_monte_carlo_over_all_weights(lab, make):
    strategy = make(method={"num_test_samples": 10_000, "initial_log_variance": -0.5})
    strategy.network.eval()
    images = lab.tasks(1, num_examples=6)[0].images(CPU)
    with torch.no_grad():
        predicted = strategy.predict(images, 0).exp()
        hidden, output = strategy.network.body[1], strategy.network.heads.linear
        generator = torch.Generator().manual_seed(5)

        def draw(mean: Tensor, log_variance: Tensor) -> Tensor:
            noise = torch.randn((10_000, *mean.shape), generator=generator)
            return mean + (log_variance / 2).exp() * noise

        w1, b1, w2, b2 = (
            draw(mean, log_variance)
            for layer in (hidden, output)
            for mean, log_variance in zip(layer.mean, layer.log_variance, strict=True)
        )
        flow = torch.einsum("shi,ni->snh", w1, images.flatten(1)) + b1[:, None]
        logits = torch.einsum("skh,snh->snk", w2, flow.relu()) + b2[:, None]
    torch.testing.assert_close(predicted, logits.softmax(-1).mean(0), rtol=0, atol=0.02)
    with torch.no_grad():
        at_the_mean = strategy.network(images, 0).softmax(-1)
    assert (at_the_mean - predicted).abs().max() > 0.05, "the mean alone would fail"


def test_a_prediction_leaves_the_means_bit_for_bit(lab, make):
    strategy = make(normalisation="batch")
    strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])
    before = lab.snapshot(strategy)
    strategy.network.eval()
    images = lab.tasks(1)[0].images(CPU)
    with torch.no_grad():
        first, second = strategy.predict(images, 0), strategy.predict(images, 0)
    assert not torch.equal(first, second), "it does draw weights"
    assert lab.same(before, lab.snapshot(strategy))
