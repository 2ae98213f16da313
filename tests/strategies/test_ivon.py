"""IVON and CoVON against their updates written out over a tiny network, in the paper's letters."""

from functools import partial

import pytest
import torch

from cl_bench.models.parameters import scales
from cl_bench.strategies import IVON, CoVON

CPU = torch.device("cpu")
METHOD = {
    "kl_weight": 0.5,
    "first_kl_weight": None,
    "prior_variance": 0.3,
    "initial_curvature": 0.4,
    "gradient_momentum": 0.8,
    "curvature_momentum": 0.9,
    "clip": None,
    "num_samples": 1,
    "num_test_samples": 4,
}


@pytest.fixture
def network(lab):
    return partial(lab.small_network, weights="real")


@pytest.fixture
def make(lab, network):
    def make(method=None, model=None, cls=IVON, **changes):
        model = network() if model is None else model
        return cls(model=model, **(METHOD | (method or {})), **lab.settings(**changes))

    return make


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("method", "shares"),
    [
        ({}, None),
        ({"num_samples": 3, "clip": 0.05}, None),
        ({"first_kl_weight": 0.2, "gradient_momentum": 0.0}, None),
        ({}, (0.7, 0.4)),
    ],
    ids=["ivon", "samples and clip", "first weight", "covon"],
)
def test_two_tasks_equal_the_update_written_out(lab, make, network, method, shares):
    """h, d and s of the paper; batches of 5, 5 and 2, and the step size on its schedule."""
    tasks, settings = lab.tasks(2), METHOD | method
    merged = {} if shares is None else dict(zip(("mean_share", "precision_share"), shares, strict=True))
    changes = {"learning_rate": 0.2, "schedule": "cosine", "batch_size": 5}
    strategy = make(method | merged, cls=CoVON if merged else IVON, **changes)
    b1, b2, clip, samples = (
        settings[name] for name in ("gradient_momentum", "curvature_momentum", "clip", "num_samples")
    )
    reference, m = network(), strategy.posterior.mean.clone()
    m0 = strategy.flat.marked(scales(strategy.network))
    v0 = torch.full_like(m, 0.3)
    noise, order = lab.clone(strategy.noise), lab.clone(strategy.batch_order)
    for number, task in enumerate(tasks):
        weight = settings["first_kl_weight"] if number == 0 and settings["first_kl_weight"] else 0.5
        n, images = 12 / weight, task.images(CPU)
        d, h, g_bar, taken = 1 / (n * v0), torch.full_like(m, 0.4), torch.zeros_like(m), 0
        for _ in range(2):
            for positions in torch.randperm(12, generator=order).split(5):
                s = 1 / (n * (h + d)).sqrt()
                g_mean, h_mean = torch.zeros_like(m), torch.zeros_like(m)
                for _ in range(samples):
                    e = torch.randn(len(m), generator=noise)
                    g = lab.gradient_at(reference, m + s * e, images[positions], task.labels[positions])
                    g_mean += g / samples
                    h_mean += g * e / s / samples
                g_bar = b1 * g_bar + (1 - b1) * g_mean
                h = b2 * h + (1 - b2) * h_mean + (1 - b2) ** 2 * (h - h_mean) ** 2 / (2 * (h + d))
                alpha = 0.2 * (1 + torch.cos(torch.tensor(torch.pi * taken / 6))) / 2
                taken += 1
                direction = (g_bar / (1 - b1**taken) + d * (m - m0)) / (h + d)
                if clip is not None:
                    assert (direction.abs() > clip).any()
                    direction = direction.clamp(-clip, clip)
                m = m - alpha * direction
        if shares is None:
            m0, v0 = m, 1 / (n * (h + d))
        else:
            c_m, c_s = shares
            p0, p = 1 / v0, n * (h + d)
            v0 = 1 / (p0 + c_s * n * h)
            m0 = v0 * ((1 - c_m) * p0 * m0 + c_m * p * m)
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.posterior.mean, m, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(strategy.posterior.precision, n * (h + d), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(strategy.prior.mean, m0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(strategy.prior.precision, 1 / v0, rtol=1e-9, atol=1e-9)
    assert torch.equal(strategy.flat.values.data, strategy.posterior.mean)


@pytest.mark.parametrize("shares", [None, {"mean_share": 0.5, "precision_share": 0.5}])
def test_other_heads_keep_their_posterior_and_their_prior(lab, make, network, shares):
    strategy = make(shares, network(num_heads=3), cls=CoVON if shares else IVON)
    for head, experience in enumerate(lab.benchmark(lab.tasks(3, heads=True)).train_stream):
        others = strategy.flat.mask(strategy.other_heads(head)) == 0
        before = [*strategy.posterior, *strategy.prior]
        strategy.train(experience, eval_streams=[])
        for old, new in zip(before, [*strategy.posterior, *strategy.prior], strict=True):
            assert torch.equal(old[others], new[others])
            assert (old != new)[~others].any()


def test_with_whole_shares_covon_is_ivon(lab, make):
    tasks = lab.tasks(3)
    found = [make(), make({"mean_share": 1.0, "precision_share": 1.0}, cls=CoVON)]
    for strategy in found:
        strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    for one, other in zip(*(strategy.posterior for strategy in found), strict=True):
        torch.testing.assert_close(one, other)


def test_predictions_average_probabilities_over_gaussian_weights(lab, make):
    strategy = make()
    (task,) = lab.tasks(1)
    images, generator = task.images(CPU), lab.clone(strategy.test_noise)
    strategy.network.eval()
    with torch.no_grad():
        found = strategy.predict(images, 0).exp()
        mean, precision = strategy.posterior
        parts = []
        for _ in range(4):
            strategy.flat.set(mean + torch.randn(len(mean), generator=generator) / precision.sqrt())
            parts.append(strategy.network(images, 0).softmax(-1))
        strategy.flat.set(mean)
    torch.testing.assert_close(found, torch.stack(parts).mean(0))


def test_a_weight_is_frozen_beside_its_start_and_not_beside_the_wide_prior(lab, make):
    strategy = make({"initial_curvature": 300.0})
    (experience,) = lab.benchmark(lab.tasks(1)).train_stream
    assert strategy.frozen_share() == 0
    strategy.train(experience, eval_streams=[])
    first = strategy.first_prior().log_variance
    assert (strategy.belief().log_variance < first + 2 * torch.tensor(0.1).log()).any()
    assert strategy.frozen_share() == 0
