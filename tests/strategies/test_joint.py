"""Joint training: which examples it sees, and that a restart is a fresh start."""

from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch.nn import functional as F

from cl_bench.models import mlp
from cl_bench.strategies import Finetune, Joint


@pytest.fixture
def make(lab):
    def make(
        num_heads: int = 1, restart: bool | None = True, normalisation: str = "none", **changes: Any
    ) -> Any:
        model = lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=3,
            num_heads=num_heads,
            hidden=[6],
            normalisation=normalisation,
            weights="real",
        )
        settings = lab.settings(**changes)
        return (
            Finetune(model=model, **settings)
            if restart is None
            else Joint(model=model, restart=restart, **settings)
        )

    return make


@pytest.mark.parametrize("heads", [False, True])
def test_every_epoch_shows_each_example_of_all_tasks_so_far_once(lab, make, heads):
    tasks = [lab.tasks(1, num_examples=n, seed=n)[0] for n in (12, 7, 10)]
    for number, task in enumerate(tasks):
        task.head = number if heads else 0
    strategy = make(num_heads=3 if heads else 1)
    seen = Examples(strategy)
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert len(seen.epochs) == 6
    for number, epoch in enumerate(seen.epochs):
        expected = [
            (tuple(image.flatten().tolist()), int(label), task.head)
            for task in tasks[: number // 2 + 1]
            for image, label in zip(task.images(torch.device("cpu")), task.labels, strict=True)
        ]
        assert sorted(epoch) == sorted(expected)
    if heads:
        assert seen.mixed, "tasks are shuffled together"
    assert seen.epochs[-1] != seen.epochs[-2], "each epoch shuffles anew"


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_a_restart_equals_a_fresh_network_trained_on_the_union(lab, make, normalisation):
    tasks = lab.tasks(2)
    strategy = make(normalisation=normalisation)
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    order = strategy.batch_order.state()
    strategy.train(second, eval_streams=[])
    union = lab.task(
        torch.cat([task.shared.images for task in tasks]), torch.cat([task.labels for task in tasks])
    )
    fresh = make(restart=None, normalisation=normalisation)
    fresh.batch_order.restore(order)
    fresh.train(lab.benchmark([union]).train_stream, eval_streams=[])
    assert lab.same(strategy.network.state_dict(), fresh.network.state_dict())


def test_without_a_restart_training_goes_on_from_the_present_weights(lab, make):
    tasks = lab.tasks(2)
    weights = []
    for restart in (True, False):
        strategy = make(restart=restart, learning_rate=1e-6)
        initial = strategy.flat.values.data.clone()
        first, second = lab.benchmark(tasks).train_stream
        strategy.train(first, eval_streams=[])
        strategy.flat.values.data.add_(1)
        strategy.train(second, eval_streams=[])
        weights.append(strategy.flat.values.data.clone())
    torch.testing.assert_close(weights[0], initial, rtol=0, atol=1e-4)
    torch.testing.assert_close(weights[1], initial + 1, rtol=0, atol=1e-4)


def test_in_a_mixed_batch_every_example_goes_to_its_own_head(lab, make):
    strategy = make(num_heads=3)
    images = torch.cat([task.images(torch.device("cpu")) for task in lab.tasks(1, num_examples=9)])
    labels, heads = torch.arange(9) % 3, torch.tensor([0, 2, 2, 0, 2, 0, 0, 0, 2])
    lab.batch(strategy, images, labels, heads)
    single = [strategy.network(images[n : n + 1], int(heads[n]))[0] for n in range(9)]
    torch.testing.assert_close(strategy.mb_output, torch.stack(single))
    found = strategy.flat.gradients.clone()
    strategy.flat.zero_gradients()
    torch.stack(
        [F.cross_entropy(out, label) for out, label in zip(single, labels, strict=True)]
    ).mean().backward()
    torch.testing.assert_close(found, strategy.flat.gradients)
    rows = strategy.network.heads.linear.weight.grad.unflatten(0, (3, 3)).abs().sum(dim=(1, 2))
    assert rows[0] > 0
    assert rows[1] == 0
    assert rows[2] > 0


class Examples(SupervisedPlugin):
    """The examples of each epoch as (pixels, label, head)."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.epochs: list[list] = []
        self.mixed = False
        strategy.plugins.insert(0, self)

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.epochs.append([])

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        images, labels, heads = strategy.mbatch
        self.mixed |= isinstance(heads, torch.Tensor)
        for image, label, head in zip(
            images, labels, torch.as_tensor(heads).expand(len(labels)), strict=True
        ):
            self.epochs[-1].append((tuple(image.flatten().tolist()), int(label), int(head)))
