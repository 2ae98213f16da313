"""Avalanche's own strategies on our streams, and ours on Avalanche's benchmarks."""

import math
from typing import Any

import pytest
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.models import IncrementalClassifier, MTSimpleMLP
from avalanche.training.templates import SupervisedTemplate
from torch import nn
from torch.utils.data import TensorDataset

from cl_bench.evaluation.scores import Scores
from cl_bench.learner.seeds import Seeds
from cl_bench.models import mlp
from cl_bench.models.stacked import StackedNetwork
from cl_bench.strategies import DER, EWC, VCL, BayesBiNN, Finetune, GDumb, Joint, Replay, StraightThrough
from cl_bench.strategies.avalanche import WithTaskLabels

STOCK = {
    "Naive": (),
    "EWC": ("+strategy.settings.ewc_lambda=1.0",),
    "Replay": ("+strategy.settings.mem_size=20",),
    "LwF": ("+strategy.settings.alpha=1.0", "+strategy.settings.temperature=2.0"),
}
SPLIT = ("strategy=avalanche", "benchmark=split_digits", "benchmark.num_tasks=2")


@pytest.mark.parametrize("scenario", ["task", "class"])
@pytest.mark.parametrize("name", STOCK)
def test_avalanche_s_strategies_learn_our_streams(lab, name, scenario):
    overrides = (*SPLIT, f"benchmark.scenario={scenario}", f"strategy.path=avalanche.training.{name}")
    with lab.seeded():
        run = lab.from_conf(*overrides, *STOCK[name], "training.epochs=8", "benchmark.validation_share=0.6")
        records = run.records()
    assert isinstance(run.strategy, SupervisedTemplate)
    assert type(run.strategy).__name__ == name
    assert all(math.isfinite(record.nll) for record in records)
    accuracy = {(record.after_task, record.on_task): record.accuracy for record in records}
    chance = 1 / 5 if scenario == "task" else 1 / 10
    assert accuracy[1, 1] > chance + 0.2
    assert accuracy[2, 2] > chance + 0.2


def test_its_settings_reach_the_strategy(lab):
    overrides = ("strategy.path=avalanche.training.Replay", "+strategy.settings.mem_size=17")
    run = lab.from_conf(*SPLIT, *overrides, "training.epochs=3", "training.batch_size=16")
    assert run.strategy.train_epochs == 3
    assert run.strategy.train_mb_size == 16
    assert run.strategy.eval_mb_size == 100
    assert [plugin.mem_size for plugin in run.strategy.plugins if hasattr(plugin, "mem_size")] == [17]
    assert run.strategy.optimizer.param_groups[0]["lr"] == 0.01


def test_momentum_weight_decay_and_smoothing_are_torchs(lab):
    one = ("benchmark=permuted_digits", "benchmark.num_tasks=1", "training.epochs=1")
    settings = {"momentum": 0.9, "weight_decay": 0.1, "label_smoothing": 0.2}
    given = [f"training.{name}={value}" for name, value in settings.items()]
    run = lab.from_conf("strategy=avalanche", *one, *given, "training.optimizer=sgd")
    (group,) = run.strategy.optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.01, 0.9, 0.1)
    assert run.strategy._criterion.label_smoothing == 0.2
    other = lab.from_conf("strategy=avalanche", *one, "training.optimizer=torch.optim.Adafactor")
    assert isinstance(other.strategy.optimizer, torch.optim.Adafactor), "its parameters are layers"
    with pytest.raises(ValueError, match=r"it needs a closure"):
        lab.from_conf("strategy=avalanche", *one, "training.optimizer=torch.optim.LBFGS")


def test_heads_of_other_tasks_would_move_and_are_told(lab):
    with pytest.raises(ValueError, match=r"move those of other tasks .*benchmark\.scenario to domain"):
        lab.from_conf(*SPLIT, "training.weight_decay=0.1")


