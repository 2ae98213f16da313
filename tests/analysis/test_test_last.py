"""Runs that tested only the newest tasks after each one: whole, read as such, and never mixed with others."""

import json

import numpy as np
import pytest

from cl_bench import records
from cl_bench.analysis import (
    accuracy_matrix,
    average_curves,
    forgetting_curves,
    load,
    matrices,
    runs,
    summary,
)
from cl_bench.analysis.curves import seen_and_unseen
from cl_bench.analysis.recorded_measures import ece
from cl_bench.report.text_table import text_table

#               on task 1     2     3
EXAMPLE = np.array(
    [
        [0.10, 0.10, 0.10],  # not tested with test_last
        [0.90, 0.10, 0.10],
        [0.50, 0.80, 0.10],
        [0.10, 0.60, 0.70],
    ]
)


def test_a_finished_run_is_complete_and_what_it_left_out_is_masked(write_run, tmp_path):
    write_run(tmp_path, accuracy=EXAMPLE, test_last=2)
    (found,) = matrices(load(tmp_path))
    assert found.complete
    assert found.test_last == 2
    assert found.accuracy.tolist() == [
        [None, None, None], [0.90, None, None], [0.50, 0.80, None], [None, 0.60, 0.70],
    ]  # fmt: skip


def test_a_run_cut_short_is_not_complete(write_run, tmp_path):
    write_run(tmp_path, accuracy=EXAMPLE, test_last=2, last_task=2, status="running")
    (found,) = matrices(load(tmp_path))
    assert not found.complete
    assert np.isnan(found.accuracy[3, 1:]).tolist() == [True, True]
    assert summary(load(tmp_path))["num_left_out"].tolist() == [1]
    assert forgetting_curves(load(tmp_path)).empty


def test_a_run_that_lacks_tests_without_test_last_is_not_complete(write_run, tmp_path):
    run = write_run(tmp_path, accuracy=EXAMPLE, test_last=2)
    forget_test_last(run)
    (found,) = matrices(load(tmp_path))
    assert not found.complete


def test_a_run_without_test_last_has_a_plain_matrix(write_run, tmp_path):
    write_run(tmp_path, accuracy=EXAMPLE)
    assert type(accuracy_matrix(load(tmp_path))) is np.ndarray


def test_summary_and_curves_are_over_the_tests_that_were_made(write_run, tmp_path):
    for seed, change in enumerate((0.0, 0.1)):
        write_run(tmp_path, accuracy=EXAMPLE + change, seed=seed, test_last=2)
    frame = load(tmp_path)
    (row,) = summary(frame).to_dict("records")
    assert (row["method"], row["test_last"], row["num_seeds"], row["num_left_out"]) == ("ewc", 2, 2, 0)
    assert row["average_accuracy_mean"] == pytest.approx(0.70)  # (0.65 + 0.75) / 2
    assert row["forgetting_mean"] == pytest.approx(0.20)  # task 2: 0.80 - 0.60
    assert row["learning_accuracy_mean"] == pytest.approx(0.85)  # 0.80 and 0.90
    assert np.isnan(row["forward_transfer_mean"])
    curves = forgetting_curves(frame)
    assert list(zip(curves["on_task"], curves["after_task"], strict=True)) == [
        (1, 1), (1, 2), (2, 2), (2, 3), (3, 3),
    ]  # fmt: skip
    assert curves["mean"].tolist() == pytest.approx([0.95, 0.55, 0.85, 0.65, 0.75])
    assert average_curves(frame)["mean"].tolist() == pytest.approx([0.95, 0.70, 0.70])


def test_tests_of_all_tasks_at_the_end_have_a_mean_of_their_own_and_change_no_other(write_run, tmp_path):
    limited = write_run(tmp_path / "limited", accuracy=EXAMPLE, test_last=2)
    whole = write_run(tmp_path / "whole", accuracy=EXAMPLE, test_last=2, test_all_at_end=True)
    assert limited.name == whole.name
    (before,), (after,) = (summary(load(run)).to_dict("records") for run in (limited, whole))
    assert after.pop("average_accuracy_all_tasks_mean") == pytest.approx((0.10 + 0.60 + 0.70) / 3)
    assert np.isnan(before.pop("average_accuracy_all_tasks_mean"))
    assert repr(after) == repr(before)
    (found,) = matrices(load(whole))
    assert found.complete
    assert found.accuracy.mask[3].tolist() == [True, False, False]
    for curves in (forgetting_curves, average_curves):
        assert curves(load(whole)).equals(curves(load(limited)))
    assert "average accuracy, all tasks" in text_table(summary(load(whole)))
    assert "average accuracy, all tasks" not in text_table(summary(load(limited)))


