"""The straight-through estimator against a step written out by hand."""

from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn
from torch.nn import functional as F

from cl_bench.models import mlp
from cl_bench.strategies import StraightThrough


@pytest.fixture
def make(lab):
    def make(**changes: Any) -> StraightThrough:
        model = lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=3,
            num_heads=1,
            hidden=[6],
            normalisation="layer",
            weights="binary",
        )
        return StraightThrough(model=model, **lab.settings(**changes))

    return make


def test_weights_are_binary_and_latent_ones_within_one_at_every_step(lab, make):
    strategy = make(learning_rate=0.3)
    seen = Weights(strategy)
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    assert len(seen.weights) == 2 * 2 * 3
    for weights, latent in zip(seen.weights, seen.latent, strict=True):
        assert torch.equal(weights.abs(), torch.ones_like(weights))
        assert torch.equal(weights, torch.where(latent >= 0, 1.0, -1.0))
        assert latent.abs().max() <= 1
    assert (seen.latent[-1].abs() == 1).any(), "with this step size some are clipped"
    assert not torch.equal(seen.weights[0], seen.weights[-1])


@pytest.mark.usefixtures("double_precision")
def test_two_steps_are_adam_s_on_the_latent_weights(lab, make):
    (task,) = lab.tasks(1)
    strategy = make(epochs=2, batch_size=12, learning_rate=0.2)
    latent = strategy.latent.data.clone()
    network = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=1,
        hidden=[6],
        normalisation="layer",
        weights="binary",
    )
    images = task.images(torch.device("cpu"))
    first, second = torch.zeros_like(latent), torch.zeros_like(latent)
    generator = lab.clone(strategy.batch_order)
    for step in (1, 2):
        order = torch.randperm(12, generator=generator)
        nn.utils.vector_to_parameters(latent.sign(), network.parameters())
        loss = F.cross_entropy(network(images[order], 0), task.labels[order])
        parts = torch.autograd.grad(loss, list(network.parameters()))
        gradient = torch.cat([part.reshape(-1) for part in parts])
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9**step), second / (1 - 0.999**step)
        latent = (latent - 0.2 * corrected[0] / (corrected[1].sqrt() + 1e-8)).clamp(-1, 1)
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.latent.data, latent, rtol=1e-9, atol=1e-9)


def test_a_latent_weight_at_the_edge_can_come_back(lab, make):
    (task,) = lab.tasks(1)
    strategy = make(optimizer="sgd", learning_rate=0.1)
    strategy.latent.data.copy_(strategy.flat.values.data)  # all at -1 or +1
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    assert (strategy.latent.data.abs() < 1).any()


class Weights(SupervisedPlugin):
    """The weights and the latent weights after every step."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.weights: list = []
        self.latent: list = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.weights.append(torch.cat([part.detach().reshape(-1) for part in strategy.network.parameters()]))
        self.latent.append(strategy.latent.data.clone())
