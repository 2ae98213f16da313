"""Summaries, curves and the text table."""

import numpy as np
import pytest

from cl_bench.analysis import (
    average_accuracy,
    average_curves,
    average_seen,
    forgetting,
    forgetting_curves,
    load,
    student_t,
    summary,
)
from cl_bench.report.text_table import text_table

MATRICES = [np.random.default_rng(seed).random((4, 3)) for seed in range(3)]


@pytest.fixture
def three_seeds(write_run, tmp_path):
    for seed, accuracy in enumerate(MATRICES):
        write_run(tmp_path, seed=seed, accuracy=accuracy)
    return tmp_path


def test_metrics_are_computed_per_seed_and_then_averaged(three_seeds):
    (row,) = summary(load(three_seeds)).to_dict("records")
    assert (row["study"], row["benchmark"], row["method"]) == ("study", "permuted_mnist", "ewc")
    assert (row["num_seeds"], row["num_left_out"], row["num_tasks"]) == (3, 0, 3)
    for name, metric in (("average_accuracy", average_accuracy), ("forgetting", forgetting)):
        expected = student_t([metric(accuracy) for accuracy in MATRICES])
        found = [row[f"{name}_{part}"] for part in ("mean", "low", "high")]
        assert found == pytest.approx([float(value) for value in expected])


def test_the_best_average_accuracy_of_a_benchmark_comes_first(write_run, tmp_path):
    for strategy, decay in (("a", 0.5), ("b", 0.01), ("c", 0.2)):
        write_run(tmp_path, strategy=strategy, decay=decay)
    write_run(tmp_path, strategy="d", benchmark="another")
    rows = summary(load(tmp_path))
    assert list(zip(rows["benchmark"], rows["method"], strict=True)) == [
        ("another", "d"), ("permuted_mnist", "b"), ("permuted_mnist", "c"), ("permuted_mnist", "a"),
    ]  # fmt: skip


def test_incomplete_runs_count_nowhere_and_are_counted(three_seeds, write_run):
    before = summary(load(three_seeds))
    write_run(three_seeds, seed=7, last_task=2, status="running")
    write_run(three_seeds, seed=8, last_task=1, status="failed", strategy="vcl")
    after = summary(load(three_seeds))
    assert after["num_left_out"].tolist() == [1, 1]
    assert after["num_seeds"].tolist() == [3, 0]
    assert after["average_accuracy_mean"][0] == before["average_accuracy_mean"][0]
    assert np.isnan(after["average_accuracy_mean"][1])
    assert set(forgetting_curves(load(three_seeds))["method"]) == {"ewc"}


def test_intransigence_is_against_the_joint_run_of_the_same_seed(write_run, tmp_path):
    joint = [np.full((3, 2), level) for level in (0.8, 0.9)]
    stream = [np.full((3, 2), level) for level in (0.7, 0.6, 0.1)]
    for seed, accuracy in enumerate(joint):
        write_run(tmp_path, strategy="joint", seed=seed, accuracy=accuracy)
    for seed, accuracy in enumerate(stream):
        write_run(tmp_path, strategy="ewc", seed=seed, accuracy=accuracy)
    rows = summary(load(tmp_path)).set_index("method")
    # seed 0: 0.8 - 0.7 = 0.1; seed 1: 0.9 - 0.6 = 0.3; seed 2 has no reference
    assert rows.loc["ewc", "intransigence_mean"] == pytest.approx(0.2)
    assert rows.loc["joint", "intransigence_mean"] == 0


def test_intransigence_is_nan_without_a_reference_in_the_same_study(write_run, tmp_path):
    write_run(tmp_path, study="one", strategy="joint")
    write_run(tmp_path, study="two", strategy="ewc")
    rows = summary(load(tmp_path)).set_index("method")
    assert np.isnan(rows.loc["ewc", "intransigence_mean"])


def test_the_best_of_several_joint_variants_is_the_reference(write_run, tmp_path):
    for epochs, level in ((1, 0.9), (2, 0.8)):
        accuracy, settings = np.full((3, 2), level), {"training.epochs": epochs}
        write_run(tmp_path, strategy="joint", accuracy=accuracy, settings=settings, run_hash=f"{epochs:04x}")
    write_run(tmp_path, strategy="ewc", accuracy=np.full((3, 2), 0.7))
    rows = summary(load(tmp_path)).set_index("method")
    assert rows.loc["ewc", "intransigence_mean"] == pytest.approx(0.2)


def test_forgetting_curves_hold_the_mean_matrix(three_seeds):
    curves = forgetting_curves(load(three_seeds))
    assert len(curves) == 4 * 3
    expected = student_t(np.stack(MATRICES))
    for row in curves.to_dict("records"):
        after, on = row["after_task"], row["on_task"] - 1
        assert row["mean"] == pytest.approx(expected.mean[after, on])
        assert row["low"] == pytest.approx(expected.low[after, on])
        assert row["num_seeds"] == 3


def test_average_curves_hold_the_average_over_seen_tasks(three_seeds):
    curves = average_curves(load(three_seeds))
    expected = student_t(np.stack([average_seen(accuracy) for accuracy in MATRICES]))
    assert curves["after_task"].tolist() == [1, 2, 3]
    assert curves["mean"].tolist() == pytest.approx(expected.mean.tolist())
    assert curves["high"].tolist() == pytest.approx(expected.high.tolist())


def test_the_text_table_by_hand(write_run, tmp_path):
    for seed, level in enumerate((0.5, 0.6)):
        write_run(tmp_path, seed=seed, accuracy=np.array([[0.1, 0.1], [0.9, 0.1], [level, 0.8]]))
    write_run(tmp_path, strategy="joint", accuracy=np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]))
    # accuracy 65, 70: mean 67.5, half width 12.706 * 3.5355 / sqrt(2) = 31.8; forgetting 40, 30: 35.0 +- 63.5
    lines = text_table(summary(load(tmp_path))).splitlines()
    assert lines[:6] == [
        "study: permuted_mnist (domain-incremental, 2 tasks)",
        "",
        "  method   seeds   average accuracy    forgetting   backward transfer",
        "  -------------------------------------------------------------------",
        "  joint        1        90.0           0.0                 0.0",
        "  ewc          2        67.5 ± 31.8   35.0 ± 63.5        -35.0 ± 63.5",
    ]
    assert "Student t" in lines[-2]


def test_each_study_and_benchmark_has_its_own_table(write_run, tmp_path):
    write_run(tmp_path, study="one")
    write_run(tmp_path, study="one", benchmark="split_cifar100")
    write_run(tmp_path, study="two")
    text = text_table(summary(load(tmp_path)))
    assert [line.split(" (")[0] for line in text.splitlines() if "3 tasks" in line] == [
        "one: permuted_mnist", "one: split_cifar100", "two: permuted_mnist",
    ]  # fmt: skip


def test_what_cannot_be_measured_is_a_dash(write_run, tmp_path):
    write_run(tmp_path, num_tasks=1)
    assert text_table(summary(load(tmp_path))).splitlines()[4].split()[-2:] == ["–", "–"]
