"""EWC against loops over single examples, finite differences and fine-tuning."""

from functools import partial
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor
from torch.nn import functional as F

from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.models import cnn, mlp
from cl_bench.strategies import EWC, Finetune

NETWORKS = {
    "linear layers only": partial(mlp, hidden=[5], normalisation="none"),
    "layer normalisation": partial(mlp, hidden=[5], normalisation="layer"),
    "convolutions": partial(cnn, channels=[3], hidden=4, normalisation="group"),
}


@pytest.fixture
def make(lab):
    """An EWC learner on a small network."""

    def make(
        network: str = "linear layers only",
        num_heads: int = 1,
        cls: type = EWC,
        method: dict | None = None,
        **changes: Any,
    ) -> Any:
        model = lab.seeded_model(
            NETWORKS[network], input_shape=(1, 2, 2), num_classes=3, num_heads=num_heads, weights="real"
        )
        defaults = {"strength": 10.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"}
        return cls(
            model=model, **(defaults | (method or {}) if cls is EWC else {}), **lab.settings(**changes)
        )

    return make


def fisher_by_loop(strategy: EWC, task: Any, estimator: str) -> Tensor:
    """1/N sum_n sum_y p(y | x_n) (d log p(y | x_n))^2, one backward pass for each example and class."""
    network = strategy.network.eval()
    parameters = list(network.parameters())
    total = torch.zeros(len(strategy.flat))
    for image, label in zip(task.images(torch.device("cpu")), task.labels, strict=True):
        logits = network(image[None], task.head)[0]
        for y, probability in enumerate(logits.softmax(0).detach()):
            weight = probability if estimator == "exact" else float(y == label)
            gradients = torch.autograd.grad(
                F.log_softmax(logits, 0)[y], parameters, retain_graph=True, materialize_grads=True
            )
            total += weight * torch.cat([gradient.reshape(-1) for gradient in gradients]) ** 2
    network.train()
    return total / len(task)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("mode", ["separate", "online"])
@pytest.mark.parametrize("estimator", ["exact", "empirical"])
def test_after_the_first_task_the_penalty_is_its_fisher_around_its_weights(
    lab, make, network, mode, estimator
):
    (task,) = lab.tasks(1)
    strategy = make(network, method={"mode": mode, "fisher_estimator": estimator})
    start = strategy.flat.values.data.clone()
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    weights = torch.cat([parameter.detach().reshape(-1) for parameter in strategy.network.parameters()])
    assert not torch.equal(weights, start)
    assert torch.equal(strategy.penalty.centre, weights)
    expected = fisher_by_loop(strategy, task, estimator)
    assert expected.max() > 1e-3
    torch.testing.assert_close(strategy.penalty.precision, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("double_precision")
def test_separate_penalties_keep_each_task_s_own_weights_and_online_ones_decay(lab, make):
    tasks = lab.tasks(2)
    fishers, precisions = {}, {}
    for mode in ("separate", "online"):
        strategy = make(method={"mode": mode, "decay": 0.25, "strength": 1.0})
        fishers[mode] = []
        for experience, task in zip(lab.benchmark(tasks).train_stream, tasks, strict=True):
            strategy.train(experience, eval_streams=[])
            fishers[mode].append(fisher_by_loop(strategy, task, "exact"))
        precisions[mode] = strategy.penalty.precision
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
    close(precisions["separate"], fishers["separate"][0] + fishers["separate"][1])
    close(precisions["online"], 0.25 * fishers["online"][0] + fishers["online"][1])
    assert torch.equal(strategy.penalty.centre, strategy.flat.values.data)


@pytest.mark.parametrize("estimator", ["exact", "sampled", "empirical"])
def test_no_batch_size_changes_the_fisher(lab, make, estimator):
    (task,) = lab.tasks(1, num_examples=40)
    found = []
    # a whole-task batch size trains the same way when there is one batch: only the Fisher could differ
    for batch_size, test_batch_size in ((40, 1), (40, 7), (40, 1000), (64, 40)):
        strategy = make(
            method={"fisher_estimator": estimator},
            optimizer="sgd",
            batch_size=batch_size,
            test_batch_size=test_batch_size,
        )
        strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
        found.append(strategy.penalty)
    for penalty in found:
        assert torch.equal(penalty.precision, found[0].precision)
        assert torch.equal(penalty.centre, found[0].centre)


def test_small_training_batches_leave_the_size_of_the_fisher_as_it_is(lab, make):
    """A Fisher of squared batch means would shrink about as the batch grows: here by 40."""
    (task,) = lab.tasks(1, num_examples=40)
    sums = []
    for batch_size in (1, 40):
        strategy = make(batch_size=batch_size, optimizer="sgd", learning_rate=1e-5)
        strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
        sums.append(float(strategy.penalty.precision.sum()))
    assert sums[0] == pytest.approx(sums[1], rel=0.01)


def test_batched_is_the_empirical_fisher_at_batches_of_one_and_shrinks_as_they_grow(lab, make):
    (task,) = lab.tasks(1, num_examples=40)
    sums = {}
    for estimator, batch_size in (("empirical", 1), ("batched", 1), ("batched", 40)):
        settings = {"batch_size": batch_size, "optimizer": "sgd", "learning_rate": 1e-5}
        strategy = make(method={"fisher_estimator": estimator}, **settings)
        strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
        sums[estimator, batch_size] = float(strategy.penalty.precision.sum())
    assert sums["batched", 1] == pytest.approx(sums["empirical", 1], rel=1e-4)
    assert sums["batched", 40] < sums["batched", 1] / 5


@pytest.mark.parametrize("num_heads", [1, 3])
def test_the_gradient_is_that_of_the_loss_and_every_quadratic_penalty(lab, make, num_heads):
    """By finite differences in double precision, after two tasks, whose penalties are kept apart here."""
    tasks = lab.tasks(3, heads=num_heads > 1)
    strategy = make(num_heads=num_heads, method={"strength": 3.0})
    kept = []
    for experience in list(lab.benchmark(tasks).train_stream)[:2]:
        old = strategy.penalty.precision
        strategy.train(experience, eval_streams=[])
        kept.append(
            (strategy.penalty.precision.double() - old.double(), strategy.flat.values.data.double().clone())
        )
    images, labels = tasks[2].images(torch.device("cpu")).double(), tasks[2].labels
    head = tasks[2].head
    network = strategy.network.double()
    strategy.flat = type(strategy.flat)(network.parameters())
    strategy.penalty = type(strategy.penalty)(*(part.double() for part in strategy.penalty))
    generator = torch.Generator().manual_seed(1)
    theta = strategy.flat.values.data.clone()
    theta += 0.1 * torch.randn(theta.shape, generator=generator, dtype=torch.float64)

    def objective(weights: Tensor) -> float:
        strategy.flat.set(weights)
        with torch.no_grad():
            loss = F.cross_entropy(network(images, head), labels)
        penalty = sum((fisher * (weights - centre) ** 2).sum() for fisher, centre in kept)
        return float(loss + 3.0 / 2 * penalty)

    numeric = torch.zeros_like(theta)
    for index in range(len(theta)):
        step = torch.zeros_like(theta)
        step[index] = 1e-5
        numeric[index] = (objective(theta + step) - objective(theta - step)) / 2e-5
    strategy.flat.set(theta)
    lab.batch(strategy, images, labels, head)
    torch.testing.assert_close(strategy.flat.gradients, numeric, rtol=1e-5, atol=1e-6)
    plain = F.cross_entropy(network(images, head), labels)
    gradient = torch.autograd.grad(plain, list(network.parameters()), materialize_grads=True)
    difference = strategy.flat.gradients - torch.cat([part.reshape(-1) for part in gradient])
    assert difference.abs().max() > 0.01, "the penalty has a share in it"


def test_strength_0_is_fine_tuning_bit_for_bit(lab, make):
    tasks = lab.tasks(3)
    ewc, plain = make(method={"strength": 0.0}), make(cls=Finetune)
    for strategy in (ewc, plain):
        strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert ewc.penalty.precision.max() > 0
    assert torch.equal(ewc.flat.values, plain.flat.values)


@pytest.mark.parametrize("mode", ["separate", "online"])
def test_a_positive_strength_first_shows_at_the_second_task(lab, make, mode):
    tasks = lab.tasks(2)
    ewc, plain = make(method={"mode": mode}), make(cls=Finetune)
    first, second = lab.benchmark(tasks).train_stream
    for strategy in (ewc, plain):
        strategy.train(first, eval_streams=[])
    assert torch.equal(ewc.flat.values, plain.flat.values)
    for strategy in (ewc, plain):
        strategy.train(second, eval_streams=[])
    assert not torch.equal(ewc.flat.values, plain.flat.values)


def test_a_large_strength_holds_the_important_weights_and_leaves_others_free(lab, make):
    tasks = lab.tasks(2)
    moved = []
    for share in (0.0, 1.0):
        strategy = make(method={"strength": 0.0}, optimizer="sgd", learning_rate=0.1, epochs=100)
        first, second = lab.benchmark(tasks).train_stream
        strategy.train(first, eval_streams=[])
        importance = strategy.penalty.precision
        # as large as gradient descent bears: a step of the most important weight ends at its centre
        strategy.strength = share / (0.1 * float(importance.max()))
        before = strategy.flat.values.data.clone()
        strategy.train(second, eval_streams=[])
        moved.append((strategy.flat.values.data - before).abs())
    free, held = moved
    important = importance >= importance.quantile(0.75)
    others = importance <= importance.quantile(0.25)
    assert free[important].mean() > 0.1
    assert held[important].mean() < 0.1 * free[important].mean()
    assert held[others].mean() > 3 * held[important].mean()


def test_the_penalty_stands_still_during_a_task(lab, make):
    strategy = make()
    seen = Penalties(strategy)
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    second = seen.penalties[len(seen.penalties) // 2 :]
    for penalty in second:
        assert torch.equal(penalty.precision, second[0].precision)
        assert torch.equal(penalty.centre, second[0].centre)


class Penalties(SupervisedPlugin):
    """A copy of the penalty at every step."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.penalties: list = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.penalties.append(type(strategy.penalty)(*(part.clone() for part in strategy.penalty)))


def test_the_weights_hash_covers_the_penalty(lab, make):
    strategy = make()
    strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])
    before = weights_sha256(strategy)
    strategy.penalty.precision[0] += 1
    assert weights_sha256(strategy) != before
