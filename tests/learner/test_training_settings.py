"""What published protocols need: steps instead of epochs, one optimizer, outputs of classes seen so far."""

import math
from itertools import product

import pytest
import torch

from cl_bench import records
from cl_bench.config.compose import compose
from cl_bench.models import mlp
from cl_bench.models.heads import ABSENT, present
from cl_bench.runner.run import execute
from cl_bench.strategies import EWC, SI, Finetune, Joint, LwF

CPU = torch.device("cpu")


@pytest.fixture
def make(lab):
    """A learner on an MLP 4-5-K."""

    def make(cls=Finetune, *, num_classes=3, num_heads=1, **settings):
        model = lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=num_classes,
            num_heads=num_heads,
            hidden=[5],
            normalisation="none",
            weights="real",
        )
        return cls(model=model, **(lab.settings() | settings))

    return make


def new_classes_only(lab, num_tasks):
    """Tasks of two classes each, numbered on: the scenario `class`."""
    tasks = lab.tasks(num_tasks, num_classes=2)
    return [
        lab.task(task.shared.images, task.labels + 2 * number)
        for number, task in enumerate(tasks)
    ]  # fmt: skip


class Steps:
    """The learning rate of every step, by task."""

    def __init__(self, strategy):
        self.rates, self._step = [], strategy.optimizer_step
        strategy.optimizer_step = self

    def __call__(self):
        self.rates.append(self._step.__self__.step_size())
        self._step()


@pytest.mark.parametrize(("iterations", "epochs"), [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_a_task_has_so_many_iterations_whatever_the_epochs(lab, make, iterations, epochs):
    (task,) = lab.tasks(1)  # 12 examples, 3 batches
    strategy = make(iterations=iterations, epochs=50, schedule="cosine")
    steps = Steps(strategy)
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    assert strategy.train_epochs == epochs
    assert steps.rates == pytest.approx(
        [0.01 * (1 + math.cos(math.pi * step / iterations)) / 2 for step in range(iterations)]
    )


def test_iterations_of_whole_epochs_are_these_epochs(lab, make):
    tasks = lab.tasks(2)
    by_steps, by_epochs = make(iterations=6), make(epochs=2)
    for strategy in (by_steps, by_epochs):
        strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert torch.equal(by_steps.flat.values, by_epochs.flat.values)


def test_joint_training_has_as_many_iterations_at_every_task(lab, make):
    tasks = lab.tasks(3)
    strategy = make(Joint, restart=False, iterations=5)
    steps = Steps(strategy)
    for number, experience in enumerate(lab.benchmark(tasks).train_stream, start=1):
        strategy.train(experience, eval_streams=[])
        assert len(steps.rates) == 5 * number
        assert strategy.num_examples == 12 * number


@pytest.mark.usefixtures("double_precision")
def test_a_kept_optimizer_goes_on_as_one_over_all_tasks(lab, make):
    tasks = lab.tasks(2)
    kept = make(optimizer_state="kept", batch_size=12)
    images, labels = (
        torch.cat(parts) for parts in zip(*((t.images(CPU), t.labels) for t in tasks), strict=True)
    )
    network = make().network
    with torch.no_grad():
        for parameter in network.parameters():  # no views on a flat vector
            parameter.data, parameter.grad = parameter.data.clone(), None
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    for positions in (range(12), range(12), range(12, 24), range(12, 24)):  # two full batches a task
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images[positions]), labels[positions]).backward()
        optimizer.step()
    kept.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    plain = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    torch.testing.assert_close(kept.flat.values.data, plain, rtol=1e-9, atol=1e-9)


def test_outputs_of_classes_not_seen_yet_have_no_part_in_training_and_tests(lab, make):
    tasks = new_classes_only(lab, 2)
    strategy = make(num_classes=4, active_classes="seen")
    linear = strategy.heads.linear
    start = [part.detach().clone() for part in linear.parameters()]
    for seen, experience in zip((2, 4), lab.benchmark(tasks).train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        probabilities = strategy.network(tasks[0].images(CPU)).softmax(dim=1)
        assert (probabilities[:, :seen] > 0).all()
        assert (probabilities[:, seen:] == 0).all()
        for part, before in zip(linear.parameters(), start, strict=True):
            assert torch.equal(part[seen:], before[seen:])
            assert not torch.equal(part[:seen], before[:seen])


def test_heads_of_their_own_have_all_their_classes(lab, make):
    tasks = lab.tasks(2, heads=True)
    both = [make(num_heads=2, active_classes=active) for active in ("all", "seen")]
    for strategy in both:
        strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert torch.equal(both[0].flat.values, both[1].flat.values)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("iterations", 0), ("iterations", 2.5), ("optimizer_state", "old"), ("active_classes", "some")],
)
def test_a_setting_out_of_range_is_named_with_its_value(make, setting, value):
    with pytest.raises(ValueError, match=rf"{setting} must be .*{setting}='?{value}"):
        make(**{setting: value})


