"""Learning without forgetting: who teaches, whom, and with what weight."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.models import cnn, mlp
from cl_bench.models.heads import present
from cl_bench.strategies import Finetune, LwF

CPU = torch.device("cpu")
NETWORKS = {
    "dense": partial(mlp, hidden=[5], normalisation="none"),
    "batch normalisation": partial(cnn, channels=[3], hidden=4, normalisation="batch"),
}


@pytest.fixture
def make(lab):
    def make(
        *, cls: Any = LwF, network: str = "dense", num_heads: int = 1, method: Any = None, **changes: Any
    ) -> Any:
        model = lab.seeded_model(
            NETWORKS[network], input_shape=(1, 2, 2), num_classes=4, num_heads=num_heads, weights="real"
        )
        settings = {
            "strength": 0.7,
            "temperature": 2.0,
            "weighting": "fixed",
            "new_classes": "excluded",
            "reduction": "sum",
        } | (method or {})
        return cls(model=model, **(settings if cls is LwF else {}), **lab.settings(**changes))

    return make


def kl(student: Tensor, teacher: Tensor) -> Tensor:
    p, q = (teacher / 2).log_softmax(-1), (student / 2).log_softmax(-1)
    return 4 * F.kl_div(q, p, reduction="batchmean", log_target=True)


def train(lab, strategy, tasks, *numbers: int) -> None:
    experiences = list(lab.benchmark(tasks).train_stream)
    for number in numbers:
        strategy.train(experiences[number], eval_streams=[])


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("weighting", ["fixed", "by_task"])
def test_every_earlier_head_is_distilled_on_the_present_images(lab, make, network, weighting):
    tasks = lab.tasks(3, heads=True, num_classes=4)
    strategy = make(network=network, num_heads=3, method={"weighting": weighting})
    train(lab, strategy, tasks, 0, 1)
    images, labels = tasks[2].images(CPU), tasks[2].labels
    strategy.experience = list(lab.benchmark(tasks).train_stream)[2]
    teacher = strategy.network.eval()
    with torch.no_grad():
        targets = [teacher(images, head) for head in (0, 1)]
        strategy.flat.values.data.add_(
            0.1 * torch.randn(len(strategy.flat), generator=torch.Generator().manual_seed(1))
        )
    network = strategy.network.train()
    features = network.body(images)
    distilled = [kl(network.heads(features, head), target) for head, target in enumerate(targets)]
    loss = F.cross_entropy(network.heads(features, 2), labels)
    if weighting == "fixed":
        objective = loss + 0.7 * sum(distilled)
    else:
        objective = loss / 3 + 2 / 3 * 0.7 * sum(distilled) / 2
    parameters = list(network.parameters())
    expected = torch.cat([part.reshape(-1) for part in torch.autograd.grad(objective, parameters)])
    lab.batch(strategy, images, labels, 2)
    assert float(strategy.loss.detach()) == pytest.approx(float(objective), rel=1e-9)
    torch.testing.assert_close(strategy.flat.gradients, expected, rtol=1e-9, atol=1e-9)
    assert min(map(float, distilled)) > 1e-4


@pytest.mark.usefixtures("double_precision")
def test_with_one_head_the_classes_of_earlier_labels_are_distilled_and_no_others(lab, make):
    """Class-incremental: task 1 has classes 0 and 1, task 2 classes 2 and 3."""
    first, second = lab.tasks(2, num_classes=2)
    second = lab.task(second.shared.images, second.labels + 2)
    strategy = make()
    train(lab, strategy, [first, second], 0)
    assert strategy.known[0].tolist() == [True, True, False, False]
    images, labels = second.images(CPU), second.labels
    with torch.no_grad():
        target = strategy.network.eval()(images)[:, :2]
        strategy.flat.values.data.mul_(1.3)
    strategy.experience = list(lab.benchmark([first, second]).train_stream)[1]
    logits = strategy.network.train()(images)
    objective = F.cross_entropy(logits, labels) + 0.7 * kl(logits[:, :2], target)
    lab.batch(strategy, images, labels)
    assert float(strategy.loss.detach()) == pytest.approx(float(objective), rel=1e-9)
    train(lab, strategy, [first, second], 1)
    assert strategy.known[0].all()


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("level", [0.0, -4_000.0, -6_000.0, -20_000.0])
def test_a_mean_is_over_the_classes_that_are_there_however_low_their_logits_are(make, level):
    """A head of four outputs whose last is not in use: the divergence divided by three."""
    strategy = make(method={"reduction": "mean"})
    active = torch.tensor([True, True, True, False])
    logits = torch.tensor([[0.0, 1.0, 2.0, 9.0], [3.0, 0.5, -1.0, 9.0]])
    student, teacher = present(logits + level, active), present(logits.flip(0) + level, active)
    every = torch.ones(2, 4, dtype=torch.bool)
    expected = kl(logits[:, :3], logits.flip(0)[:, :3]) / 3
    assert float(strategy._divergence(student, teacher, every)) == pytest.approx(float(expected), rel=1e-9)


def test_the_teacher_is_the_network_of_the_last_task_and_stands_still_in_eval_mode(lab, make):
    tasks = lab.tasks(2, num_classes=4)
    strategy = make(network="batch normalisation")
    train(lab, strategy, tasks, 0)
    after_first = {name: part.clone() for name, part in strategy.network.state_dict().items()}
    teacher = strategy.teacher
    train(lab, strategy, tasks, 1)
    assert lab.same(after_first, teacher.state_dict())
    assert not any(module.training for module in teacher.modules())
    assert lab.same(strategy.network.state_dict(), strategy.teacher.state_dict())
    assert not lab.same(after_first, strategy.teacher.state_dict())
    moving, still = strategy.network.state_dict(), strategy.teacher.state_dict()
    assert all(moving[name].data_ptr() != still[name].data_ptr() for name in moving), "no alias"


@pytest.mark.parametrize("num_heads", [1, 3])
def test_strength_0_is_fine_tuning_bit_for_bit(lab, make, num_heads):
    tasks = lab.tasks(3, heads=num_heads > 1, num_classes=4)
    lwf, plain = make(num_heads=num_heads, method={"strength": 0.0}), make(cls=Finetune, num_heads=num_heads)
    for strategy in (lwf, plain):
        train(lab, strategy, tasks, 0, 1, 2)
    assert torch.equal(lwf.flat.values, plain.flat.values)


@pytest.mark.parametrize("weighting", ["fixed", "by_task"])
def test_distillation_first_shows_at_the_second_task(lab, make, weighting):
    tasks = lab.tasks(2, num_classes=4)
    lwf, plain = make(method={"weighting": weighting}), make(cls=Finetune)
    for strategy in (lwf, plain):
        train(lab, strategy, tasks, 0)
    assert torch.equal(lwf.flat.values, plain.flat.values)
    for strategy in (lwf, plain):
        train(lab, strategy, tasks, 1)
    assert not torch.equal(lwf.flat.values, plain.flat.values)


def test_a_large_strength_keeps_the_old_answers_on_the_new_images(lab, make):
    tasks = lab.tasks(2, heads=True, num_classes=4, num_examples=24)
    distances = []
    for strength in (0.0, 100.0):
        strategy = make(num_heads=2, method={"strength": strength}, epochs=30)
        train(lab, strategy, tasks, 0)
        images = tasks[1].images(CPU)
        with torch.no_grad():
            before = strategy.network(images, 0)
        train(lab, strategy, tasks, 1)
        with torch.no_grad():
            distances.append(float(kl(strategy.network(images, 0), before)))
    assert distances[1] < 0.1 * distances[0]
