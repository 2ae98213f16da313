"""Strategies with a memory: what it holds, how it is replayed, and when they are fine-tuning."""

from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch.nn import functional as F

from cl_bench.models import mlp
from cl_bench.strategies import AGEM, DER, ERACE, Finetune, GDumb, Replay

CPU = torch.device("cpu")
METHODS = {
    Finetune: {},
    Replay: {"memory_size": 6, "buffer": "reservoir", "replay_share": 0.5},
    DER: {
        "memory_size": 6,
        "alpha": 0.5,
        "beta": 0.7,
        "buffer_batch_size": 3,
        "compute_matched": False,
    },
    AGEM: {"memory_size": 6, "buffer": "reservoir", "buffer_batch_size": 3},
    ERACE: {"memory_size": 6, "buffer": "reservoir", "replay_share": 0.5, "current_classes": "batch"},
    GDumb: {"memory_size": 6, "buffer": "class_balanced", "epoch": "memory"},
}
REHEARSING = (Replay, DER, AGEM, ERACE, GDumb)


@pytest.fixture
def make(lab):
    def make(cls: type, *, num_heads: int = 1, method: dict | None = None, **changes: Any) -> Any:
        model = lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=3,
            num_heads=num_heads,
            hidden=[6],
            normalisation=changes.pop("normalisation", "none"),
            weights="real",
        )
        return cls(model=model, **(METHODS[cls] | (method or {})), **lab.settings(**changes))

    return make