@pytest.mark.parametrize(
    "override", ["training.iterations=3", "training.optimizer_state=kept", "training.active_classes=seen"]
)
def test_a_stock_avalanche_strategy_refuses_them(lab, override):
    with pytest.raises(ValueError, match=r"stock Avalanche strategy .*null"):
        lab.from_conf("strategy=avalanche", "benchmark=split_digits", override)


@pytest.mark.usefixtures("double_precision")
def test_the_importance_of_predicted_labels_is_a_loop_over_single_examples(lab, make):
    (task,) = lab.tasks(1)
    ewc = {"strength": 1.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "predicted"}
    strategy = make(EWC, **ewc)
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    parameters = list(strategy.network.parameters())
    total = torch.zeros(len(strategy.flat))
    labels = []
    for image in task.images(CPU):
        log_probabilities = strategy.network(image[None])[0].log_softmax(dim=0)
        labels.append(int(log_probabilities.argmax()))
        gradients = torch.autograd.grad(log_probabilities[labels[-1]], parameters)
        total += torch.cat([gradient.reshape(-1) for gradient in gradients]) ** 2
    torch.testing.assert_close(strategy.penalty.precision, total / len(task), rtol=1e-9, atol=1e-9)
    assert labels != task.labels.tolist()


@pytest.mark.usefixtures("double_precision")
def test_the_total_path_of_si_counts_the_penalty(lab, make):
    """By hand: full-batch gradient descent, omega of the gradient that moved the weights."""
    tasks, strength, rate = lab.tasks(3), 2.0, 0.2
    settings = {"optimizer": "sgd", "learning_rate": rate, "epochs": 30, "batch_size": 12}
    strategy = make(SI, strength=strength, damping=0.1, path="total", **settings)
    network = make().network
    weights = torch.cat([part.detach().reshape(-1) for part in network.parameters()])
    centre, importance = weights.clone(), torch.zeros_like(weights)
    for task in tasks:
        omega = torch.zeros_like(weights)
        for _ in range(30):
            gradient = lab.gradient_at(network, weights, task.images(CPU), task.labels)
            gradient = gradient + 2 * strength * importance * (weights - centre)
            weights, omega = weights - rate * gradient, omega + rate * gradient**2
        importance = importance + omega / ((weights - centre) ** 2 + 0.1)
        centre = weights.clone()
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.flat.values.data, weights, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(strategy.penalty.precision, importance, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("reduction", "share"), [("sum", 1), ("mean", 1 / 4)])
def test_a_teacher_that_knows_no_new_class_says_zero_of_it(lab, make, reduction, share):
    """T^2 times the cross-entropy of the student, over all four classes that are there, under the teacher's
    softmax over the two old ones, less the teacher's entropy.
    """
    tasks = new_classes_only(lab, 2)
    lwf = {
        "strength": 1.0,
        "temperature": 2.0,
        "weighting": "by_task",
        "new_classes": "zero",
        "reduction": reduction,
    }
    strategy = make(LwF, num_classes=6, active_classes="seen", **lwf)
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    images, labels = tasks[1].images(CPU), tasks[1].labels
    with torch.no_grad():
        teacher = (strategy.network(images)[:, :2] / 2).softmax(dim=1)
    strategy.experience = second
    strategy.activate_classes()
    lab.batch(strategy, images, labels)
    student = strategy.network(images)[:, :4]
    divergence = (teacher * (teacher.log() - (student / 2).log_softmax(dim=1)[:, :2])).sum(dim=1).mean()
    loss = torch.nn.functional.cross_entropy(student, labels)
    expected = loss / 2 + share * 4 * divergence / 2
    torch.testing.assert_close(strategy.loss.squeeze(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "strategy",
    [
        ("strategy=finetune",),
        ("strategy=ewc", "strategy.fisher_estimator=predicted"),
        ("strategy=si", "strategy.path=total"),
        ("strategy=lwf", "strategy.new_classes=zero", "strategy.weighting=by_task"),
        ("strategy=lwf", "strategy.reduction=mean"),
        ("strategy=vcl", "strategy.initial_mean_deviation=0.1"),
    ],
    ids=lambda strategy: strategy[0],
)
def test_seeds_trained_at_once_are_trained_as_alone(tmp_path, strategy):
    protocol = (
        "benchmark=split_digits",
        "benchmark.scenario=class",
        "benchmark.num_tasks=2",
        "seeds=[0,1]",
        "training.device=cpu",
        "training.iterations=7",
        "training.batch_size=200",  # 4 batches an epoch
        "training.optimizer_state=kept",
        "training.active_classes=seen",
        "model.hidden=[12]",
    )
    found = []
    for stacked in ("true", "false"):
        where = (f"results_dir={tmp_path / stacked}", f"training.stacked={stacked}")
        paths = execute(compose([*protocol, *strategy, *where]), show_progress=False)
        found.append([record for path in paths for record in records.read(path / "records.csv")])
    assert len(found[0]) == 2 * 3 * 2
    for together, alone in zip(*found, strict=True):
        assert together[:4] == alone[:4]
        assert together.nll == pytest.approx(alone.nll, rel=1e-4)


def test_an_absent_class_has_probability_0_at_the_largest_logits(make):
    heads = make(num_classes=3).heads
    heads.active = torch.tensor([True, False, True])
    features = torch.full((1, 5), 1e3)
    for sign, place in product((-1.0, 1.0), range(5)):
        features[0, place] *= sign
        logits = heads(features)
        assert logits[0, 1] == ABSENT
        assert logits.softmax(dim=1)[0, 1] == 0
        assert torch.isfinite(logits.log_softmax(dim=1)).all()


@pytest.mark.parametrize("offset", [0.0, -5e3, -2e4, -1e6, 1e30])
def test_an_absent_class_has_probability_0_however_low_the_others_are(offset):
    active = torch.tensor([True, False, True])
    logits = (torch.tensor([[0.0, 1e4, -1.0]]) + offset).requires_grad_()
    found = present(logits, active)
    assert found.softmax(dim=1)[0, 1] == 0
    assert torch.isfinite(found.log_softmax(dim=1)).all()
    assert torch.equal(found[:, [0, 2]], logits[:, [0, 2]])
    assert (found[0, 1] == ABSENT) == (offset > -5e3 - 1)
    (slope,) = torch.autograd.grad(found.logsumexp(dim=1).sum(), logits)
    assert slope[0, 1] == 0
    assert torch.equal(present(logits, ~active | active), logits)
    assert torch.equal(present(logits, active & ~active).softmax(dim=1), torch.full((1, 3), 1 / 3))


@pytest.mark.usefixtures("double_precision")
def test_weights_that_join_late_take_adam_s_larger_first_steps():
    """Torch's Adam of one output layer does so, whose rows had no gradient so far (betas 0.9 and 0.999)."""
    constant = torch.optim.Adam([torch.zeros(2, requires_grad=True)], lr=1.0)
    (weights,) = constant.param_groups[0]["params"]
    late = []
    for step in range(6020):
        before = weights.detach().clone()
        weights.grad = torch.tensor([1.0, float(step >= 6000)])
        constant.step()
        late.append(float((before - weights.detach())[1]))
    late = late[6000:]
    assert late[0] == pytest.approx(0.1 / 0.001**0.5, rel=2e-3)  # 3.2
    assert max(late) == pytest.approx(6.5, abs=0.1)


@pytest.mark.usefixtures("double_precision")
def test_heads_whose_adam_is_kept_are_rows_of_torch_s_output_layer(lab, make):
    tasks = lab.tasks(2, heads=True)
    kept = make(optimizer_state="kept", batch_size=12, num_heads=2)
    network = make(num_heads=2).network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.data, parameter.grad = parameter.data.clone(), None
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for task in tasks:
        for _ in range(2):
            optimizer.zero_grad()
            logits = network(task.images(CPU), task.head)
            torch.nn.functional.cross_entropy(logits, task.labels).backward()
            optimizer.step()
    kept.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    plain = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    torch.testing.assert_close(kept.flat.values.data, plain, rtol=1e-9, atol=1e-9)
