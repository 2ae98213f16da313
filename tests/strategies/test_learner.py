"""What the base class does for all strategies."""

import math
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn

from cl_bench.models import mlp
from cl_bench.strategies import Finetune


@pytest.fixture
def make(lab):
    def make(model: nn.Module | None = None, num_heads: int = 1, **changes: Any) -> Finetune:
        if model is None:
            model = lab.seeded_model(
                mlp,
                input_shape=(1, 2, 2),
                num_classes=3,
                num_heads=num_heads,
                hidden=[5],
                normalisation="none",
                weights="real",
            )
        return Finetune(model=model, **lab.settings(**changes))

    return make


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_second_task_is_trained_as_a_first_one_from_the_same_weights(lab, make, optimizer):
    """Nothing else is carried over: no state of the optimizer, no step of the schedule."""
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    going_on, fresh = (make(optimizer=optimizer, schedule="cosine") for _ in range(2))
    going_on.train(first, eval_streams=[])
    fresh.flat.set(going_on.flat.values.data)
    fresh.batch_order.restore(going_on.batch_order.state())
    for strategy in (going_on, fresh):
        strategy.train(second, eval_streams=[])
    assert torch.equal(going_on.flat.values, fresh.flat.values)


def test_training_equals_a_plain_loop_bit_for_bit(lab, make):
    tasks = lab.tasks(2, heads=True)
    strategy, other = make(num_heads=2), make(num_heads=2)
    network = other.network
    with torch.no_grad():
        for parameter in network.parameters():  # no views on a flat vector
            parameter.data, parameter.grad = parameter.data.clone(), None
    order = lab.clone(strategy.batch_order)
    for task in tasks:
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        images = task.images(torch.device("cpu"))
        for _ in range(2):
            for positions in torch.randperm(len(task), generator=order).split(4):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(
                    network(images[positions], task.head), task.labels[positions]
                )
                loss.backward()
                optimizer.step()
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    plain = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    torch.testing.assert_close(strategy.flat.values.data, plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.01] * 6),
        ("cosine", [0.01 * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]),
        ("cosine_by_epoch", [0.01, 0.01, 0.005, 0.005, 0.0, 0.0]),
    ],
)
def test_the_step_sizes_of_each_task_follow_the_schedule(lab, make, schedule, expected):
    strategy = make(schedule=schedule, epochs=3, batch_size=6)
    seen = StepSizes(strategy)
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    assert seen.sizes == pytest.approx(expected * 2, abs=1e-12)


def test_any_network_without_heads_will_do(lab, make):
    model = lab.seeded_model(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    strategy = make(model, epochs=100)
    benchmark = lab.benchmark(lab.tasks(1, num_examples=3))
    before = float(strategy.flat.values.data.abs().sum())
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert float(strategy.flat.values.data.abs().sum()) != before
    images = lab.tasks(1, num_examples=3)[0].images(torch.device("cpu"))
    assert torch.equal(strategy.predict(images, 0).argmax(1), lab.tasks(1, num_examples=3)[0].labels)


def test_a_prediction_is_a_log_probability(lab, make):
    images = lab.tasks(1)[0].images(torch.device("cpu"))
    with torch.no_grad():
        torch.testing.assert_close(make().predict(images, 0).exp().sum(1), torch.ones(12))


class StepSizes(SupervisedPlugin):
    """The step size that the optimizer had at each step."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.sizes: list[float] = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.sizes.append(strategy.optimizer.param_groups[0]["lr"])
