"""FROMP: its objective by finite differences, what it remembers, and when it is fine-tuning."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.models import cnn, mlp
from cl_bench.posteriors import fisher, function_prior
from cl_bench.strategies import Finetune, FunctionPrior

CPU = torch.device("cpu")
NETWORKS = {
    "dense": partial(mlp, hidden=[5], normalisation="none"),
    "convolutions": partial(cnn, channels=[3], hidden=4, normalisation="batch"),
}


@pytest.fixture
def make(lab):
    def make(
        cls: Any = FunctionPrior,
        *,
        network: str = "dense",
        num_heads: int = 1,
        method: Any = None,
        **changes: Any,
    ) -> Any:
        model = lab.seeded_model(
            NETWORKS[network], input_shape=(1, 2, 2), num_classes=3, num_heads=num_heads, weights="real"
        )
        settings = {
            "strength": 2.0,
            "memory_size": 6,
            "selection": "memorable",
            "prior_precision": 0.5,
            "jitter": 1e-3,
        } | (method or {})
        return cls(model=model, **(settings if cls is FunctionPrior else {}), **lab.settings(**changes))

    return make


@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_gradient_is_that_of_the_loss_and_the_prior_at_all_old_points(lab, make, network, num_heads):
    """By finite differences in double precision, in the third task."""
    tasks = lab.tasks(3, heads=num_heads > 1)
    strategy = make(network=network, num_heads=num_heads)
    experiences = list(lab.benchmark(tasks).train_stream)
    for experience in experiences[:2]:
        strategy.train(experience, eval_streams=[])
    # from here on in double precision
    model = strategy.network.double()
    strategy.flat = type(strategy.flat)(model.parameters())
    strategy.precision = strategy.precision.double()
    strategy.points = [points._replace(images=points.images.double()) for points in strategy.points]
    strategy.experience = experiences[2]
    strategy._before_training_exp()
    # the prior once more, from the parts
    model.eval()
    parts = []
    for points in strategy.points:
        old = model(points.images, points.head).softmax(-1).detach()
        kernels = function_prior.kernels(model, points.images, points.head, 1 / strategy.precision)
        parts.append((points, old, torch.linalg.inv(kernels + 1e-3 * torch.eye(6, dtype=torch.float64))))
    theta = strategy.flat.values.data.clone()
    theta += 0.3 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    images, labels, head = tasks[2].images(CPU).double(), tasks[2].labels, tasks[2].head

    strategy.flat.set(theta)
    lab.batch(strategy, images, labels, head)  # batch norm has new statistics after it

    def penalty() -> Tensor:
        model.eval()
        total = torch.zeros(())
        for points, old, inverses in parts:
            change = model(points.images, points.head).softmax(-1) - old
            total = total + torch.einsum("mc,cmn,nc->", change, inverses, change) / 2
        model.train()
        return total

    def objective(weights: Tensor) -> float:
        strategy.flat.set(weights)
        with torch.no_grad():
            statistics = [buffer.clone() for buffer in model.buffers()]
            value = float(F.cross_entropy(model(images, head), labels))
            for buffer, before in zip(model.buffers(), statistics, strict=True):
                buffer.copy_(before)
            return value + 2.0 / len(labels) * float(penalty())

    numeric = torch.zeros_like(theta)
    for index in range(len(theta)):
        step = torch.zeros_like(theta)
        step[index] = 1e-6
        numeric[index] = (objective(theta + step) - objective(theta - step)) / 2e-6
    torch.testing.assert_close(strategy.flat.gradients, numeric, rtol=1e-5, atol=1e-6)
    assert float(strategy.loss.detach()) == pytest.approx(objective(theta), rel=1e-6)  # single precision
    strategy.flat.set(theta)
    assert float(penalty().detach()) > 0.1
    assert len(parts) == 2


def test_before_the_first_step_of_a_task_the_prior_is_at_its_mean(lab, make):
    strategy = make(num_heads=2)
    first, second = lab.benchmark(lab.tasks(2, heads=True)).train_stream
    strategy.train(first, eval_streams=[])
    strategy.experience = second
    strategy._before_training_exp()
    (prior,), (mean,) = strategy.priors, strategy._means()
    assert torch.equal(prior.mean, mean)
    assert strategy.network.training


@pytest.mark.usefixtures("double_precision")
def test_the_precision_is_the_prior_s_and_the_sum_over_examples_of_the_fisher(lab, make):
    tasks = lab.tasks(2, num_examples=10)
    strategy = make()
    expected = torch.full_like(strategy.flat.values.data, 0.5)
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        batches = [(task.images(CPU), task.labels, 0)]
        expected += 10 * fisher.diagonal(
            strategy.network.eval(), batches, estimator="exact", generator=torch.Generator()
        )
    torch.testing.assert_close(strategy.precision, expected, rtol=1e-9, atol=1e-9)
    assert strategy.precision.max() > 1


@pytest.mark.parametrize("selection", ["memorable", "random"])
def test_it_remembers_images_of_each_task_equally_many_of_each_class(lab, make, selection):
    tasks = lab.tasks(2, num_examples=15, heads=True)
    strategy = make(num_heads=2, method={"selection": selection})
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        points = strategy.points[-1]
        kept = [positions_of(image, task.images(CPU)) for image in points.images]
        assert points.head == task.head
        assert sorted(task.labels[kept].tolist()) == [0, 0, 1, 1, 2, 2]
        with torch.no_grad():
            scores = function_prior.uncertainty(strategy.network(task.images(CPU), task.head))
        most = [
            position
            for label in range(3)
            for position in sorted(
                (task.labels == label).nonzero().flatten().tolist(), key=lambda each: -scores[each]
            )[:2]
        ]
        assert (sorted(kept) == sorted(most)) == (selection == "memorable")


def positions_of(image: Tensor, images: Tensor) -> int:
    (position,) = [index for index, each in enumerate(images) if torch.equal(each, image)]
    return position


@pytest.mark.parametrize("selection", ["memorable", "random"])
def test_strength_0_is_fine_tuning_bit_for_bit(lab, make, selection):
    experiences = lab.benchmark(lab.tasks(3, heads=True)).train_stream
    method = make(num_heads=3, method={"strength": 0.0, "selection": selection})
    plain = make(Finetune, num_heads=3)
    for strategy in (method, plain):
        strategy.train(experiences, eval_streams=[])
    assert torch.equal(method.flat.values, plain.flat.values)
    assert len(method.points) == 3


def test_the_first_task_is_fine_tuning_and_the_second_is_not(lab, make):
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    method, plain = make(), make(Finetune)
    for strategy in (method, plain):
        strategy.train(first, eval_streams=[])
    assert torch.equal(method.flat.values, plain.flat.values)
    for strategy in (method, plain):
        strategy.train(second, eval_streams=[])
    assert not torch.equal(method.flat.values, plain.flat.values)


def probabilities(strategy: Any, points: Any) -> Tensor:
    with torch.no_grad():
        return strategy.network.eval()(points.images, points.head).softmax(dim=1)


def test_a_strong_prior_keeps_the_probabilities_of_the_remembered_images(lab, make):
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    changes = []
    for strength in (1e-3, 1e3):
        strategy = make(method={"strength": strength}, epochs=20)
        strategy.train(first, eval_streams=[])
        (remembered,) = strategy.points
        before = probabilities(strategy, remembered)
        strategy.train(second, eval_streams=[])
        changes.append(float((probabilities(strategy, remembered) - before).abs().max()))
    assert changes[1] < changes[0] / 10


def test_what_is_remembered_belongs_to_the_hash(lab, make):
    strategy = make()
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    for tensor in (strategy.points[0].images, strategy.precision):
        before = weights_sha256(strategy)
        tensor.view(-1)[0] += 1
        assert weights_sha256(strategy) != before
