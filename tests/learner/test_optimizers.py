"""An optimizer of one vector of weights does what torch's does with the layers; and what goes with it."""

import math

import pytest
import torch
from torch import nn

from cl_bench import records
from cl_bench.config.compose import compose
from cl_bench.learner.optimizers import check_elementwise, clip_norm, optimizer_of_vector
from cl_bench.learner.smoothed_loss import SmoothedLoss
from cl_bench.learner.training_settings import TrainingSettings
from cl_bench.models import mlp
from cl_bench.runner.run import execute
from cl_bench.strategies import EWC, SI, Finetune, Joint, LwF, Replay

CPU = torch.device("cpu")
PATHS = [f"torch.optim.{name}" for name, each in vars(torch.optim).items()
         if isinstance(each, type) and each is not torch.optim.Optimizer]  # fmt: skip
REFUSED = ["torch.optim.Adafactor", "torch.optim.LBFGS", "torch.optim.Muon", "torch.optim.SparseAdam"]
ELEMENTWISE = sorted(set(PATHS) - set(REFUSED))
EWC_SETTINGS = {"strength": 3.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"}
METHODS = [
    (Finetune, {}),
    (EWC, EWC_SETTINGS),
    (SI, {"strength": 1.0, "damping": 0.1, "path": "loss"}),
    (Joint, {"restart": False}),
    (Replay, {"memory_size": 6, "buffer": "reservoir", "replay_share": 0.5}),
    (LwF, {"strength": 1.0, "temperature": 2.0, "weighting": "fixed", "new_classes": "excluded",
           "reduction": "sum"}),
]  # fmt: skip


@pytest.fixture
def make(lab):
    """A learner on an MLP 4-5-3, with biases."""

    def make(cls=Finetune, *, num_heads=1, **settings):
        return cls(model=network(lab, num_heads), **(lab.settings() | settings))

    return make


def network(lab, num_heads=1):
    shapes = {"input_shape": (1, 2, 2), "num_classes": 3, "num_heads": num_heads, "hidden": [5]}
    return lab.seeded_model(mlp, **shapes, normalisation="none", weights="real")


def settings_of(lab, **changes):
    not_training = ("device", "compile", "seeds")
    return TrainingSettings(**{k: v for k, v in lab.settings(**changes).items() if k not in not_training})


def flat(plain):
    return torch.cat([parameter.detach().reshape(-1) for parameter in plain.parameters()])


def plain_torch(lab, tasks, make_optimizer, *, epochs=3, clip=None, smoothing=0.0, rates=None):
    """The weights after full-batch training on each task with torch alone, an optimizer for each task."""
    plain = network(lab)
    for task in tasks:
        optimizer = make_optimizer(plain.parameters())
        for step in range(epochs):
            for group in optimizer.param_groups if rates else ():
                group["lr"] = rates[step]
            optimizer.zero_grad()
            logits = plain(task.images(CPU))
            nn.functional.cross_entropy(logits, task.labels, label_smoothing=smoothing).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(plain.parameters(), clip)
            optimizer.step()
    return flat(plain)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("name", "settings", "theirs"),
    [
        ("adam", {}, {}),
        ("adam", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
        ("adam", {"optimizer_settings": {"betas": [0.8, 0.9], "amsgrad": True}},
         {"betas": (0.8, 0.9), "amsgrad": True}),
        ("adamw", {}, {"weight_decay": 0.0}),
        ("adamw", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
        ("sgd", {"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "weight_decay": 0.1}),
        ("sgd", {"momentum": 0.9, "optimizer_settings": {"nesterov": True}},
         {"momentum": 0.9, "nesterov": True}),
        ("torch.optim.RMSprop", {"momentum": 0.5, "optimizer_settings": {"centered": True}},
         {"momentum": 0.5, "centered": True}),
        ("torch.optim.NAdam", {"weight_decay": 0.1, "optimizer_settings": {"decoupled_weight_decay": True}},
         {"weight_decay": 0.1, "decoupled_weight_decay": True}),
        *((path, {}, {}) for path in ELEMENTWISE),
    ],
)  # fmt: skip
def test_weights_are_those_of_torchs_optimizer_of_separate_parameters(lab, make, name, settings, theirs):
    tasks = lab.tasks(2)
    kind = getattr(torch.optim, {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}.get(name, name[12:]))
    if name == "torch.optim.AdamW":
        theirs = {"weight_decay": 0.0}  # the setting's, and not torch's 0.01
    expected = plain_torch(lab, tasks, lambda parameters: kind(parameters, lr=0.05, **theirs))
    strategy = make(optimizer=name, learning_rate=0.05, epochs=3, batch_size=12, **settings)
    start = strategy.flat.values.data.clone()
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert not torch.equal(strategy.flat.values.data, start)
    torch.testing.assert_close(strategy.flat.values.data, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("double_precision")
def test_clipping_smoothing_and_warm_up_are_torchs_too(lab, make):
    (task,) = lab.tasks(1)
    expected = plain_torch(
        lab,
        [task],
        lambda parameters: torch.optim.SGD(parameters, lr=0.5, momentum=0.9, weight_decay=0.1),
        epochs=4,
        clip=0.05,
        smoothing=0.2,
        rates=[0.5 * 1 / 3, 0.5 * 2 / 3, 0.5, 0.5],
    )
    strategy = make(
        optimizer="sgd", learning_rate=0.5, epochs=4, batch_size=12, momentum=0.9, weight_decay=0.1,
        clip_norm=0.05, label_smoothing=0.2, warm_up=3,
    )  # fmt: skip
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.flat.values.data, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("path", REFUSED)
def test_what_looks_at_layers_or_needs_more_than_a_gradient_is_refused(make, path):
    with pytest.raises(ValueError, match=r"own gradients alone|one vector of all weights") as found:
        make(optimizer=path)
    assert str(found.value).count("training.optimizer") == 1, "one sentence"
    assert path in str(found.value)


class Lamb(torch.optim.SGD):
    """Steps of the length of each layer's weights."""

    def step(self, closure=None):
        for group in self.param_groups:
            for each in group["params"]:
                each.data.sub_(group["lr"] * each.data.norm() * each.grad / each.grad.norm())


class Langevin(torch.optim.SGD):
    def step(self, closure=None):
        super().step()
        for group in self.param_groups:
            for each in group["params"]:
                each.data.add_(torch.randn_like(each.data))


@pytest.mark.parametrize(("kind", "reason"), [(Lamb, "divided into layers"), (Langevin, "random numbers")])
def test_an_optimizer_of_somebody_elses_is_tried(lab, kind, reason):
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=reason):
        check_elementwise(settings_of(lab, optimizer=f"{__name__}.{kind.__name__}"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "torch.optim.Nope"}, r"torch\.optim\.Nope does not exist"),
        ({"optimizer": "math.pi"}, r"must be a torch\.optim\.Optimizer"),
        ({"momentum": 0.5}, r"training\.optimizer=adam has no momentum, got momentum=0\.5"),
        ({"optimizer_settings": {"beta": 1}}, r"cannot be built .*beta"),
        ({"optimizer_settings": {"lr": 1}}, r"must not have lr, momentum or weight_decay"),
        ({"optimizer": "sgd", "optimizer_settings": {"nesterov": True}}, r"[Nn]esterov"),
        ({"weight_decay": -0.1}, r"weight_decay must be a number and not negative"),
        ({"clip_norm": 0.0}, r"clip_norm must be a positive number"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be at least 0 and below 1"),
        ({"warm_up": 2.5}, r"warm_up must be a whole number of steps"),
        ({"patience": 0}, r"patience must be a whole number"),
    ],
)
def test_a_slip_is_refused_in_words(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


@pytest.mark.parametrize(("cls", "method"), METHODS, ids=lambda part: getattr(part, "__name__", ""))
@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "torch.optim.RMSprop", "momentum": 0.9},
    ],
    ids=lambda settings: settings["optimizer"],
)
def test_heads_that_a_task_does_not_train_stay_bit_for_bit(lab, make, cls, method, settings):
    tasks = lab.tasks(3, heads=True)
    strategy = make(cls, num_heads=3, optimizer_state="kept", learning_rate=0.05, **method, **settings)
    for number, experience in enumerate(lab.benchmark(tasks).train_stream):
        before = [lab.head_values(strategy.network, head) for head in range(3)]
        strategy.train(experience, eval_streams=[])
        still = [torch.equal(lab.head_values(strategy.network, head), before[head]) for head in range(3)]
        rehearsed = {head for head in range(number) if cls in (Joint, Replay, LwF)}
        assert still == [head != number and head not in rehearsed for head in range(3)]


@pytest.mark.usefixtures("double_precision")
def test_the_whole_gradient_is_clipped_with_its_penalty(lab, make):
    tasks, largest = lab.tasks(2), 0.01
    strategy = make(EWC, **EWC_SETTINGS, optimizer="sgd", learning_rate=1.0, batch_size=12, epochs=1,
                    clip_norm=largest)  # fmt: skip
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    with torch.no_grad():
        strategy.flat.set(strategy.flat.values + 0.3)  # where the penalty pulls
    start = strategy.flat.values.data.clone()
    task = lab.gradient_at(network(lab), start, tasks[1].images(CPU), tasks[1].labels)
    gradient = task + 3.0 * strategy.penalty.precision * (start - strategy.penalty.centre)
    strategy.train(second, eval_streams=[])
    expected = start - gradient * largest / gradient.norm()
    torch.testing.assert_close(strategy.flat.values.data, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.usefixtures("double_precision")
def test_labels_are_smoothed_over_the_classes_that_there_are():
    logits, labels = (
        torch.randn(5, 4, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1] * 2 + [1]),
    )
    active = torch.tensor([True, True, False, False])
    masked = logits.masked_fill(~active, -1e4).requires_grad_()
    found = SmoothedLoss(0.3, lambda: active)(masked, labels)
    two = logits[:, :2].clone().requires_grad_()
    expected = nn.functional.cross_entropy(two, labels, label_smoothing=0.3)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(masked.grad[:, :2], two.grad)
    assert (masked.grad[:, 2:] == 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("active", [None, torch.tensor([True, True, False, True])])
def test_the_mean_of_the_losses_of_examples_is_that_of_the_batch(smoothing, active):
    logits, labels = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 2
    criterion = SmoothedLoss(smoothing, lambda: active)
    found = criterion.by_example(logits, labels)
    torch.testing.assert_close(found.mean(), criterion(logits, labels))
    alone = [criterion(logits[one : one + 1], labels[one : one + 1]) for one in range(5)]
    torch.testing.assert_close(found, torch.stack(alone))


@pytest.mark.parametrize(("warm_up", "num_warm"), [(0, 0), (4, 4), (0.25, 3), (0.01, 1), (100, 100)])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_rate_grows_in_equal_parts_to_the_schedules(lab, make, warm_up, num_warm, schedule):
    (task,) = lab.tasks(1)
    strategy = make(warm_up=warm_up, schedule=schedule, iterations=12, learning_rate=0.1)
    rates = []
    strategy.after_step = lambda: rates.append(strategy.optimizer.param_groups[0]["lr"])
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    falling = [(1 + math.cos(math.pi * step / 12)) / 2 if schedule == "cosine" else 1 for step in range(12)]
    rising = [min(1, (step + 1) / num_warm) if num_warm else 1 for step in range(12)]
    assert rates == pytest.approx([0.1 * up * down for up, down in zip(rising, falling, strict=True)])


def test_a_known_optimizer_is_fused_unless_another_way_is_chosen(lab):
    vector = nn.Parameter(torch.zeros(3))
    fused = [
        optimizer_of_vector(settings_of(lab, **settings), vector, learning_rate=1.0)
        .param_groups[0]
        .get("fused")
        for settings in ({}, {"optimizer": "adamw"}, {"optimizer_settings": {"foreach": True}})
    ]
    assert fused == [True, True, None]


@pytest.mark.parametrize(
    "settings",
    [
        ("strategy=finetune", "training.optimizer=sgd", "training.momentum=0.9", "training.weight_decay=0.1"),
        ("strategy=ewc", "training.optimizer=torch.optim.NAdam"),
        ("strategy=vcl", "training.optimizer=adamw"),
        ("strategy=replay", "training.optimizer=adamw", "training.weight_decay=0.1"),
        ("strategy=straight_through", "training.weight_decay=0.1"),
    ],
    ids=lambda settings: settings[0],
)
def test_seeds_trained_at_once_are_clipped_smoothed_and_warmed_up_as_alone(tmp_path, settings):
    common = (
        *("benchmark=split_digits", "benchmark.num_tasks=2", "seeds=[0,1]", "training.device=cpu"),
        *("training.epochs=2", "training.batch_size=200", "model.hidden=[12]", "training.clip_norm=0.5"),
        *("training.label_smoothing=0.1", "training.warm_up=3", "training.learning_rate=0.01"),
    )
    found = []
    for stacked in ("true", "false"):
        where = (f"results_dir={tmp_path / stacked}", f"training.stacked={stacked}")
        paths = execute(compose([*common, *settings, *where]), show_progress=False)
        found.append([record for path in paths for record in records.read(path / "records.csv")])
    assert len(found[0]) == 2 * 3 * 2
    for together, alone in zip(*found, strict=True):
        assert together[:3] == alone[:3]
        assert together.nll == pytest.approx(alone.nll, rel=1e-4)


def test_a_learning_rate_that_is_set_later_holds_from_the_next_task_on(lab, make):
    strategy = make(optimizer="sgd", momentum=0.9)
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    strategy.train(first, eval_streams=[])
    before = strategy.flat.values.data.clone()
    strategy.learning_rate = 1e-30
    strategy.train(second, eval_streams=[])
    assert torch.equal(strategy.flat.values.data, before)


def test_each_row_is_clipped_by_its_own_norm():
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    clip_norm(rows, 1.0)
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))
