"""Continual evaluation on one example of three tasks worked by hand."""

import math

import pandas as pd
import pytest

from cl_bench.analysis.stability_gap import (
    continual_evaluation,
    minimum_accuracy,
    read_probes,
    stability_gaps,
    worst_case_accuracy,
)
from cl_bench.records.rows import Probe
from cl_bench.records.runs import read_runs

#          training_on, step, accuracy on tasks 1, 2, 3
TESTS = [
    (1, 5, 0.50),
    (1, 10, 0.90),
    (2, 15, 0.40, 0.60),
    (2, 20, 0.86, 0.80),
    (2, 22, 0.80, 0.85),
    (3, 27, 0.60, 0.84, 0.30),
    (3, 32, 0.70, 0.90, 0.75),
]
PROBES = pd.DataFrame(
    [
        {"training_on": task, "step": step, "on_task": on_task, "accuracy": accuracy}
        for task, step, *accuracies in TESTS
        for on_task, accuracy in enumerate(accuracies, start=1)
    ]
)


def test_minimum_accuracy_by_hand():
    # task 1 after step 10: 0.40; task 2 after step 22: 0.84
    assert minimum_accuracy(PROBES) == pytest.approx(0.62)


def test_worst_case_accuracy_by_hand():
    # 0.75 / 3 + 2 / 3 * 0.62
    assert worst_case_accuracy(PROBES) == pytest.approx(0.25 + 2 / 3 * 0.62)


def test_stability_gaps_by_hand():
    first, second, third = stability_gaps(PROBES)
    # task 1 while 2 is learned: 0.90, then 0.40 after 5 steps, 0.86 >= 0.95 * 0.90 after 10
    assert first == pytest.approx((2, 1, 0.90, 0.40, 0.80, 0.50, 0.40, 5, 10))
    # task 1 while 3 is learned: 0.80, then 0.60 after 5 steps; 0.70 < 0.76 is no recovery
    assert second[:-1] == pytest.approx((3, 1, 0.80, 0.60, 0.70, 0.20, 0.10, 5))
    assert math.isnan(second.steps_to_recovery)
    # task 2 while 3 is learned: 0.85, at least 0.84: never lost
    assert third == pytest.approx((3, 2, 0.85, 0.84, 0.90, 0.01, 0.06, 5, 0))


def test_recovery_can_be_asked_for_in_full_or_less():
    assert math.isnan(stability_gaps(PROBES, recovered=1.0)[0].steps_to_recovery)
    assert stability_gaps(PROBES, recovered=0.8)[1].steps_to_recovery == 10
    with pytest.raises(ValueError, match="recovered must be above 0 and at most 1, got recovered=0"):
        stability_gaps(PROBES, recovered=0)


def test_of_two_tests_at_one_step_the_later_counts():
    again = pd.DataFrame([{"training_on": 1, "step": 10, "on_task": 1, "accuracy": 0.95}])
    assert stability_gaps(pd.concat([PROBES, again]))[0].before == 0.95


def test_one_task_has_no_gap_and_its_final_accuracy_at_worst():
    one = PROBES[PROBES["training_on"] == 1]
    assert math.isnan(minimum_accuracy(one))
    assert worst_case_accuracy(one) == 0.90
    assert stability_gaps(one) == []


def test_a_row_a_run_from_its_folder(write_run, tmp_path):
    for seed in range(2):
        run = write_run(tmp_path, seed=seed)
        probes = PROBES.assign(seed=seed, nll=0.5, num_examples=50)[list(Probe._fields)]
        probes.to_csv(run / "probes.csv", index=False)
    write_run(tmp_path, seed=3)
    unfinished = write_run(tmp_path, seed=4, status="running")
    (unfinished / "probes.csv").write_text("seed,training_on\n4,")
    rows = continual_evaluation(read_probes(read_runs(tmp_path)))
    assert rows["seed"].tolist() == [0, 1]
    row = rows.iloc[0]
    assert row["minimum_accuracy"] == pytest.approx(0.62)
    assert row["gap_depth"] == pytest.approx((0.50 + 0.20 + 0.01) / 3)
    assert row["share_recovered"] == pytest.approx(2 / 3)
    assert row["steps_to_recovery"] == 5


def test_without_probes_there_are_no_rows(write_run, tmp_path):
    write_run(tmp_path)
    assert continual_evaluation(read_probes(read_runs(tmp_path))).empty
