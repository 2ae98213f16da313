"""GVCL as an extension of VCL."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from cl_bench.models import mlp
from cl_bench.strategies import GVCL, VCL

SETTINGS: dict[str, Any] = {
    "kl_weight": 1.0,
    "prior_variance": 0.5,
    "initial_log_variance": -3.0,
    "initial_mean_deviation": None,
    "restart": False,
    "num_samples": 1,
    "num_test_samples": 3,
    "coreset": "none",
    "coreset_size": 4,
    "coreset_epochs": 2,
}


@pytest.fixture
def make(lab):
    def make(cls: Any, *, num_heads: int = 1, method: Any = None, **changes: Any) -> Any:
        build = partial(mlp, hidden=[5], normalisation="none", num_heads=num_heads)
        model = lab.seeded_model(build, input_shape=(1, 2, 2), num_classes=3, weights="real")
        return cls(model=model, **SETTINGS | (method or {}), **lab.settings(**changes))

    return make


@pytest.mark.parametrize("changes", [{}, {"coreset": "random"}, {"restart": True, "kl_weight": 0.3}])
@pytest.mark.parametrize("num_heads", [1, 3])
def test_strength_1_is_vcl_bit_for_bit(lab, make, num_heads, changes):
    tasks = lab.tasks(3, heads=num_heads > 1)
    gvcl = make(GVCL, num_heads=num_heads, method={"strength": 1.0} | changes, learning_rate=0.05)
    vcl = make(VCL, num_heads=num_heads, method=changes, learning_rate=0.05)
    for strategy in (gvcl, vcl):
        strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
        strategy.eval(lab.benchmark(tasks).test_stream)
    assert lab.same(lab.snapshot(gvcl), lab.snapshot(vcl))


@pytest.mark.usefixtures("double_precision")
def test_the_strength_first_shows_at_the_second_task(lab, make):
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    gvcl = make(GVCL, method={"strength": 50.0}, epochs=40)
    vcl = make(VCL, epochs=40)
    for strategy in (gvcl, vcl):
        strategy.train(first, eval_streams=[])
    torch.testing.assert_close(gvcl.flat.values, vcl.flat.values, rtol=1e-9, atol=1e-9)
    moved = []
    for strategy in (gvcl, vcl):
        before = strategy.posterior.mean.clone()
        strategy.train(second, eval_streams=[])
        moved.append(float((strategy.posterior.mean - before).norm()))
    assert moved[0] < 0.8 * moved[1]


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("strength", [0.5, 20.0])
def test_the_gradient_is_autograd_s_of_the_likelihood_and_the_papers_divergence(lab, make, strength):
    """At the second task, with the noise of the layers drawn alike."""
    tasks = lab.tasks(2)
    strategy = make(GVCL, method={"strength": strength, "kl_weight": 0.4}, learning_rate=0.05)
    strategy.train(next(iter(lab.benchmark(tasks).train_stream)), eval_streams=[])
    prior = strategy.prior
    strategy.flat.values.data += 0.05
    mean, log_variance = (part.clone().requires_grad_() for part in strategy.posterior)
    precision = (-prior.log_variance).exp()
    quadratic = precision + (strength - 1) * (precision - 2.0).clamp_min(0)
    kl = (
        (log_variance - prior.log_variance).exp()
        - (log_variance - prior.log_variance)
        - 1
        + (mean - prior.mean) ** 2 * quadratic
    ).sum() / 2
    (0.4 * kl / len(tasks[1])).backward()
    images, labels = tasks[1].images(torch.device("cpu")), tasks[1].labels
    noise = strategy.noise.state()
    strategy.flat.zero_gradients()
    F.cross_entropy(strategy.network.train()(images, 0), labels).backward()
    expected = strategy.flat.gradients + torch.cat([mean.grad, log_variance.grad])
    strategy.noise.restore(noise)
    lab.batch(strategy, images, labels)
    torch.testing.assert_close(strategy.flat.gradients, expected, rtol=1e-9, atol=1e-9)
    assert math.isclose(strategy.first_log_variance, math.log(0.5))
