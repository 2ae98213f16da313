"""`cl-bench table`: one table over benchmarks, and what is bold in it."""

import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from cl_bench.analysis import AnalysisError, load
from cl_bench.analysis.paired_tests import holm
from cl_bench.analysis.registry import registered
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import summary
from cl_bench.report.paper_table import paper_table

HERE = Path(__file__).parents[1]  # tests
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
measure = runpy.run_path(str(HERE / "figures" / "full_runs.py"))["measure"]


def matrix(accuracy, forgetting=0.0):
    """Return the accuracies on a stream of two tasks with this average and this forgetting."""
    end = accuracy
    return np.array([[0.1, 0.1], [end + forgetting, 0.1], [end, end]])


def write(folder, scores, **more):
    """Runs of benchmark -> strategy -> average accuracies, one a seed; nan: no such run."""
    for benchmark, strategies in scores.items():
        for strategy, accuracies in strategies.items():
            for seed, accuracy in enumerate(accuracies):
                if not np.isnan(accuracy):
                    write_run(
                        folder,
                        benchmark=benchmark,
                        strategy=strategy,
                        seed=seed,
                        accuracy=matrix(accuracy),
                        **more,
                    )
    return folder


SCORES = {
    "a_1": {
        "joint": [0.99, 0.99, 0.99],
        "ewc": [0.90, 0.92, 0.91],
        "vcl": [0.91, 0.90, 0.92],
        "si": [0.70, 0.73, 0.70],
    },
    "b": {
        "joint": [0.95, 0.95, 0.96],
        "ewc": [0.50, 0.55, 0.52],
        "vcl": [0.80, 0.83, 0.82],
        "si": [0.60, 0.62, np.nan],
    },
}


@pytest.fixture(scope="module")
def two_benchmarks(tmp_path_factory):
    return write(tmp_path_factory.mktemp("results"), SCORES)


def bold(made):
    return {
        (method, column.benchmark, column.metric.name)
        for method, row in made.rows.items()
        for column, number in zip(made.columns, row, strict=True)
        if number.bold
    }


# What is bold


def test_bold_are_the_best_and_what_a_paired_test_with_holm_does_not_tell_from_it(two_benchmarks):
    made = paper_table(two_benchmarks, metrics="average_accuracy")
    expected = set()
    for benchmark, methods in SCORES.items():
        names = [name for name in methods if name != "joint"]
        known = {name: np.array(methods[name]) for name in names}
        best = max(names, key=lambda name: np.nanmean(known[name]))
        others = [name for name in names if name != best and not np.isnan(known[name]).any()]
        adjusted = holm([ttest_rel(known[best], known[name]).pvalue for name in others])
        expected |= {(best, benchmark, "average_accuracy")}
        expected |= {
            (name, benchmark, "average_accuracy")
            for name, p in zip(others, adjusted, strict=True)
            if p > 0.05
        }
    assert bold(made) == expected
    assert ("ewc", "a_1", "average_accuracy") in expected, "ewc and vcl are not told apart there"
    assert ("ewc", "b", "average_accuracy") not in expected


def test_of_many_methods_those_far_behind_are_not_bold(tmp_path):
    """38 methods have 703 pairs. Of these the best is in 37, and they alone count."""
    rng = np.random.default_rng(0)
    ends = {f"m{place}": 0.95 - 0.01 * place + 0.006 * rng.standard_normal(5) for place in range(38)}
    made = paper_table(write(tmp_path, {"a": ends}), metrics="average_accuracy")
    found = {method for method, _, _ in bold(made)}
    assert "m0" in found
    assert not found & {f"m{place}" for place in range(12, 38)}


def test_of_forgetting_the_least_is_bold(tmp_path):
    for strategy, forgetting in (("ewc", 0.05), ("vcl", 0.01)):
        for seed in range(3):
            accuracy = matrix(0.9 - 0.01 * seed, forgetting + 0.001 * seed * (strategy == "ewc"))
            write_run(tmp_path, strategy=strategy, seed=seed, accuracy=accuracy)
    made = paper_table(tmp_path, metrics=["forgetting"])
    assert bold(made) == {("vcl", "permuted_mnist", "forgetting")}


