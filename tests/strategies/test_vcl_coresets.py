"""Coresets of VCL: kept out of training, trained on by a throw-away copy before each test."""

from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.evaluation.experiment import weights_sha256

CPU = torch.device("cpu")


@pytest.fixture
def make(make_vcl):
    return make_vcl


@pytest.mark.parametrize("coreset", ["random", "k_center"])
def test_the_coreset_is_taken_out_of_the_training_data(lab, make, coreset):
    (task,) = lab.tasks(1)
    strategy = make(method={"coreset": coreset})
    seen = Batches(strategy)
    strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
    (kept,) = strategy.coresets

    def rows(images: Tensor, labels: Tensor) -> list:
        return [(tuple(row.flatten().tolist()), int(y)) for row, y in zip(images, labels, strict=True)]

    in_coreset = rows(kept.to_float(kept.pixels), kept.labels)
    assert len(in_coreset) == 4
    assert strategy.num_examples == 8, "the KL is divided by the examples that remain"
    for epoch in seen.epochs:
        trained_on = [row for images, labels in epoch for row in rows(images, labels)]
        assert sorted(trained_on + in_coreset) == sorted(rows(task.images(CPU), task.labels))


def test_a_coreset_as_large_as_the_task_is_refused_by_name(lab, make):
    strategy = make(method={"coreset": "random", "coreset_size": 12})
    with pytest.raises(ValueError, match=r"coreset_size must be .* 12 .*coreset_size=12"):
        strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])


@pytest.mark.parametrize("coreset", ["random", "k_center"])
@pytest.mark.parametrize("heads", [False, True])
def test_a_test_with_coresets_leaves_all_of_training_untouched(lab, make, coreset, heads):
    tasks = lab.tasks(2, heads=heads)
    benchmark = lab.benchmark(tasks)
    strategy = make(
        num_heads=2 if heads else 1,
        normalisation="batch",
        method={"coreset": coreset, "coreset_epochs": 3},
        learning_rate=0.05,
    )
    strategy.train(benchmark.train_stream, eval_streams=[])
    before, outputs = lab.snapshot(strategy), OutputsOf(strategy)
    strategy.eval(benchmark.test_stream)
    assert lab.same(before, lab.snapshot(strategy))
    with torch.no_grad():
        plain = strategy.predict(tasks[0].images(CPU), tasks[0].head)
    together = torch.cat([outputs.seen[number] for number in range(3)])
    assert (together - plain).abs().max() > 0.05, "the copy that is tested was trained on"
    assert strategy.layers[0].noise is strategy.noise


def test_training_is_the_same_with_tests_on_coresets_and_without(lab, make):
    hashes = []
    for tested in (False, True):
        benchmark = lab.benchmark(lab.tasks(3))
        strategy = make(normalisation="batch", method={"coreset": "random"})
        for experience in benchmark.train_stream:
            strategy.train(experience, eval_streams=[])
            if tested:
                strategy.eval(benchmark.test_stream)
        hashes.append(weights_sha256(strategy))
    assert hashes[0] == hashes[1]


def test_the_copy_pays_kl_for_the_tested_head_and_not_for_others(lab, make):
    """The last task trained is another one: its head must not be the one that counts."""
    strategy = make(
        num_heads=2, method={"coreset": "random", "kl_weight": 1e6, "coreset_epochs": 50}, learning_rate=0.01
    )
    experiences = list(lab.benchmark(lab.tasks(2, heads=True)).train_stream)
    strategy.train(experiences, eval_streams=[])
    before = lab.head_values(strategy.network, 0).clone()
    other = lab.head_values(strategy.network, 1).clone()
    strategy._train_on_coresets([strategy.coresets[0]], strategy.active_for(0))
    moved = (lab.head_values(strategy.network, 0) - before).abs().mean()
    assert torch.equal(lab.head_values(strategy.network, 1), other)
    free = make(
        num_heads=2, method={"coreset": "random", "kl_weight": 0.0, "coreset_epochs": 50}, learning_rate=0.01
    )
    free.train(experiences, eval_streams=[])
    before = lab.head_values(free.network, 0).clone()
    free._train_on_coresets([free.coresets[0]], free.active_for(0))
    assert moved < 0.3 * (lab.head_values(free.network, 0) - before).abs().mean()


def test_coresets_help_old_tasks_on_real_digits(lab):
    accuracy = {}
    for coreset in ("none", "random", "k_center"):
        run = lab.from_conf(
            "strategy=vcl",
            "benchmark=permuted_digits",
            "benchmark.num_tasks=3",
            "benchmark.validation_share=0.5",
            "training.epochs=8",
            "strategy.kl_weight=0.1",
            f"strategy.coreset={coreset}",
            "strategy.coreset_size=60",
            "strategy.coreset_epochs=20",
            "model.hidden=[40]",
        )
        last = [record for record in run.records() if record.after_task == 3]
        accuracy[coreset] = sum(record.accuracy for record in last[:2]) / 2
    assert accuracy["random"] > accuracy["none"] + 0.02
    assert accuracy["k_center"] > accuracy["none"] + 0.02


# Probes


class Batches(SupervisedPlugin):
    """The batches of each epoch."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.epochs: list = []
        strategy.plugins.insert(0, self)

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.epochs.append([])

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.epochs[-1].append((strategy.mb_x, strategy.mb_y))


class OutputsOf(SupervisedPlugin):
    """The outputs of every test batch."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.seen: list = []
        strategy.plugins.insert(0, self)

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(strategy.mb_output)
