"""What the base class does for all strategies."""

import math
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn

from cl_bench.learner.batches import batches_of
from cl_bench.learner.seeds import Seeds
from cl_bench.models import mlp
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors import fisher
from cl_bench.strategies import EWC, Finetune


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


@pytest.mark.usefixtures("double_precision")
def test_training_equals_a_plain_loop(lab, make):
    tasks = lab.tasks(2, heads=True)
    strategy, other = make(num_heads=2), make(num_heads=2)
    network = other.network
    with torch.no_grad():
        for parameter in network.parameters():  # no views on a flat vector
            parameter.data, parameter.grad = parameter.data.clone(), None
    order = lab.clone(strategy.batch_order)
    for task in tasks:
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
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
    # the fused kernel treats the end of a tensor apart, and one vector has other ends than its parts
    torch.testing.assert_close(strategy.flat.values.data, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.01] * 6),
        ("cosine", [0.01 * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]),
        ("cosine_by_epoch", [0.01, 0.01, 0.005, 0.005, 0.0, 0.0]),
        ("cosine_epoch_end", [0.0075, 0.0075, 0.0025, 0.0025, 0.0, 0.0]),
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


def test_there_must_be_seeds_for_every_network_of_a_stack(lab, make):
    one = make().network
    for model, seeds in ((one, [Seeds(0), Seeds(1)]), (StackedNetwork([one, one]), [Seeds(0)])):
        with pytest.raises(
            ValueError, match=f"{type(model).__name__} cannot be trained with {len(seeds)} Seeds"
        ):
            make(model, seeds=seeds)


# Augmentation


@pytest.fixture
def inverted(lab):
    """Two tasks whose augmentation inverts every pixel, and what it was called with."""
    tasks, drawn = lab.tasks(2), []

    def invert(pixels, *, generator):
        drawn.append(torch.rand(1, generator=generator).item())
        return 255 - pixels

    for task in tasks:
        task.augment = invert
    return tasks, drawn


def rows(images):
    return sorted(tuple(image.flatten().tolist()) for image in images)


def test_training_batches_are_augmented_and_test_batches_are_not(lab, make, inverted):
    tasks, drawn = inverted
    strategy, benchmark = make(), lab.benchmark(tasks)
    seen = Images(strategy)
    for task, experience in zip(tasks, benchmark.train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        changed = task.to_float(255 - task.pixels(torch.device("cpu")))
        assert rows(torch.cat(seen.trained)) == rows(torch.cat([changed, changed])), "in each of two epochs"
        seen.trained.clear()
    before = len(drawn), lab.snapshot(strategy)
    strategy.eval(benchmark.test_stream)
    assert torch.equal(
        torch.cat(seen.tested), torch.cat([task.images(torch.device("cpu")) for task in tasks])
    )
    assert len(drawn) == before[0] == 2 * 2 * 3
    assert lab.same(lab.snapshot(strategy), before[1])
    assert len(set(drawn)) == len(drawn), "drawn anew for every batch"


def test_the_fisher_information_is_that_of_the_images_themselves(lab, make, inverted):
    tasks, _ = inverted
    method = {"strength": 1.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"}
    strategy = EWC(model=make().network, **method, **lab.settings())
    strategy.train(lab.benchmark(tasks[:1]).train_stream, eval_streams=[])
    tasks[0].augment = None
    batches = batches_of(tasks[:1], batch_size=1000, device=torch.device("cpu"))
    expected = fisher.diagonal(strategy.network.eval(), batches, estimator="exact", generator=None)
    assert torch.equal(strategy.penalty.precision, expected)


def test_augmentation_draws_nothing_from_the_other_generators(lab, make, inverted):
    tasks, drawn = inverted
    labels, states = [], []
    for augmented in (True, False):
        for task in tasks:
            task.augment = task.augment if augmented else None
        strategy = make(learning_rate=1e-6)
        seen = Images(strategy)
        strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
        labels.append(torch.cat(seen.labels))
        states.append(lab.snapshot(strategy))
    assert drawn
    assert torch.equal(*labels)
    assert torch.equal(states[0]["batches"], states[1]["batches"])
    assert torch.equal(states[0]["noise"], states[1]["noise"])
    assert not torch.equal(states[0]["augmentation"], states[1]["augmentation"])


# Test noise


class Noisy(Finetune):
    """Predicts random numbers, the same for every example."""

    def predict(self, images, task):
        return self.test_noise.normal_like(torch.zeros(3)).log_softmax(0).expand(len(images), 3)


def test_every_batch_of_a_test_draws_the_same_and_every_test_other_numbers(lab, make):
    benchmark = lab.benchmark(lab.tasks(2))
    of_size = {}
    for size in (5, 12):
        strategy = Noisy(model=make().network, **lab.settings(test_batch_size=size))
        seen = Images(strategy)
        for _ in range(2):
            strategy.eval(benchmark.test_stream)
        of_size[size] = torch.cat(seen.outputs)
    assert torch.equal(of_size[5], of_size[12])
    tests = of_size[5].view(4, 12, 3)  # two evaluations of two tasks
    for one in tests:
        assert torch.equal(one, one[:1].expand(12, 3))
    assert len(tests[:, 0, 0].unique()) == 4


class Images(SupervisedPlugin):
    """The batches of training and of tests."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.trained: list = []
        self.labels: list = []
        self.tested: list = []
        self.outputs: list = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.trained.append(strategy.mb_x)
        self.labels.append(strategy.mb_y)

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.tested.append(strategy.mb_x)
        self.outputs.append(strategy.mb_output)


class StepSizes(SupervisedPlugin):
    """The step size that the optimizer had at each step."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.sizes: list[float] = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.sizes.append(strategy.optimizer.param_groups[0]["lr"])
