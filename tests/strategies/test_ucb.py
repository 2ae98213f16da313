"""UCB as Bayes by backprop with step sizes of its own."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from cl_bench.models import mlp
from cl_bench.strategies import UCB, VCL

SETTINGS: dict[str, Any] = {
    "kl_weight": 0.3,
    "prior_variance": 0.5,
    "initial_log_variance": -3.0,
    "num_samples": 1,
    "num_test_samples": 3,
}
VCLS = {
    "initial_mean_deviation": None,
    "restart": False,
    "coreset": "none",
    "coreset_size": 4,
    "coreset_epochs": 2,
}


@pytest.fixture
def make(lab):
    def make(cls: Any, *, num_heads: int = 1, power: float = 1.0, **changes: Any) -> Any:
        build = partial(mlp, hidden=[5], normalisation="none", num_heads=num_heads)
        model = lab.seeded_model(build, input_shape=(1, 2, 2), num_classes=3, weights="real")
        own = {"power": power} if cls is UCB else VCLS
        return cls(model=model, **SETTINGS, **own, **lab.settings(learning_rate=0.05, **changes))

    return make


@pytest.mark.parametrize("num_heads", [1, 2])
def test_the_first_task_is_vcl_s_bit_for_bit(lab, make, num_heads):
    first = next(iter(lab.benchmark(lab.tasks(2, heads=num_heads > 1)).train_stream))
    ucb, vcl = make(UCB, num_heads=num_heads), make(VCL, num_heads=num_heads)
    for strategy in (ucb, vcl):
        strategy.train(first, eval_streams=[])
    assert torch.equal(ucb.flat.values, vcl.flat.values)


def test_the_prior_stays_the_first_one(lab, make):
    strategy = make(UCB)
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    for part, first in zip(strategy.present_prior(), strategy.first_prior(), strict=True):
        assert torch.equal(part, first)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_a_step_of_a_mean_is_the_optimizers_times_its_uncertainty(lab, make, optimizer, power):
    """Every step has the uncertainties of the start of the task."""
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    strategy = make(UCB, power=power, optimizer=optimizer)
    strategy.train(first, eval_streams=[])
    deviation = strategy.posterior.log_variance.clone().div(2).exp()
    factors = (deviation / math.exp(-1.5)) ** power
    assert (factors.std() > 0) == (power > 0)
    step, ratios = strategy.optimizer_step, []

    def watched() -> None:
        before, state = strategy.flat.values.data.clone(), strategy.optimizer.state_dict()
        state = {"param_groups": state["param_groups"], "state": _copied(state["state"])}
        VCL.optimizer_step(strategy)
        plain = strategy.flat.values.data - before
        strategy.flat.set(before)
        strategy.optimizer.load_state_dict(state)
        step()
        taken = strategy.flat.values.data - before
        number = len(plain) // 2
        expected = torch.cat([plain[:number] * factors, plain[number:]])
        torch.testing.assert_close(taken, expected, rtol=1e-9, atol=1e-12)
        ratios.append(float(taken[:number].norm() / plain[:number].norm()))

    strategy.optimizer_step = watched
    strategy.train(second, eval_streams=[])
    assert len(ratios) == 6


def _copied(state: Any) -> Any:
    return {key: {name: each.clone() for name, each in part.items()} for key, part in state.items()}


def test_power_0_is_training_with_one_step_size(lab, make):
    """The second task is VCL's from the same weights, with the first prior."""
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    ucb, vcl = make(UCB, power=0.0), make(VCL)
    for strategy in (ucb, vcl):
        strategy.train(first, eval_streams=[])
    vcl.prior = vcl.first_prior()
    for strategy in (ucb, vcl):
        strategy.train(second, eval_streams=[])
    assert torch.equal(ucb.flat.values, vcl.flat.values)
