"""Synaptic intelligence against a loop written by hand."""

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor
from torch.nn import functional as F

from cl_bench.models import mlp
from cl_bench.strategies import SI


def make(
    lab, *, num_heads: int = 1, strength: float = 2.0, damping: float = 0.1, path: str = "loss", **changes
):
    model = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=num_heads,
        hidden=[5],
        normalisation="none",
        weights="real",
    )
    return SI(model=model, strength=strength, damping=damping, path=path, **lab.settings(**changes))


def by_hand(lab, tasks, *, strength: float, damping: float, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Full-batch gradient descent with the penalty; omega of the loss's own gradient. Weights, Omega."""
    strategy = make(lab)  # for its network alone
    parameters = list(strategy.network.parameters())
    importance = [torch.zeros_like(part) for part in parameters]
    centre = [part.detach().clone() for part in parameters]
    for task in tasks:
        omega = [torch.zeros_like(part) for part in parameters]
        images = task.images(torch.device("cpu"))
        for _ in range(steps):
            gradients = torch.autograd.grad(
                F.cross_entropy(strategy.network(images, 0), task.labels), parameters
            )
            for k, (part, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                full = gradient + 2 * strength * importance[k] * (part.detach() - centre[k])
                omega[k] = omega[k] + gradient * rate * full
                part.data = part.data - rate * full
        for k, part in enumerate(parameters):
            importance[k] = (importance[k] + omega[k] / ((part.detach() - centre[k]) ** 2 + damping)).relu()
            centre[k] = part.detach().clone()
    return tuple(
        torch.cat([part.detach().reshape(-1) for part in parts]) for parts in (parameters, importance)
    )


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("damping", [0.1, 0.003])
def test_it_does_what_a_loop_written_by_hand_does_over_three_tasks(lab, damping):
    tasks = lab.tasks(3)
    strategy = make(lab, damping=damping, optimizer="sgd", learning_rate=0.2, epochs=30, batch_size=12)
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    weights, importance = by_hand(lab, tasks, strength=2.0, damping=damping, steps=30, rate=0.2)
    torch.testing.assert_close(strategy.flat.values.data, weights, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(strategy.penalty.precision, importance, rtol=1e-9, atol=1e-9)
    assert importance.max() > 0.05


@pytest.mark.parametrize("strength", [0.0, 5.0])
def test_the_shares_of_a_task_add_up_to_the_fall_of_its_loss(lab, strength):
    """Also in the second task with the penalty, whose gradient stays out of it."""
    tasks = lab.tasks(2)
    strategy = make(lab, strength=strength, optimizer="sgd", learning_rate=5e-3, epochs=1000, batch_size=12)
    seen = Shares(strategy)
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        images = task.images(torch.device("cpu"))

        def loss(images: Tensor = images, labels: Tensor = task.labels) -> float:
            with torch.no_grad():
                return float(F.cross_entropy(strategy.network(images, 0), labels))

        start = loss()
        strategy.train(experience, eval_streams=[])
        assert start - loss() > 0.04
        assert float(seen.share.sum()) == pytest.approx(start - loss(), rel=0.01)
    assert (strategy.penalty.precision > 0).any()


class Shares(SupervisedPlugin):
    """omega at the end of each epoch, before it becomes an importance."""

    def __init__(self, strategy: SI) -> None:
        super().__init__()
        strategy.plugins.insert(0, self)

    def after_training_epoch(self, strategy: SI, **kwargs: object) -> None:
        self.share = strategy.share.clone()


def test_every_task_starts_a_path_of_its_own_and_other_heads_have_no_share(lab):
    tasks = lab.tasks(2, heads=True)
    strategy = make(lab, num_heads=2)
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    assert not strategy.share.any()
    bias = strategy.penalty.precision[-6:]
    assert bias[:3].any()
    assert not bias[3:].any()
    strategy.train(second, eval_streams=[])
    assert torch.equal(strategy.penalty.precision[-6:-3], bias[:3])
    assert strategy.penalty.precision[-3:].any()
