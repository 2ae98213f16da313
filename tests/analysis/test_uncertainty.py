"""Measures besides accuracy: their frames, matrices and means."""

import math

import numpy as np
import pytest

from cl_bench import records
from cl_bench.analysis import accuracy_matrix, calibration, forgetting, load, matrices, states, summary
from cl_bench.analysis.curves import state_curves
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.records.row_files import RecordsError
from cl_bench.records.rows import CalibrationBin, Record, State
from cl_bench.report.text_table import text_table


@pytest.fixture
def measured_run(write_run, tmp_path):
    """measured_run(seed): two tasks, with an ece of seed + 1 hundredths in the end, no sampled weights."""

    def make(seed=0, **settings):
        run = write_run(tmp_path, num_tasks=2, seed=seed, **settings)
        (run / "records.csv").unlink()
        final = (seed + 1) / 100
        eces = {(0, 1): 0.5, (0, 2): 0.5, (1, 1): 0.25, (1, 2): 0.5, (2, 1): final, (2, 2): 3 * final}
        for (after, on), ece in eces.items():
            records.append(
                run / "records.csv", Record(seed, after, on, 0.5, 2.0, 10, ece, 0.75, 1.5, math.nan)
            )
            records.append(run / "calibration.csv", CalibrationBin(seed, after, on, 8, 10, 0.5, 0.5))
        for after in range(3):
            ood_auroc = 0.75 if after == 1 else math.nan
            state = State(seed, after, math.nan, 0.5, 1000 * (1 + after), 8, float(after), 10, ood_auroc)
            records.append(run / "states.csv", state)
        return run

    return make


def test_states_have_a_row_a_task_and_the_columns_of_their_run(measured_run, write_run, tmp_path):
    measured_run(seed=4)
    write_run(tmp_path, strategy="old")
    frame = states(tmp_path)
    assert frame["after_task"].tolist() == [0, 1, 2]
    assert set(frame["strategy"]) == {"ewc"}
    assert set(frame["seed"]) == {4}
    assert frame["stored_bits"].tolist() == [1000, 2000, 3000]
    assert [dtype.kind for dtype in (frame["stored_bits"].dtype, frame["ood_auroc"].dtype)] == ["i", "f"]


def test_calibration_has_a_row_a_bin_and_the_last_of_a_resumed_run(measured_run, tmp_path):
    run = measured_run()
    records.append(run / "calibration.csv", CalibrationBin(0, 2, 2, 8, 10, 0.5, 0.75))
    frame = calibration(tmp_path)
    assert len(frame) == 6
    assert frame["accuracy"].tolist() == [0.5] * 5 + [0.75]
    assert frame.columns[-6:].tolist() == [
        "after_task",
        "on_task",
        "bin",
        "num_examples",
        "confidence",
        "accuracy",
    ]
    (run / "calibration.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        calibration(tmp_path)


def test_a_summary_has_the_means_after_the_last_task(measured_run, tmp_path):
    for seed in (0, 2):
        measured_run(seed=seed)
    (row,) = summary(load(tmp_path), states(tmp_path)).to_dict("records")
    # mean over tasks 2 (seed + 1) / 100, over seeds 4 / 100
    assert row["ece_mean"] == pytest.approx(0.04)
    assert row["ece_low"] < 0.04 < row["ece_high"]
    assert row["brier_mean"] == 0.75
    assert row["entropy_mean"] == 1.5
    assert math.isnan(row["mutual_information_mean"])
    found = {name: row[f"{name}_mean"] for name in ("stored_bits", "deployed_bits", "frozen", "ood_auroc")}
    assert found == {"stored_bits": 3000, "deployed_bits": 8, "frozen": 0.5, "ood_auroc": 0.75}
    assert row["training_seconds_mean"] == 3


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_what_goes_through_untrained_outputs_is_nan(measured_run, tmp_path, scenario):
    """Runs of before have such numbers in their rows, which the analysis must not show."""
    measured_run(scenario=scenario)
    frame, state = load(tmp_path), states(tmp_path)
    (row,) = summary(frame, state).to_dict("records")
    assert math.isnan(row["ood_auroc_mean"]) == (scenario == "task")
    assert state["ood_auroc"].isna().all() == (scenario == "task")
    assert state_curves(state, "ood_auroc").empty == (scenario == "task")
    assert math.isnan(row["forward_transfer_mean"]) == (scenario in ("task", "class"))
    for column, name in (("accuracy", "forward_transfer"), ("nll", "forward_transfer_nll")):
        found = run_metrics(frame, column=column)[name]
        assert found.isna().all() == (scenario in ("task", "class")), column
        assert not run_metrics(frame, column=column).filter(like="forgetting").isna().any().any()


def test_a_summary_without_states_or_measures_has_nan_in_their_place(measured_run, write_run, tmp_path):
    measured_run()
    write_run(tmp_path, strategy="old", num_tasks=2)
    rows = summary(load(tmp_path)).set_index("strategy")
    assert math.isnan(rows["stored_bits_mean"]["ewc"])
    assert math.isnan(rows["ece_mean"]["old"])
    assert not math.isnan(rows["ece_mean"]["ewc"])


def test_the_matrix_of_another_column_takes_the_same_metrics(measured_run, tmp_path):
    measured_run()
    frame = load(tmp_path)
    matrix = accuracy_matrix(frame, column="ece")
    assert matrix.tolist() == [[0.5, 0.5], [0.25, 0.5], [0.01, 0.03]]
    assert forgetting(-matrix) == pytest.approx(0.01 - 0.25), "task 1 is better calibrated in the end"
    (found,) = matrices(frame, column="nll")
    assert np.array_equal(found.accuracy, np.full((3, 2), 2.0))


def test_the_table_shows_the_calibration_error_where_it_was_measured(measured_run, write_run, tmp_path):
    write_run(tmp_path, study="before", num_tasks=2)
    assert "calibration" not in text_table(summary(load(tmp_path)))
    measured_run()
    table = text_table(summary(load(tmp_path)))
    old, new = table.split("study: permuted_mnist")
    assert "calibration error" not in old
    assert "calibration error" in new
    assert "Calibration error (ECE): lower is better." in new
