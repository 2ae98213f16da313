"""BiMU against its update written out over a tiny network."""

import math
from functools import partial

import pytest
import torch

from cl_bench.strategies import BiMU

CPU = torch.device("cpu")
METHOD = {
    "temperature": 0.8,
    "initial_scale": 1.0,
    "num_samples": 1,
    "num_test_samples": 5,
    "likelihood_weight": 20.0,
    "kl_weight": 3.0,
    "memory_window": 50.0,
    "max_step": 0.05,
}


@pytest.fixture
def network(lab):
    return partial(lab.small_network, weights="binary")


@pytest.fixture
def make(lab, network):
    def make(method=None, model=None, **changes):
        model = network() if model is None else model
        return BiMU(model=model, **(METHOD | (method or {})), **lab.settings(**changes))

    return make


def test_lambda_starts_at_the_network_s_own_weights_uniform_by_fan_in(make, network):
    start = torch.cat([part.detach().reshape(-1) for part in network().parameters()])
    assert torch.equal(make({"initial_scale": 1.0}).natural, start)
    assert torch.equal(make({"initial_scale": 2.0}).natural, 2 * start)
    assert 0.4 < start[:24].abs().max() <= 1 / math.sqrt(4)
    assert 0.3 < start[24:].abs().max() <= 1 / math.sqrt(6)
    strategy = make()
    assert torch.equal(strategy.flat.values.data, start.sign()), "tested before training, too"


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("activation", ["relu", "gate"])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_two_tasks_equal_the_update_of_the_paper_written_out(lab, make, network, num_samples, activation):
    """Batches of 5, 5 and 2: gradients of sums, and as many examples of the window."""
    tasks = lab.tasks(2)
    tau, eta, a, k, window, eta_max = 0.8, 0.3, 20.0, 3.0, 50.0, 0.05
    strategy = make(
        {"num_samples": num_samples}, network(activation=activation), learning_rate=eta, batch_size=5
    )
    reference, natural = network(activation=activation), strategy.natural.clone()
    noise, order = lab.clone(strategy.noise), lab.clone(strategy.batch_order)
    for task in tasks:
        images = task.images(CPU)
        for _ in range(2):
            for positions in torch.randperm(12, generator=order).split(5):
                total = torch.zeros_like(natural)
                for _ in range(num_samples):
                    u = torch.rand(len(natural), generator=noise)
                    w = torch.tanh((natural + 0.5 * torch.log(u / (1 - u))) / tau)
                    at_w = lab.gradient_at(reference, w, images[positions], task.labels[positions])
                    total += at_w * (1 - w**2) / tau
                g = a * len(positions) * total / num_samples
                mean = natural.tanh()
                c = k * (1 - mean**2)
                pull = natural * c * len(positions) / window
                change = (eta * g + pull) / (c + 2 * g * mean + 2 * g.abs() + 1 / eta_max)
                natural = torch.where(total != 0, natural - change, natural)
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.natural, natural, rtol=1e-9, atol=1e-9)
    assert torch.equal(strategy.flat.values.data, torch.where(natural >= 0, 1.0, -1.0))


def test_there_are_no_task_boundaries(lab, make):
    """The rule goes on as if one longer task were trained."""
    (task,) = lab.tasks(1)
    twice, once = make(epochs=1), make(epochs=2)
    twice.train(lab.benchmark([task, task]).train_stream, eval_streams=[])
    once.train(lab.benchmark([task]).train_stream, eval_streams=[])
    assert torch.equal(twice.natural, once.natural)


def test_the_posterior_of_other_heads_stands_still(lab, make, network):
    strategy = make(model=network(num_heads=3))
    for head, experience in enumerate(lab.benchmark(lab.tasks(3, heads=True)).train_stream):
        others = strategy.flat.mask(strategy.other_heads(head)) == 0
        before = strategy.natural.clone()
        strategy.train(experience, eval_streams=[])
        assert torch.equal(before[others], strategy.natural[others])
        assert (before != strategy.natural)[~others].any()


def test_predictions_average_probabilities_over_binary_weights(lab, make):
    strategy = make({"num_test_samples": 3})
    (task,) = lab.tasks(1)
    images, generator = task.images(CPU), lab.clone(strategy.test_noise)
    strategy.network.eval()
    with torch.no_grad():
        found = strategy.predict(images, 0).exp()
        present = strategy.flat.values.data.clone()
        parts = []
        for _ in range(3):
            u = torch.rand(len(present), generator=generator)
            strategy.flat.set(torch.where(u >= 1 - torch.sigmoid(2 * strategy.natural), 1.0, -1.0))
            parts.append(strategy.network(images, 0).softmax(-1))
        strategy.flat.set(present)
        torch.testing.assert_close(found, torch.stack(parts).mean(0))
        at_mode = make({"num_test_samples": 0})
        torch.testing.assert_close(
            at_mode.predict(images, 0), at_mode.network(images, 0).log_softmax(-1), rtol=0, atol=0
        )