class Batches(SupervisedPlugin):
    """Every training batch as a set of (image, label, head), and its size."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.seen: list[list] = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(rows(strategy.mb_x, strategy.mb_y, strategy.head))


def rows(images, labels, heads) -> list:
    heads = torch.as_tensor(heads).expand(len(labels))
    return [
        (tuple(image.flatten().tolist()), int(label), int(head))
        for image, label, head in zip(images, labels, heads, strict=True)
    ]


def examples(tasks) -> set:
    return {row for task in tasks for row in rows(task.pixels(CPU), task.labels, task.head)}


def held(strategy: Any) -> list:
    (memory,) = strategy.memories
    return rows(memory.pixels, memory.labels, memory.heads)


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("cls", REHEARSING)
def test_the_memory_holds_training_examples_of_the_tasks_so_far_only(lab, make, cls, heads):
    tasks = lab.tasks(3, heads=heads)
    future = lab.tasks(1, seed=9)[0]  # the tests' images: they must never get in
    benchmark = lab.benchmark(tasks)
    strategy = make(cls, num_heads=3 if heads else 1)
    for number, experience in enumerate(benchmark.train_stream):
        strategy.train(experience, eval_streams=[])
        strategy.eval(lab.benchmark([future]).test_stream)
        found = held(strategy)
        assert len(found) == 6
        assert set(found) <= examples(tasks[: number + 1])
        assert strategy.memories[0].pixels.dtype == torch.uint8
        assert not set(found) & examples([future])
    assert set(held(strategy)) & examples(tasks[:1])
    state = strategy.state_tensors()
    assert torch.equal(state["memory_pixels"], strategy.memories[0].pixels)
    assert {len(part) for name, part in state.items() if name.startswith("memory_")} == {6}


@pytest.mark.parametrize(
    ("cls", "method"),
    [
        (Replay, {"replay_share": 0.0}),
        (AGEM, {"buffer_batch_size": 0}),
        (ERACE, {"replay_share": 0.0, "current_classes": "all"}),
        (DER, {"alpha": 0.0, "beta": 0.0}),
        (DER, {"alpha": 0.0, "beta": 0.0, "compute_matched": True}),
    ],
)
def test_without_rehearsal_it_is_fine_tuning_bit_for_bit(lab, make, cls, method):
    weights = []
    for one in (make(cls, num_heads=2, method=method), make(Finetune, num_heads=2)):
        one.train(lab.benchmark(lab.tasks(2, heads=True)).train_stream, eval_streams=[])
        weights.append(one.flat.values.data)
    assert torch.equal(*weights)


@pytest.mark.parametrize("cls", REHEARSING)
def test_same_seed_same_bits_and_a_seed_of_its_own_for_the_memory(lab, make, cls):
    states = []
    for seed in (0, 0, 1):
        strategy = make(cls, seed=seed)
        strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
        states.append(lab.snapshot(strategy))
    assert lab.same(states[0], states[1])
    assert not torch.equal(states[0]["memory_keys"], states[2]["memory_keys"])
    assert not torch.equal(states[0]["flat"], states[2]["flat"])


def test_replayed_batches_have_the_size_and_number_of_fine_tuning(lab, make):
    tasks = lab.tasks(2, num_examples=10, heads=True)
    strategy = make(Replay, num_heads=2)
    first, second = lab.benchmark(tasks).train_stream
    batches = Batches(strategy)
    floats = [set(rows(task.images(CPU), task.labels, task.head)) for task in tasks]
    strategy.train(first, eval_streams=[])
    assert [len(batch) for batch in batches.seen] == [4, 4, 2] * 2
    assert all(set(batch) <= floats[0] for batch in batches.seen)
    (memory,) = strategy.memories
    remembered = set(rows(tasks[0].to_float(memory.pixels), memory.labels, memory.heads))
    batches.seen.clear()
    strategy.train(second, eval_streams=[])
    assert [len(batch) for batch in batches.seen] == [4, 4, 2] * 2
    assert [len(set(batch) & floats[1]) for batch in batches.seen] == [2, 2, 1] * 2
    assert all(set(batch) <= floats[1] | remembered for batch in batches.seen)
    shown = [row for batch in batches.seen for row in batch if row in floats[1]]
    assert sorted(shown) == sorted(floats[1]), "two half epochs show each example of the task once"


def test_a_balanced_memory_has_equally_many_of_each_class_and_head(lab, make):
    strategy = make(Replay, num_heads=2, method={"buffer": "class_balanced", "memory_size": 12})
    strategy.train(lab.benchmark(lab.tasks(2, num_examples=15, heads=True)).train_stream, eval_streams=[])
    kinds = [(label, head) for _, label, head in held(strategy)]
    assert sorted(kinds) == sorted([(label, head) for label in range(3) for head in range(2)] * 2)


def test_der_s_memory_has_the_logits_from_before_the_step_on_the_own_head(lab, make):
    """With a memory for all examples and one epoch, logits are those of the network that saw it."""
    tasks = lab.tasks(2, heads=True)
    strategy = make(DER, num_heads=2, epochs=1, method={"memory_size": 100})
    seen: dict[tuple, torch.Tensor] = {}
    strategy.plugins.insert(0, Outputs(seen))
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    (memory,) = strategy.memories
    assert len(memory) == 24
    for row, logits in zip(held(strategy), memory["logits"], strict=True):
        assert torch.equal(seen[row], logits)


class Outputs(SupervisedPlugin):
    """The logits of every example, computed one by one before the step that it is first seen in."""

    def __init__(self, seen: dict) -> None:
        super().__init__()
        self.seen = seen

    def after_forward(self, strategy: Any, **kwargs: Any) -> None:
        pixels = strategy.dataloader.pixels[strategy.dataloader.newest]
        logits = strategy.network(strategy.mb_x, strategy.head).detach()
        for row, output in zip(rows(pixels, strategy.mb_y, strategy.head), logits, strict=True):
            self.seen.setdefault(row, output)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.0), (0.0, 0.7), (0.5, 0.7)])
def test_der_s_gradient_equals_finite_differences_of_its_loss(lab, make, alpha, beta):
    strategy = make(DER, num_heads=2, method={"alpha": alpha, "beta": beta, "memory_size": 9})
    strategy.train(lab.benchmark(lab.tasks(2, heads=True)).train_stream, eval_streams=[])
    task = lab.tasks(1, seed=5)[0]
    images, labels = task.images(CPU), task.labels
    strategy.dataloader = strategy.train_batches([[task]])
    (memory,) = strategy.memories
    twin = lab.clone(strategy.noise)
    lab.batch(strategy, images, labels, 1)
    gradient = strategy.flat.gradients.double()
    draws = [torch.randperm(9, generator=twin)[:3] for _ in range((alpha > 0) + (beta > 0))]

    def loss() -> torch.Tensor:
        total, left = F.cross_entropy(strategy.network(images, 1), labels), list(draws)
        for weight, name in ((alpha, "logits"), (beta, "labels")):
            if weight == 0:
                continue
            drawn = left.pop(0)
            inputs = task.to_float(memory.pixels[drawn])
            outputs = torch.stack(
                [
                    strategy.network(one[None], int(head))[0]
                    for one, head in zip(inputs, memory.heads[drawn], strict=True)
                ]
            )
            target = memory[name][drawn]
            if name == "logits":
                total = total + weight * ((outputs - target) ** 2).mean()
            else:
                total = total + weight * F.cross_entropy(outputs, target)
        return total.detach().double()

    weights, step = strategy.flat.values.data, 1e-2
    for index in range(0, len(weights), 5):
        found = []
        for sign in (1, -1):
            weights[index] += sign * step
            found.append(loss())
            weights[index] -= sign * step
        torch.testing.assert_close((found[0] - found[1]) / (2 * step), gradient[index], rtol=2e-2, atol=2e-3)


def test_der_draws_its_two_batches_independently_from_what_it_saw_before(lab, make):
    strategy = make(DER, epochs=1)
    sizes, draw = [], strategy.memories[0].draw
    strategy.memories[0].draw = lambda count: sizes.append(len(strategy.memories[0])) or draw(count)
    strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])
    assert sizes == [4, 4, 6, 6], "none at the first step; two at each of the others"


def test_der_compute_matched_leaves_room_for_the_memory_in_each_batch(lab, make):
    strategy = make(DER, batch_size=8, method={"compute_matched": True})
    batches = Batches(strategy)
    strategy.train(lab.benchmark(lab.tasks(1, num_examples=24)).train_stream, eval_streams=[])
    assert [len(batch) for batch in batches.seen] == [2] * 6
    with pytest.raises(ValueError, match=r"buffer_batch_size must leave room .* got buffer_batch_size=4"):
        make(DER, batch_size=8, method={"compute_matched": True, "buffer_batch_size": 4})


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_gdumb_is_a_fresh_network_trained_on_its_memory(lab, make, normalisation):
    tasks = lab.tasks(2, num_examples=20)
    strategy = make(GDumb, normalisation=normalisation)
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    order = strategy.batch_order.state()
    batches = Batches(strategy)
    strategy.train(second, eval_streams=[])
    assert [len(batch) for batch in batches.seen] == [4, 2] * 2
    (memory,) = strategy.memories
    fresh = make(Finetune, normalisation=normalisation)
    fresh.batch_order.restore(order)
    fresh.train(
        lab.benchmark([lab.task(memory.pixels.clone(), memory.labels.clone())]).train_stream, eval_streams=[]
    )
    assert lab.same(strategy.network.state_dict(), fresh.network.state_dict())
    assert sorted(memory.labels.tolist()) == [0, 0, 1, 1, 2, 2]


def test_gdumb_s_epoch_of_the_task_takes_the_steps_of_fine_tuning_on_the_memory(lab, make):
    tasks = lab.tasks(2, num_examples=20)
    strategy = make(GDumb, method={"epoch": "task"})
    batches = Batches(strategy)
    strategy.train(lab.benchmark(tasks).train_stream[1], eval_streams=[])
    assert [len(batch) for batch in batches.seen] == [4] * 10
    (memory,) = strategy.memories
    floats = rows(tasks[1].to_float(memory.pixels), memory.labels, memory.heads)
    seen = [row for batch in batches.seen for row in batch]
    assert all(6 <= seen.count(row) <= 7 for row in floats)
    assert set(seen) == set(floats)
