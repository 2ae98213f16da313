"""An accuracy matrix from elsewhere as the records that it would have left."""

import numpy as np
import pandas as pd
import pytest

from cl_bench.analysis import accuracy_matrix, load, matrix_frame, metrics, summary
from cl_bench.analysis.run_metrics import run_metrics

R = np.array([[0.1, 0.2, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]])
LIMITED = np.ma.masked_array(R, mask=[[1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0]])


def test_the_matrix_comes_back_as_it_was():
    np.testing.assert_array_equal(accuracy_matrix(matrix_frame(R, method="mine")), R)


def test_a_run_cut_short_is_one():
    killed = R.copy()
    killed[3] = np.nan
    frame = pd.concat([matrix_frame(R, method="mine", seed=0), matrix_frame(killed, method="mine", seed=1)])
    row = summary(frame).iloc[0]
    assert (row["num_seeds"], row["num_left_out"]) == (1, 1)


def test_what_was_not_to_be_tested_is_masked():
    found = accuracy_matrix(matrix_frame(LIMITED, method="mine", test_last=2))
    np.testing.assert_array_equal(np.ma.getmaskarray(found), LIMITED.mask)
    assert metrics.forgetting(found) == metrics.forgetting(LIMITED)


@pytest.mark.parametrize("seen_alone", [True, False])
def test_a_matrix_without_the_untrained_network_counts_with_all_tasks_seen(seen_alone):
    """Other libraries have one row a task, and often nan above the diagonal."""
    matrix = np.where(np.tri(3), R[1:], np.nan) if seen_alone else R[1:]
    (row,) = summary(matrix_frame(matrix, method="mine")).to_dict("records")
    assert (row["num_seeds"], row["num_left_out"]) == (1, 0)
    assert row["average_accuracy_mean"] == metrics.average_accuracy(R)
    assert row["forgetting_mean"] == metrics.forgetting(R)
    assert row["learning_accuracy_mean"] == metrics.learning_accuracy(R)
    assert np.isnan(row["forward_transfer_mean"])
    frame = pd.concat([matrix_frame(R, method="ours"), matrix_frame(matrix, method="theirs")])
    assert summary(frame)["average_accuracy_mean"].nunique() == 1


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (100 * R, "fractions, got 90: divide percent by 100"),
        (R[2:], r"\[num_tasks, num_tasks\], or one row more, the untrained network's, got \(2, 3\)"),
        (R[0], "one row more"),
        (np.zeros((0, 0)), "one row more"),
    ],
)
def test_what_is_no_matrix_of_fractions_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        matrix_frame(matrix, method="mine")


def test_a_run_named_joint_is_the_reference():
    joint = [[0.1, 0.2, 0.1], [0.9, 0.2, 0.1], [0.9, 0.9, 0.3], [0.9, 0.9, 1.0]]
    frame = pd.concat([matrix_frame(R, method="mine"), matrix_frame(joint, method="joint")])
    found = run_metrics(frame).set_index("method")["intransigence"]
    assert found["mine"] == pytest.approx(metrics.intransigence(R, [0.9, 0.9, 1.0]))
    assert found["joint"] == 0


def test_it_has_the_columns_and_types_of_load(write_run, tmp_path):
    write_run(tmp_path)
    pd.testing.assert_series_equal(matrix_frame(R, method="mine").dtypes, load(tmp_path).dtypes)


@pytest.mark.parametrize("shape", [(3,), (3, 2, 1), (1, 0), (2, 4), (4, 3, 1)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[num_tasks, num_tasks\], or one row more"):
        matrix_frame(np.zeros(shape), method="mine")