def test_joint_training_is_never_bold_nor_tested(two_benchmarks):
    made = paper_table(two_benchmarks)
    assert not any(number.bold for number in made.rows["joint"])
    without = paper_table(two_benchmarks, methods="ewc,vcl,si")
    assert bold(made) == bold(without)
    assert "joint training aside" in " ".join(made.caption)
    assert "joint" not in " ".join(without.caption)


def test_one_seed_is_not_tested_and_the_best_alone_is_bold(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9], "vcl": [0.8]}})
    made = paper_table(tmp_path, metrics="average_accuracy")
    assert bold(made) == {("ewc", "a", "average_accuracy")}
    assert "Bold: the best of a column (fewer than 3 matched seeds, so no test)" in made.caption
    assert "Percent, mean over 1 seed" in made.caption


@pytest.mark.parametrize("joint", [False, True])
def test_with_two_seeds_nothing_is_told_apart_and_the_best_alone_is_bold(tmp_path, joint):
    scores = {"ewc": [0.9, 0.8], "vcl": [0.85, 0.78], "si": [0.5, 0.7]}
    write(tmp_path, {"a": scores | ({"joint": [0.95, 0.95]} if joint else {})})
    made = paper_table(tmp_path, metrics="average_accuracy")
    assert bold(made) == {("ewc", "a", "average_accuracy")}
    aside = "; joint training aside" if joint else ""
    assert f"Bold: the best of a column (fewer than 3 matched seeds, so no test{aside})" in made.caption


def test_a_pair_with_few_seeds_in_common_is_untested_beside_others_that_are(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8, 0.9], "vcl": [0.8, 0.9, 0.89], "si": [0.85, 0.86, np.nan]}})
    made = paper_table(tmp_path, metrics="average_accuracy")
    assert {method for method, _, _ in bold(made)} == {"ewc", "vcl"}
    assert "Methods with fewer than 3 seeds in common are not tested" in made.caption


def test_what_is_bold_is_chosen_and_said(two_benchmarks):
    best = paper_table(two_benchmarks, metrics="average_accuracy", bold="best")
    equal = {("ewc", "a_1", "average_accuracy"), ("vcl", "a_1", "average_accuracy")}
    assert bold(best) == {("vcl", "b", "average_accuracy"), *equal}, "of two means that are the same, both"
    assert "Bold: the best of a column (joint training aside)" in best.caption
    none = paper_table(two_benchmarks, metrics="average_accuracy", bold="none")
    assert bold(none) == set()
    assert "bold" not in " ".join(none.caption).lower()
    with pytest.raises(AnalysisError, match="what is bold is one of ties, best, none, got bold='all'"):
        paper_table(two_benchmarks, bold="all")


def test_a_note_of_runs_is_in_the_caption(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8]}}, notes=["the network has no head for each task."])
    write(tmp_path, {"a": {"vcl": [0.9, 0.8]}, "b": {"vcl": [0.9, 0.8]}})
    said = paper_table(tmp_path, labels={"ewc": "EWC", "a": "A"}).caption
    assert "EWC on A: the network has no head for each task" in said
    assert not any("no head" in each for each in paper_table(tmp_path, methods="vcl").caption)


def test_what_has_no_direction_or_one_method_has_no_best(tmp_path):
    directionless = next(metric.name for metric in registered() if not metric.better)
    write(tmp_path, {"a": {"ewc": [0.9, 0.8]}})
    assert bold(paper_table(tmp_path, metrics=f"average_accuracy,{directionless}")) == set()


def test_methods_that_are_alike_are_all_bold(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8], "vcl": [0.9, 0.8]}})
    assert len(bold(paper_table(tmp_path, metrics="average_accuracy"))) == 2


# Numbers and words


def test_the_numbers_are_those_of_the_summary(two_benchmarks):
    expected = summary(load(two_benchmarks)).set_index(["benchmark", "method"])
    made = paper_table(two_benchmarks)
    for method, row in made.rows.items():
        for column, number in zip(made.columns, row, strict=True):
            told = expected.loc[(column.benchmark, method)]
            assert number.mean == pytest.approx(told[f"{column.metric.name}_mean"])
            assert number.mean + number.half_width == pytest.approx(told[f"{column.metric.name}_high"])
            assert number.num_seeds == told["num_seeds"]