def test_other_measures_are_over_the_last_tasks_whatever_is_tested_besides(write_run, tmp_path):
    run = write_run(tmp_path, accuracy=EXAMPLE, test_last=2, test_all_at_end=True)
    frame = load(run).assign(ece=lambda rows: rows["accuracy"], entropy=lambda rows: rows["accuracy"])
    assert ece(frame)["study", run.name] == pytest.approx(0.65)
    seen = seen_and_unseen(frame, "entropy")
    assert seen["mean"].tolist() == pytest.approx([0.90, 0.65, 0.65])


def test_a_run_that_tested_some_tasks_at_the_end_has_no_mean_over_all(write_run, tmp_path):
    run = write_run(tmp_path, accuracy=EXAMPLE, test_last=2, test_all_at_end=True, status="running")
    lines = (run / "records.csv").read_text().splitlines(keepends=True)
    (run / "records.csv").write_text("".join(line for line in lines if not line.startswith("0,3,1,")))
    (row,) = summary(load(run)).to_dict("records")
    assert np.isnan(row["average_accuracy_all_tasks_mean"])
    assert row["average_accuracy_mean"] == pytest.approx(0.65)


def test_runs_with_and_without_it_are_seeds_of_one_method(write_run, tmp_path):
    write_run(tmp_path, seed=0, test_last=2, test_all_at_end=True)
    write_run(tmp_path, seed=1, test_last=2)
    assert summary(load(tmp_path))["num_seeds"].tolist() == [2]


def test_the_joint_run_is_the_reference_with_test_last_too(write_run, tmp_path):
    write_run(tmp_path, accuracy=EXAMPLE, test_last=2)
    write_run(tmp_path, accuracy=EXAMPLE + 0.1, test_last=2, strategy="joint")
    rows = summary(load(tmp_path)).set_index("method")
    assert rows.loc["ewc", "intransigence_mean"] == pytest.approx(0.1)


def test_runs_with_and_without_test_last_are_different_methods(write_run, tmp_path):
    write_run(tmp_path, run_hash="aaaa", test_last=2)
    write_run(tmp_path, run_hash="bbbb", settings={"training.test_last": None})
    write_run(tmp_path, run_hash="cccc", test_last=1)
    assert set(load(tmp_path)["method"]) == {"ewc test_last=2", "ewc test_last=null", "ewc test_last=1"}


def test_a_run_from_before_the_setting_tested_all_tasks(write_run, tmp_path):
    write_run(tmp_path, run_hash="aaaa", test_last=2)
    write_run(tmp_path, run_hash="bbbb")
    assert set(load(tmp_path)["method"]) == {"ewc test_last=2", "ewc test_last=null"}
    assert summary(load(tmp_path))["num_seeds"].tolist() == [1, 1]


def test_strategies_that_were_tested_differently_say_so_and_others_do_not(write_run, tmp_path):
    write_run(tmp_path, strategy="ewc", test_last=2)
    write_run(tmp_path, strategy="vcl", settings={"strategy.x": 1}, run_hash="aaaa")
    write_run(tmp_path, strategy="vcl", settings={"strategy.x": 2}, run_hash="bbbb")
    write_run(tmp_path, strategy="ewc", benchmark="another", test_last=2)
    write_run(tmp_path, strategy="vcl", benchmark="another", test_last=2)
    frame = load(tmp_path)
    assert set(frame.loc[frame["benchmark"] == "permuted_mnist", "method"]) == {
        "ewc test_last=2", "vcl x=1 test_last=null", "vcl x=2 test_last=null",
    }  # fmt: skip
    assert set(frame.loc[frame["benchmark"] == "another", "method"]) == {"ewc", "vcl"}


def test_the_text_table_says_which_tasks_were_tested(write_run, tmp_path):
    write_run(tmp_path, accuracy=EXAMPLE, test_last=2)
    text = text_table(summary(load(tmp_path)))
    assert text.startswith("study: permuted_mnist (domain-incremental, 3 tasks, the last 2 tested)\n")
    assert "only the last tasks are tested" in text
    write_run(tmp_path, accuracy=EXAMPLE, strategy="vcl")
    assert "3 tasks, the last 2 or all tested)" in text_table(summary(load(tmp_path)))


def test_a_test_that_the_run_was_not_to_make_is_a_contradiction(write_run, tmp_path):
    run = write_run(tmp_path, test_last=2)
    records.append(run / "records.csv", records.Record(0, 3, 1, 0.5, 0.5, 10))
    (error,) = runs(tmp_path)["error"]
    assert error == "records.csv has task 1 tested after task 3, run.json has training.test_last 2"


@pytest.mark.parametrize("value", [0, "2", True, 1.5])
def test_a_test_last_that_is_no_number_of_tasks_breaks_the_run(write_run, tmp_path, value):
    write_run(tmp_path, settings={"training.test_last": value})
    (error,) = runs(tmp_path)["error"]
    assert error.startswith("run.json: test_last must be a whole number, at least 1, or null")


def forget_test_last(run):
    about = json.loads((run / "run.json").read_text())
    del about["settings"]["training.test_last"]
    (run / "run.json").write_text(json.dumps(about))
