"""The numbers behind figures, by examples worked by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from cl_bench.analysis.curves import gap_curves, probe_curves, seen_and_unseen, state_curves
from cl_bench.analysis.intervals import student_t
from cl_bench.analysis.over_seeds import over_seeds
from cl_bench.analysis.pareto import pareto
from cl_bench.analysis.ranks import cliques
from cl_bench.analysis.reliability import before_and_after, calibration_errors, reliability

ABOUT = {"study": "s", "benchmark": "b", "method": "ewc"}


def table(columns, *rows, **about):
    return pd.DataFrame(rows, columns=columns.split()).assign(**(ABOUT | about))


# Means over seeds


def test_intervals_over_seeds_are_those_of_student_t():
    values = table("run place x", ("r0", 1, 0.5), ("r1", 1, 0.7), ("r2", 1, 0.9), ("r0", 2, 0.25))
    first, second = over_seeds(values, "x", by=["place"]).to_dict("records")
    expected = student_t([0.5, 0.7, 0.9])
    assert first["mean"] == pytest.approx(expected.mean)
    assert (first["low"], first["high"]) == pytest.approx((expected.low, expected.high))
    assert first["num_seeds"] == 3
    assert (second["mean"], second["num_seeds"]) == (0.25, 1)
    assert math.isnan(second["low"])


def test_what_is_not_finite_counts_nowhere():
    values = table("run after_task drift", ("r0", 1, math.inf), ("r1", 1, 3.0), ("r0", 2, math.nan))
    (row,) = state_curves(values, "drift").to_dict("records")
    assert (row["after_task"], row["mean"], row["num_seeds"]) == (1, 3.0, 1)
    assert state_curves(values.assign(drift=math.nan), "drift").empty


def test_seen_tasks_are_averaged_apart_from_tasks_to_come():
    rows = [("r0", after, on, 10.0 * after + on) for after in range(3) for on in (1, 2)]
    found = seen_and_unseen(table("run after_task on_task entropy", *rows), "entropy")
    means = found.set_index(["seen", "after_task"])["mean"].to_dict()
    assert means == {(False, 0): 1.5, (False, 1): 12.0, (True, 1): 11.0, (True, 2): 21.5}


def test_tasks_to_come_are_left_out_where_their_heads_are_untrained():
    rows = [("r0", after, on, 10.0 * after + on) for after in range(3) for on in (1, 2)]
    tests = table("run after_task on_task entropy", *rows)
    for scenario, seen in (("task", {True}), ("domain", {True, False}), ("class", {True, False})):
        assert set(seen_and_unseen(tests.assign(scenario=scenario), "entropy")["seen"]) == seen


# Pareto front


def summary(**points):
    rows = [(name, bits, 0.0, 9.0, gain, math.nan, math.nan) for name, (bits, gain) in points.items()]
    parts = [f"{name}_{part}" for name in ("bits", "average_accuracy") for part in ("mean", "low", "high")]
    return pd.DataFrame(rows, columns=["method", *parts]).assign(study="s", benchmark="b")


def test_a_method_is_on_the_front_when_no_other_is_as_cheap_and_as_accurate():
    points = {
        "dear": (9, 0.9),
        "cheap": (1, 0.5),
        "same_price": (4, 0.6),
        "good": (4, 0.8),
        "beaten": (5, 0.8),
    }
    found = pareto(summary(**points), "bits")
    assert found["method"].tolist() == ["cheap", "good", "same_price", "beaten", "dear"]
    assert found["front"].tolist() == [True, True, False, False, True]
    assert found["cost_high"].tolist() == [9.0] * 5


def test_methods_alike_in_both_share_the_front():
    assert pareto(summary(a=(2, 0.5), b=(2, 0.5)), "bits")["front"].tolist() == [True, True]


def test_a_method_without_cost_or_accuracy_is_not_compared():
    points = {"a": (2, 0.5), "no_cost": (math.nan, 0.9), "no_gain": (1, math.nan)}
    assert pareto(summary(**points), "bits")["method"].tolist() == ["a"]


# Calibration

BINS = "run after_task on_task bin num_examples confidence accuracy"
TWO_TASKS = [
    ("r0", 0, 1, 2, 10, 0.1, 0.1),  # untrained
    ("r0", 1, 1, 9, 10, 0.6, 0.5),  # task 1 when learned
    ("r0", 1, 1, 14, 30, 0.9, 1.0),
    ("r0", 1, 2, 2, 10, 0.1, 0.1),  # to come
    ("r0", 2, 1, 14, 40, 0.9, 0.5),  # task 1 in the end
    ("r0", 2, 2, 14, 40, 0.9, 0.9),  # the last task: nothing later
]


def test_reliability_is_of_earlier_tasks_when_learned_and_in_the_end():
    bins = table(BINS, *TWO_TASKS, num_tasks=2)
    found = reliability(bins).set_index(["when", "bin"])
    assert found["mean"].to_dict() == {("end", 14): 0.5, ("learned", 9): 0.5, ("learned", 14): 1.0}
    assert found["share"].to_dict() == {("end", 14): 1.0, ("learned", 9): 0.25, ("learned", 14): 0.75}
    errors = calibration_errors(bins).set_index("when")["mean"]
    # 1/4 * |0.5 - 0.6| + 3/4 * |1.0 - 0.9|; and |0.5 - 0.9|
    assert errors.to_dict() == pytest.approx({"learned": 0.1, "end": 0.4})


def test_tasks_are_put_together_by_their_examples():
    rows = [("r0", task, task, 5, 10 * task, 0.3, 0.1 * task) for task in (1, 2)]
    rows += [("r0", 3, task, 5, 10, 0.3, 0.3) for task in (1, 2)]
    found = reliability(table(BINS, *rows, num_tasks=3)).set_index("when")
    assert found["mean"]["learned"] == pytest.approx((10 * 0.1 + 20 * 0.2) / 30)


def test_a_task_tested_only_once_is_in_neither_diagram():
    bins = table(BINS, *TWO_TASKS[:4], num_tasks=2)
    assert before_and_after(bins).empty
    assert reliability(bins).empty


def test_a_run_that_diverged_is_left_out_of_the_diagram():
    sound = table(BINS, *TWO_TASKS, num_tasks=2)
    diverged = sound.assign(run="r1", confidence=np.where(sound["after_task"] == 2, np.nan, 0.9))
    pd.testing.assert_frame_equal(reliability(pd.concat([sound, diverged])), reliability(sound))


# Probes

PROBES = "run training_on step on_task accuracy"
ONE_RUN = [
    ("r0", 1, 2, 1, 0.8),
    ("r0", 1, 4, 1, 0.9),
    ("r0", 2, 6, 1, 0.5),  # 2 steps into task 2
    ("r0", 2, 8, 1, 0.7),
    ("r0", 2, 8, 2, 0.6),
    ("r0", 3, 10, 1, 0.6),
    ("r0", 3, 10, 2, 0.5),
    ("r0", 3, 11, 1, 0.6),  # the last task is shorter
    ("r0", 3, 11, 2, 0.5),
]


def test_the_gap_is_the_change_since_the_last_task_averaged_over_pairs_of_tasks():
    found = gap_curves(table(PROBES, *ONE_RUN)).set_index("steps_since")["mean"]
    # pairs (2, 1): 0.5 - 0.9; (3, 1): 0.6 - 0.7; (3, 2): 0.5 - 0.6; only at 2 steps all are tested
    assert found.to_dict() == pytest.approx({2: (-0.4 - 0.1 - 0.1) / 3})


def test_probe_curves_are_of_steps_at_which_all_runs_were_tested():
    two = table(PROBES, *ONE_RUN, *[("r1", *row[1:4], row[4] + 0.1) for row in ONE_RUN[:3]])
    found = probe_curves(two)
    assert found["step"].tolist() == [2, 4, 6]
    assert found["mean"].tolist() == pytest.approx([0.85, 0.95, 0.55])
    assert found["training_on"].tolist() == [1, 1, 2]


def test_of_two_tests_at_one_step_the_later_counts():
    again = table(PROBES, *ONE_RUN, ("r0", 1, 4, 1, 0.95))
    assert probe_curves(again).set_index(["on_task", "step"])["mean"][1, 4] == 0.95
    assert gap_curves(again)["mean"].tolist() == pytest.approx([(-0.45 - 0.1 - 0.1) / 3])


def test_one_task_has_no_gap():
    assert gap_curves(table(PROBES, *ONE_RUN[:2])).empty


# Critical difference


@pytest.mark.parametrize(
    ("average", "critical", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], 0.5, []),
        ([1.0, 2.0, 3.0, 4.0], 1.0, [(0, 1), (1, 2), (2, 3)]),
        ([4.0, 1.0, 2.5, 2.0], 1.5, [(0, 2), (2, 3)]),
        ([1.0, 2.0, 3.0], 9.0, [(0, 2)]),
        ([2.0, 2.0, 2.0], 0.0, [(0, 2)]),
    ],
)
def test_cliques_are_the_longest_stretches_within_the_critical_difference(average, critical, expected):
    assert cliques(average, critical) == expected
