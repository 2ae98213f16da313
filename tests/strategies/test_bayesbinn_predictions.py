"""BayesBiNN's predictions against the sum over all binary weights, and draws written out."""

import itertools
import math
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn

CPU = torch.device("cpu")


@pytest.fixture
def network(binary_network):
    return binary_network


@pytest.fixture
def make(make_bayesbinn):
    return make_bayesbinn


def test_without_test_samples_the_most_probable_weights_are_tested(lab, make, network):
    (task,) = lab.tasks(1)
    strategy = make({"num_test_samples": 0})
    benchmark = lab.benchmark([task])
    strategy.train(benchmark.train_stream, eval_streams=[])
    outputs = OutputsOf(strategy)
    (generator,) = strategy.test_noise.state()
    for _ in range(2):
        strategy.eval(benchmark.test_stream)
    first, second = torch.cat(outputs.seen[:3]), torch.cat(outputs.seen[3:])
    assert torch.equal(first, second)
    assert torch.equal(strategy.test_noise.state()[0], generator)
    reference = network()
    nn.utils.vector_to_parameters(strategy.posterior.natural.sign(), reference.parameters())
    with torch.no_grad():
        torch.testing.assert_close(first, reference(task.images(CPU)).log_softmax(1))


@pytest.mark.parametrize("variant", ["sound", "published"])
def test_sound_averages_probabilities_and_published_averages_logits(lab, make, network, variant):
    (task,) = lab.tasks(1)
    strategy = make({"variant": variant, "num_test_samples": 6})
    strategy.posterior = strategy.posterior._replace(natural=0.2 * strategy.posterior.natural)
    reference, generator = network(), lab.clone(strategy.test_noise)
    logits = []
    images = task.images(CPU)
    with torch.no_grad():
        predicted = strategy.predict(images, 0)
        for _ in range(6):
            u = torch.rand(len(strategy.flat), generator=generator)
            weights = (strategy.posterior.natural + 0.5 * torch.log(u / (1 - u))).sign()
            nn.utils.vector_to_parameters(weights, reference.parameters())
            logits.append(reference(images))
    stack = torch.stack(logits)
    of_probabilities, of_logits = stack.softmax(-1).mean(0), stack.mean(0).softmax(-1)
    assert (of_probabilities - of_logits).abs().max() > 0.01
    expected = of_probabilities if variant == "sound" else of_logits
    torch.testing.assert_close(predicted.exp(), expected)


@pytest.mark.parametrize(("hidden", "num_weights"), [((), 8), ((2,), 12)])
def test_many_test_samples_approach_the_sum_over_all_binary_weights(lab, make, network, hidden, num_weights):
    model = network(hidden=hidden, num_classes=2, normalisation="none")
    strategy = make({"num_test_samples": 8_000}, model)
    generator = torch.Generator().manual_seed(0)
    natural = torch.randn(num_weights, generator=generator)
    strategy.posterior = strategy.posterior._replace(natural=natural)
    images = lab.tasks(1, num_examples=6)[0].images(CPU)
    with torch.no_grad():
        predicted = strategy.predict(images, 0).exp()
        expected, total = torch.zeros_like(predicted), 0.0
        for signs in itertools.product([-1.0, 1.0], repeat=num_weights):
            weights = torch.tensor(signs)
            probability = float(torch.sigmoid(2 * natural * weights).prod())
            strategy.flat.set(weights)
            expected += probability * strategy.network(images, 0).softmax(-1)
            total += probability
        strategy.flat.set(natural.sign())
        at_the_mode = strategy.network(images, 0).softmax(-1)
    assert math.isclose(total, 1, rel_tol=1e-5)
    torch.testing.assert_close(predicted, expected, rtol=0, atol=0.015)
    assert (at_the_mode - expected).abs().max() > 0.05, "the mode alone would fail"


def test_a_prediction_leaves_the_network_bit_for_bit(lab, make, network):
    strategy = make(model=network(normalisation="batch"))
    strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])
    strategy.network.eval()
    before = lab.snapshot(strategy)
    images = lab.tasks(1)[0].images(CPU)
    with torch.no_grad():
        first, second = strategy.predict(images, 0), strategy.predict(images, 0)
    assert not torch.equal(first, second), "it does draw weights"
    assert lab.same(before, lab.snapshot(strategy))


class OutputsOf(SupervisedPlugin):
    """The outputs of every test batch."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.seen: list = []
        strategy.plugins.insert(0, self)

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(strategy.mb_output)
