"""MESU against its update written out over a tiny network."""

from functools import partial

import pytest
import torch

from cl_bench.models.parameters import scales
from cl_bench.strategies import MESU

CPU = torch.device("cpu")
METHOD = {
    "initial_deviation": 0.2,
    "deviation_learning_rate": 0.7,
    "prior_mean": 0.0,
    "prior_deviation": 0.3,
    "memory_window": 60.0,
    "clip": 0.36,
    "num_samples": 1,
    "num_test_samples": 4,
}


@pytest.fixture
def network(lab):
    return partial(lab.small_network, weights="real")


@pytest.fixture
def make(lab, network):
    def make(method=None, model=None, **changes):
        model = network() if model is None else model
        return MESU(model=model, **(METHOD | (method or {})), **lab.settings(**changes))

    return make


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("num_samples", "clip"), [(1, 0.36), (3, 0.05), (2, None)])
def test_two_tasks_equal_the_update_of_the_paper_written_out(lab, make, network, num_samples, clip):
    """Batches of 5, 5 and 2: gradients of sums, and as many examples of the window."""
    tasks = lab.tasks(2)
    eta_m, eta_s, s0, window = 0.9, 0.7, 0.3, 60.0
    strategy = make({"num_samples": num_samples, "clip": clip}, learning_rate=eta_m, batch_size=5)
    reference = network()
    m, s = (part.clone() for part in strategy.posterior)
    m0 = strategy.flat.marked(scales(strategy.network))  # 0 as in the paper for all that does not normalise
    assert 0 < m0.sum() < len(m0) / 2
    noise, order = lab.clone(strategy.noise), lab.clone(strategy.batch_order)
    for task in tasks:
        images = task.images(CPU)
        for _ in range(2):
            for positions in torch.randperm(12, generator=order).split(5):
                g_m, g_s = torch.zeros_like(m), torch.zeros_like(m)
                for _ in range(num_samples):
                    e = torch.randn(len(m), generator=noise)
                    g = lab.gradient_at(reference, m + s * e, images[positions], task.labels[positions])
                    g_m += g * len(positions) / num_samples
                    g_s += g * e * len(positions) / num_samples
                if clip is not None:
                    g_m, g_s = (torch.minimum(torch.maximum(g, -clip / s), clip / s) for g in (g_m, g_s))
                n = window / len(positions)
                m, s = (
                    m + eta_m * (-(s**2) * g_m + s**2 * (m0 - m) / (n * s0**2)),
                    s + eta_s / 2 * (-(s**2) * g_s + s * (s0**2 - s**2) / (n * s0**2)),
                )
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.posterior.mean, m, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(strategy.posterior.deviation, s, rtol=1e-9, atol=1e-9)
    assert torch.equal(strategy.flat.values.data, strategy.posterior.mean)


def test_both_step_sizes_follow_the_schedule(lab, make):
    strategy = make({"clip": None}, schedule="cosine_by_epoch", learning_rate=0.5)
    (experience,) = lab.benchmark(lab.tasks(1)).train_stream
    strategy.train(experience, eval_streams=[])  # the second of two epochs has step size 0
    other = make({"clip": None}, epochs=1, learning_rate=0.5)
    other.train(experience, eval_streams=[])
    assert torch.equal(strategy.posterior.mean, other.posterior.mean)
    assert torch.equal(strategy.posterior.deviation, other.posterior.deviation)


def test_the_posterior_of_other_heads_stands_still(lab, make, network):
    strategy = make(model=network(num_heads=3))
    for head, experience in enumerate(lab.benchmark(lab.tasks(3, heads=True)).train_stream):
        others = strategy.flat.mask(strategy.other_heads(head)) == 0
        before = strategy.posterior
        strategy.train(experience, eval_streams=[])
        for old, new in zip(before, strategy.posterior, strict=True):
            assert torch.equal(old[others], new[others])
            assert (old != new)[~others].all()


def test_predictions_average_probabilities_over_gaussian_weights(lab, make):
    strategy = make()
    (task,) = lab.tasks(1)
    images, generator = task.images(CPU), lab.clone(strategy.test_noise)
    strategy.network.eval()
    with torch.no_grad():
        found = strategy.predict(images, 0).exp()
        mean, deviation = strategy.posterior
        parts = []
        for _ in range(4):
            strategy.flat.set(mean + deviation * torch.randn(len(mean), generator=generator))
            parts.append(strategy.network(images, 0).softmax(-1))
        strategy.flat.set(mean)
    torch.testing.assert_close(found, torch.stack(parts).mean(0))