def test_a_mixed_batch_of_replay_goes_through_each_example_s_own_head(lab):
    network = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=2,
        hidden=[4],
        normalisation="none",
        weights="real",
    )
    images, heads = torch.randn(6, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 2
    outputs = WithTaskLabels(network)(images, heads)
    expected = [network(images[n : n + 1], int(heads[n]))[0] for n in range(6)]
    torch.testing.assert_close(outputs, torch.stack(expected))


@pytest.mark.parametrize(
    "path",
    [
        "avalanche.training.Nothing",
        "nowhere.Strategy",
        "Naive",
        "avalanche.training",
        "avalanche.training.plugins.EWCPlugin",
        "collections.OrderedDict",
    ],
)
def test_a_path_that_names_no_strategy_is_refused(lab, path):
    with pytest.raises(ValueError, match=rf"strategy\.path must name .*path='{path}'"):
        lab.from_conf(*SPLIT, f"strategy.path={path}")


def test_a_setting_that_the_strategy_does_not_take_is_refused_by_name(lab):
    path = "avalanche.training.EWC"
    with pytest.raises(ValueError, match=r"avalanche\.training\.EWC does not take .*ewc_lamda"):
        lab.from_conf(*SPLIT, f"strategy.path={path}", "+strategy.settings.ewc_lamda=1")
    with pytest.raises(
        ValueError, match=r"EWC does not take .*ewc_lambda.*; give what it needs as \+strategy\.settings"
    ):
        lab.from_conf(*SPLIT, f"strategy.path={path}")
    with pytest.raises(ValueError, match=r"avalanche\.training\.Naive does not take .*train_epochs"):
        lab.from_conf(*SPLIT, "+strategy.settings.train_epochs=9")


@pytest.mark.parametrize("setting", ["compile=true", "precision=bfloat16", "precision=half"])
def test_settings_of_the_forward_pass_are_not_avalanche_s(lab, setting):
    with pytest.raises(ValueError, match="compile must be false and precision float32 or tf32 for a stock"):
        lab.from_conf(*SPLIT, f"training.{setting}")
    lab.from_conf(*SPLIT, "training.precision=tf32")


@pytest.mark.parametrize("cls", [Finetune, Joint, EWC, VCL])
def test_our_strategies_refuse_models_that_grow(lab, cls):
    method = {
        Finetune: {},
        Joint: {"restart": True},
        EWC: {"strength": 1.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"},
        VCL: {
            "kl_weight": 1.0,
            "prior_variance": 1.0,
            "initial_log_variance": -3.0,
            "initial_mean_deviation": None,
            "restart": False,
            "num_samples": 1,
            "num_test_samples": 2,
            "coreset": "none",
            "coreset_size": 4,
            "coreset_epochs": 1,
        },
    }[cls]
    grows = nn.Sequential(nn.Flatten(), IncrementalClassifier(4))
    for model in (grows, MTSimpleMLP(input_size=4)):
        with pytest.raises(TypeError, match=r"cannot grow: .*dynamic modules"):
            cls(model=model, **method, **lab.settings())


OTHERS = {
    "finetune": (Finetune, {}, "real"),
    "joint": (Joint, {"restart": True}, "real"),
    "ewc": (EWC, {"strength": 1.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"}, "real"),
    "vcl": (
        VCL,
        {
            "kl_weight": 0.05,
            "prior_variance": 1.0,
            "initial_log_variance": -6.0,
            "initial_mean_deviation": None,
            "restart": True,
            "num_samples": 1,
            "num_test_samples": 5,
            "coreset": "none",
            "coreset_size": 4,
            "coreset_epochs": 1,
        },
        "real",
    ),
    "replay": (Replay, {"memory_size": 20, "buffer": "reservoir", "replay_share": 0.5}, "real"),
    "der": (
        DER,
        {"memory_size": 20, "alpha": 0.5, "beta": 0.5, "buffer_batch_size": 10, "compute_matched": False},
        "real",
    ),
    "gdumb": (GDumb, {"memory_size": 20, "buffer": "class_balanced", "epoch": "memory"}, "real"),
    "straight_through": (StraightThrough, {}, "binary"),
    "bayesbinn": (
        BayesBiNN,
        {
            "temperature": 0.5,
            "initial_magnitude": 1.0,
            "num_samples": 1,
            "num_test_samples": 5,
            "kl_weight": 1.0,
            "momentum": 0.0,
            "carry_prior": True,
            "variant": "sound",
            "max_slope": 5.0,
        },
        "binary",
    ),
}


def avalanche_benchmark() -> Any:
    """Not of our streams: tensors through Avalanche's own classes; a head and two of four classes a task."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in ("train", "test"):
        labels = torch.arange(120) % 4
        images = torch.randn(120, 4, generator=generator) + 2 * torch.eye(4)[labels]
        data = TensorDataset(images.view(-1, 1, 2, 2), labels)
        data.targets = labels.tolist()
        parts.append(data)
    return nc_benchmark(
        *parts, n_experiences=2, task_labels=True, shuffle=False, class_ids_from_zero_in_each_exp=True
    )


@pytest.mark.parametrize("name", OTHERS)
def test_our_strategies_learn_avalanche_s_benchmarks(lab, name):
    cls, method, weights = OTHERS[name]
    model = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=2,
        num_heads=2,
        hidden=[16],
        normalisation="layer",
        weights=weights,
    )
    strategy = cls(model=model, **method, **lab.settings(epochs=60, batch_size=10, learning_rate=0.02))
    benchmark = avalanche_benchmark()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for experience in benchmark.train_stream:
            strategy.train(experience, eval_streams=[])
    scores = Scores()
    strategy.plugins.insert(0, scores)
    global_state = torch.random.get_rng_state()
    strategy.eval(benchmark.test_stream)
    assert torch.equal(torch.random.get_rng_state(), global_state), "reading somebody's data draws nothing"
    (first,), (second,) = scores.rows
    assert first.num_examples == 60
    assert second.accuracy > 0.8
    assert first.accuracy > (0.8 if name in ("joint", "replay", "der", "gdumb") else 0.4)


def test_several_seeds_at_once_are_refused_on_a_benchmark_of_somebody_else_s(lab):
    networks = [
        lab.seeded_model(
            mlp,
            seed=seed,
            input_shape=(1, 2, 2),
            num_classes=2,
            num_heads=2,
            hidden=[4],
            normalisation="none",
            weights="real",
        )
        for seed in (0, 1)
    ]
    strategy = Finetune(model=StackedNetwork(networks), **lab.settings(seeds=[Seeds(0), Seeds(1)]))
    with pytest.raises(ValueError, match="several seeds cannot be trained at once on somebody else"):
        strategy.train(avalanche_benchmark().train_stream, eval_streams=[])


def test_a_coreset_is_refused_on_a_benchmark_of_somebody_else_s(lab):
    model = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=2,
        num_heads=2,
        hidden=[4],
        normalisation="none",
        weights="real",
    )
    strategy = VCL(model=model, **(OTHERS["vcl"][1] | {"coreset": "random"}), **lab.settings())
    with pytest.raises(ValueError, match=r"coreset must be none .*coreset='random'"):
        strategy.train(avalanche_benchmark().train_stream, eval_streams=[])