@pytest.mark.parametrize(("interval", "half"), [("se", 0.01 / np.sqrt(3)), ("sd", 0.01), ("none", np.nan)])
def test_what_stands_behind_plus_minus_is_chosen_and_said(two_benchmarks, interval, half):
    made = paper_table(two_benchmarks, interval=interval, metrics="average_accuracy")
    assert made.rows["ewc"][0].half_width == pytest.approx(half, nan_ok=True)
    said = {"se": "± standard error", "sd": "± standard deviation", "none": ""}[interval]
    assert f"Percent, mean over 3 seeds (si on b 2) {said}".strip() in made.caption


def test_metrics_of_records_and_states_are_columns_too(tmp_path):
    for seed in range(2):
        for strategy in ("ewc", "vcl"):
            measure(write_run(tmp_path, strategy=strategy, seed=seed), seed=seed, num_tasks=3)
    made = paper_table(tmp_path, metrics=["stored_bits", "ece", "entropy"])
    (stored, ece, entropy) = made.rows["ewc"]
    assert stored.mean == 1000
    assert np.isfinite([ece.mean, entropy.mean]).all()
    arrows = {"higher": " ↑", "lower": " ↓", "": ""}
    for column in made.columns:
        assert (
            column.title.lower()
            == (
                column.metric.title + f" ({column.metric.unit})" * (column.metric.unit in ("KiB", "nats"))
            ).lower()
            + arrows[column.metric.better]
        )
    said = paper_table(tmp_path, metrics="stored_bits").caption
    assert said[:2] == ["Stored (KiB) ↓", "Mean over 2 seeds"], "bits that all seeds share have no spread"
    assert np.isnan(stored.half_width)
    said = paper_table(tmp_path, metrics="entropy").caption
    assert said[1] == "Mean over 2 seeds ± half width of the 95 % Student t interval"


def test_methods_benchmarks_and_metrics_have_their_labels_and_order(two_benchmarks):
    labels = "vcl=VCL, ours,b=Split B,average_accuracy=ACC"
    made = paper_table(two_benchmarks, methods="vcl,joint", labels=labels)
    assert list(made.rows) == ["VCL, ours", "joint"]
    assert [(column.benchmark, column.title) for column in made.columns] == [
        ("a_1", "ACC ↑"),
        ("a_1", "Forgetting ↓"),
        ("Split B", "ACC ↑"),
        ("Split B", "Forgetting ↓"),
    ]


def test_the_caption_says_how_settings_were_found_and_what_is_missing(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8], "vcl": [0.7, 0.6]}}, tuning="none: defaults")
    write(tmp_path, {"b": {"ewc": [0.9, 0.8]}}, tuning={"tuned/b/ewc.yaml": ""})
    write_run(tmp_path, benchmark="a", strategy="si", last_task=1)
    said = paper_table(tmp_path).caption
    assert "a: ewc, vcl: not tuned" in said
    assert any(sentence.startswith("b: ewc: tuned (tuned/b") for sentence in said)
    assert "1 incomplete run left out" in said
    assert "–: not run, or not measured" in said


def test_a_run_that_failed_before_its_first_test_is_counted_as_left_out(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8]}})
    for seed, status in ((2, "failed"), (3, "interrupted"), (4, "running")):
        started = write_run(tmp_path, benchmark="a", strategy="ewc", seed=seed, status=status)
        (started / "records.csv").unlink()
    write_run(tmp_path, benchmark="a", strategy="si", last_task=1, status="failed")
    lost = write_run(tmp_path, benchmark="a", strategy="vcl", status="failed")  # without a row of its own
    (lost / "records.csv").unlink()
    assert "5 incomplete runs left out" in paper_table(tmp_path).caption
    assert "3 incomplete runs left out" in paper_table(tmp_path, methods="ewc").caption
    found = Results.read(tmp_path)
    counted = dict(zip(found.summary["method"], found.summary["num_left_out"], strict=True))
    assert counted == {"ewc": 3, "si": 1}


def test_a_second_copy_of_a_run_is_not_counted_as_left_out(tmp_path):
    write(tmp_path / "here", {"a": {"ewc": [0.9, 0.8]}})
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert not any("left out" in each for each in paper_table(tmp_path).caption)


def test_every_metric_can_be_a_column(tmp_path):
    for seed in range(2):
        measure(write_run(tmp_path, seed=seed), seed=seed, num_tasks=3)
    for metric in registered():
        made = paper_table(tmp_path, metrics=metric.name)
        assert [column.metric.name for column in made.columns] == [metric.name]
