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


def test_a_run_named_joint_is_the_reference():
    joint = [[0.1, 0.2, 0.1], [0.9, 0.2, 0.1], [0.9, 0.9, 0.3], [0.9, 0.9, 1.0]]
    frame = pd.concat([matrix_frame(R, method="mine"), matrix_frame(joint, method="joint")])
    found = run_metrics(frame).set_index("method")["intransigence"]
    assert found["mine"] == pytest.approx(metrics.intransigence(R, [0.9, 0.9, 1.0]))
    assert found["joint"] == 0


def test_it_has_the_columns_and_types_of_load(write_run, tmp_path):
    write_run(tmp_path)
    pd.testing.assert_series_equal(matrix_frame(R, method="mine").dtypes, load(tmp_path).dtypes)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (1, 0), (4, 3, 1)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[1 \+ num_tasks, num_tasks\]"):
        matrix_frame(np.zeros(shape), method="mine")
