"""GPM on tasks whose inputs leave room for others."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cl_bench.evaluation.states import stored_bits
from cl_bench.models import mlp
from cl_bench.strategies import GPM, Finetune

CPU = torch.device("cpu")
EXACT = {"threshold": 1.0, "threshold_step": 0.0, "num_examples": 100}


def room_tasks(lab: Any, *, heads: bool = False) -> list[Any]:
    """Two tasks of images [1, 4, 4]: each has grey values of its own in rows of its own, and 0 elsewhere."""
    tasks = []
    for number, task in enumerate(lab.tasks(2, shape=(1, 4, 4), heads=heads)):
        pixels = torch.full_like(task.pixels(CPU), 128)  # as a float this is 0, nearly
        rows = slice(2 * number, 2 * number + 2)
        pixels[:, :, rows, :2] = task.pixels(CPU)[:, :, rows, :2]
        tasks.append(lab.task(pixels, task.labels, head=number if heads else 0))
    return tasks


def perceptron(lab: Any, *, hidden: list[int], activation: str = "relu", **changes: Any) -> Any:
    settings = {"num_heads": 1, "normalisation": "none"} | changes
    network = lab.seeded_model(
        mlp,
        input_shape=(1, 4, 4),
        num_classes=3,
        hidden=hidden,
        weights="real",
        activation="relu",
        **settings,
    )
    if activation == "none":
        network.body = nn.Sequential(*(each for each in network.body if not isinstance(each, nn.ReLU)))
    return network


def convolutions() -> nn.Module:
    layers = nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3)
    return nn.Sequential(*layers)


def outputs(strategy: Any, task: Any) -> Tensor:
    with torch.no_grad():
        return strategy.network.eval()(task.images(CPU), task.head).clone()


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "learning_rate": 0.3},
        {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.9, "weight_decay": 0.01},
        {"optimizer": "adam", "learning_rate": 0.01},
    ],
    ids=["sgd", "momentum and decay", "adam"],
)
@pytest.mark.parametrize("network", ["one layer", "linear", "relu", "convolutions"])
def test_with_the_whole_energy_old_outputs_do_not_change(lab, network, settings):
    """Each layer's output for old inputs stands still, so that the next one's inputs do."""
    tasks = room_tasks(lab)
    if network == "convolutions":  # patches of flat images span two directions, with the input of 1
        flat = [torch.full_like(task.pixels(CPU), 128) for task in tasks]
        flat[0][:] = tasks[0].pixels(CPU)[:, :, :1, :1]
        tasks = [lab.task(flat[0], tasks[0].labels), tasks[1]]
        model = lab.seeded_model(convolutions)
    else:
        hidden = [] if network == "one layer" else [20, 20]
        model = perceptron(lab, hidden=hidden, activation="relu" if network == "relu" else "none")
    strategy = GPM(model=model, **EXACT, **lab.settings(epochs=20, **settings))
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    before, untrained = outputs(strategy, tasks[0]), outputs(strategy, tasks[1])
    strategy.train(second, eval_streams=[])
    torch.testing.assert_close(outputs(strategy, tasks[0]), before, rtol=1e-6, atol=1e-7)
    after = outputs(strategy, tasks[1])
    assert (after - untrained).abs().max() > 1e-3, "the new task is learnt"
    losses = [nn.functional.cross_entropy(each, tasks[1].labels) for each in (untrained, after)]
    assert losses[1] < losses[0] or "weight_decay" in settings  # which is stronger in few directions


@pytest.mark.usefixtures("double_precision")
def test_fine_tuning_does_change_them(lab):
    tasks = room_tasks(lab)
    strategy = Finetune(model=perceptron(lab, hidden=[20, 20]), **lab.settings(epochs=10))
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    before = outputs(strategy, tasks[0])
    strategy.train(second, eval_streams=[])
    assert (outputs(strategy, tasks[0]) - before).abs().max() > 0.01


@pytest.mark.usefixtures("double_precision")
def test_what_is_kept_is_measured_of_each_layer_s_inputs(lab):
    tasks = room_tasks(lab)
    model = perceptron(lab, hidden=[5])
    strategy = GPM(model=model, **EXACT, **lab.settings(epochs=1))
    strategy.train(lab.benchmark(tasks[:1]).train_stream, eval_streams=[])
    images = tasks[0].images(CPU).flatten(1).double()
    hidden = model.eval().body(tasks[0].images(CPU)).detach()
    for inputs, projector in zip((images, hidden), strategy.projectors, strict=True):
        rows = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
        _, values, right = torch.linalg.svd(rows, full_matrices=False)
        span = right[values > 1e-6 * values[0]]
        torch.testing.assert_close(projector, span.mT @ span, rtol=0, atol=1e-6)


def test_a_head_a_task_is_free_and_scales_stand_still_after_the_first_task(lab):
    tasks = room_tasks(lab, heads=True)
    model = perceptron(lab, hidden=[6], num_heads=2, normalisation="layer")
    strategy = GPM(model=model, **EXACT, **lab.settings())
    scales = [each for name, each in model.named_parameters() if "body" in name and each.dim() == 1]
    assert len(strategy.projectors) == 1
    assert len(scales) == 2
    first, second = lab.benchmark(tasks).train_stream
    start = [each.detach().clone() for each in scales]
    strategy.train(first, eval_streams=[])
    middle = [each.detach().clone() for each in scales]
    head = model.heads.linear.weight.detach().clone()
    strategy.train(second, eval_streams=[])
    assert all((one != other).any() for one, other in zip(start, middle, strict=True))
    assert all(torch.equal(one, other.detach()) for one, other in zip(middle, scales, strict=True))
    assert torch.equal(head[:3], model.heads.linear.weight[:3])
    assert (head[3:] != model.heads.linear.weight[3:]).any()


def test_the_threshold_grows_up_to_1_and_bits_are_those_of_the_projectors(lab, monkeypatch):
    seen = []
    strategy = GPM(
        model=perceptron(lab, hidden=[6]),
        threshold=0.9,
        threshold_step=0.06,
        num_examples=5,
        **lab.settings(epochs=1),
    )
    plain = Finetune(model=perceptron(lab, hidden=[6]), **lab.settings())
    kept = 32 * (17**2 + 7**2)
    assert stored_bits(strategy) == stored_bits(plain) + kept
    monkeypatch.setattr(
        "cl_bench.posteriors.gpm.extended", lambda each, moment, *, threshold: seen.append(threshold) or each
    )
    strategy.train(lab.benchmark(room_tasks(lab) + room_tasks(lab)).train_stream, eval_streams=[])
    assert seen == pytest.approx([0.9, 0.9, 0.96, 0.96, 1.0, 1.0, 1.0, 1.0])
    assert stored_bits(strategy) == stored_bits(plain) + kept


def test_a_weight_in_two_places_is_refused_by_name(lab):
    layers = nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 3)
    layers[3].weight = layers[1].weight
    with pytest.raises(ValueError, match=r"cannot share a weight, got model\.1 with one"):
        GPM(model=nn.Sequential(*layers), **EXACT, **lab.settings())
