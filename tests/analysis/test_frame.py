"""Results folders, whole and broken, to tables."""

import json
import shutil
import time

import numpy as np
import pytest

from cl_bench import records
from cl_bench.analysis import AnalysisError, accuracy_matrix, load, matrices, runs, summary
from cl_bench.analysis.labels import short_names, shown, swept_settings
from cl_bench.records.runs import NOT_BEGUN


def test_one_row_a_record(write_run, tmp_path):
    write_run(tmp_path, num_tasks=3, seed=4)
    frame = load(tmp_path)
    assert len(frame) == 4 * 3
    expected = (
        "study benchmark strategy method seed scenario num_tasks test_last run status "
        "tuning tuning_note after_task on_task accuracy nll num_examples ece brier entropy "
        "mutual_information accuracy_task_known accuracy_own_statistics"
    )
    assert list(frame.columns) == expected.split()
    assert set(frame["run"]) == {"permuted_mnist-ewc-s4-ab12cd"}
    assert set(frame["seed"]) == {4}
    assert list(frame["after_task"].unique()) == [0, 1, 2, 3]


def test_a_run_a_study_and_a_results_folder_can_be_given(write_run, tmp_path):
    run = write_run(tmp_path, study="one")
    write_run(tmp_path, study="two")
    assert len(load(run)) == len(load(tmp_path / "one")) == 12
    assert len(load(tmp_path)) == len(load(tmp_path / "one", tmp_path / "two")) == 24
    assert len(load(tmp_path, tmp_path / "one", run)) == 24, "a run that is reached twice is read once"


def test_folders_without_runs_are_errors_that_say_what_to_do(tmp_path):
    with pytest.raises(AnalysisError, match=r"no runs in .*run an experiment first"):
        load(tmp_path)
    with pytest.raises(AnalysisError, match="there is no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(AnalysisError, match="no results folder was given"):
        load()


def test_swept_settings_become_columns_and_labels(write_run, tmp_path):
    for carry in (True, False):
        settings = {"strategy.carry_prior": carry}
        write_run(tmp_path, strategy="bayesbinn", run_hash=f"{carry:04x}", settings=settings)
    write_run(tmp_path, strategy="ewc", settings={"strategy.strength": 50.0})
    frame = load(tmp_path)
    assert set(frame["method"]) == {"bayesbinn carry_prior=true", "bayesbinn carry_prior=false", "ewc"}
    assert "strategy.carry_prior" in frame
    assert "strategy.strength" not in frame, "one value is no sweep"
    assert set(frame.loc[frame["method"] == "bayesbinn carry_prior=true", "strategy.carry_prior"]) == {True}


def test_a_setting_that_differs_between_strategies_or_studies_is_no_sweep(write_run, tmp_path):
    for number, (study, strategy) in enumerate([("a", "ewc"), ("a", "vcl"), ("b", "ewc")]):
        write_run(tmp_path, study=study, strategy=strategy, settings={"training.epochs": number})
    assert set(load(tmp_path)["method"]) == {"ewc", "vcl"}


@pytest.mark.parametrize("same_name", [False, True])
def test_the_path_of_a_network_is_no_label_where_its_name_tells_it(write_run, tmp_path, same_name):
    for place, path in enumerate(("mynet.Glyph", "mynet.GlyphFeatures", "mynet.GlyphFeatures")):
        name = "glyph" if same_name or place == 0 else "features"
        settings = {"model.name": name, "model._target_": path, "model.width": 8 * (place == 2)}
        write_run(tmp_path, strategy="ewc", seed=place, settings=settings)
    labels = set(load(tmp_path)["method"])
    assert len(labels) == 3
    assert any("_target_" in label for label in labels) == same_name


def test_seeds_are_never_swept(write_run, tmp_path):
    for seed in range(3):
        write_run(tmp_path, seed=seed, settings={"seeds.init": seed, "training.batch_seed": seed})
    assert set(load(tmp_path)["method"]) == {"ewc"}


def test_a_run_that_failed_at_once_sweeps_nothing(write_run, tmp_path):
    write_run(tmp_path, settings={"strategy.strength": 50.0})
    mistake = write_run(tmp_path, settings={"strategy.strength": -1.0}, run_hash="badbad", status="failed")
    (mistake / "records.csv").unlink()
    assert set(load(tmp_path)["method"]) == {"ewc"}


def test_short_names_are_as_long_as_it_takes_to_be_unique():
    assert short_names(["strategy.strength"]) == {"strategy.strength": "strength"}
    assert short_names(["a.rate", "b.rate", "c.x"]) == {"a.rate": "a.rate", "b.rate": "b.rate", "c.x": "x"}


def test_values_are_compared_as_they_are_shown():
    assert [shown(value) for value in (50.0, 50, 1e-5, 0.1, True, None, "relu")] == [
        "50", "50", "1e-05", "0.1", "true", "null", "relu",
    ]  # fmt: skip
    assert swept_settings([{"x": 50, "y": 1}, {"x": 50.0, "y": True}]) == ["y"]
    assert swept_settings([{"x": 1}, {}]) == [], "a setting that a run lacks is no value"
    later = "benchmark.classes_per_task"
    assert swept_settings([{later: None}, {}]) == [], "a run from before is one with the value of then"
    assert swept_settings([{later: "[4, 6]"}, {}]) == [later]


def test_runs_lists_every_status_with_its_reason(write_run, tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, status="running", last_task=1, wall_seconds=None)
    write_run(tmp_path, seed=2, status="failed", last_task=1, error="ValueError: strength must be positive")
    (tmp_path / "study" / "permuted_mnist-ewc-s3-ab12cd").mkdir()
    table = runs(tmp_path)
    assert list(table["status"]) == ["finished", "running", "failed", "broken"]
    assert list(table["error"])[2:] == ["ValueError: strength must be positive", NOT_BEGUN]
    assert list(table["num_records"]) == [12, 6, 6, 0]
    assert np.isnan(table["wall_seconds"][1])
    assert table["settings"][0]["training.epochs"] == 5


def break_json(run):
    (run / "run.json").write_text('{"study": "st')


def break_key(run):
    about = json.loads((run / "run.json").read_text())
    del about["strategy"]
    (run / "run.json").write_text(json.dumps(about))


def break_seed(run):
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"seed": "zero"}))


def break_status(run):
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"status": "dreaming"}))


BREAKS = {
    "run.json is missing": lambda run: (run / "run.json").unlink(),
    "run.json is unreadable": break_json,
    "run.json must hold an object": lambda run: (run / "run.json").write_text("[]"),
    "strategy is missing": break_key,
    "seed must be a whole number": break_seed,
    "status must be one of": break_status,
    "finished without a record": lambda run: (run / "records.csv").unlink(),
    "line 1: the header must be": lambda run: (run / "records.csv").write_text("a,b\n1,2\n"),
    "states.csv, line 1: the header must be": lambda run: (run / "states.csv").write_text("a,b\n1,2\n"),
    "states.csv is not of seed 0 and 3 tasks": lambda run: records.append(
        run / "states.csv", records.State(0, 4, 0.0, 0.0, 1, 1, 0.0, 0, 0.5)
    ),
    "records.csv has seed 9": lambda run: records.append(
        run / "records.csv", records.Record(9, 1, 1, 0.5, 0.5, 10)
    ),
    "records.csv has task 7 of 3": lambda run: records.append(
        run / "records.csv", records.Record(0, 7, 1, 0.5, 0.5, 10)
    ),
}


@pytest.mark.parametrize("reason", BREAKS)
def test_a_broken_run_is_listed_with_the_reason_and_spoils_nothing(write_run, tmp_path, reason):
    run = write_run(tmp_path)
    write_run(tmp_path, seed=1)
    BREAKS[reason](run)
    table = runs(tmp_path)
    assert list(table["status"]) == ["broken", "finished"]
    assert reason in table["error"][0]
    assert set(load(tmp_path)["seed"]) == {1}


def test_a_copied_study_counts_once(write_run, tmp_path):
    run = write_run(tmp_path)
    shutil.copytree(run, tmp_path / "study-backup" / run.name)
    assert len(load(tmp_path)) == 12
    table = runs(tmp_path)
    assert list(table["status"]) == ["finished", "broken"]
    assert "the same run as" in table["error"][1]


def test_a_resumed_run_counts_its_last_test(write_run, tmp_path):
    run = write_run(tmp_path)
    records.append(run / "records.csv", records.Record(0, 3, 3, 0.123, 0.5, 10))
    frame = load(tmp_path)
    assert len(frame) == 12
    assert accuracy_matrix(frame)[3, 2] == 0.123


def test_only_broken_runs_give_an_empty_frame(write_run, tmp_path):
    break_json(write_run(tmp_path))
    frame = load(tmp_path)
    assert frame.empty
    assert summary(frame).empty


def test_the_matrix_is_the_one_that_was_recorded(write_run, tmp_path):
    accuracy = np.random.default_rng(0).random((5, 4))
    write_run(tmp_path, accuracy=accuracy)
    assert np.array_equal(accuracy_matrix(load(tmp_path)), accuracy)


def test_a_killed_run_has_nan_rows_and_is_not_complete(write_run, tmp_path):
    write_run(tmp_path, num_tasks=3, last_task=1, status="running")
    (found,) = matrices(load(tmp_path))
    assert not found.complete
    assert np.isnan(found.accuracy).all(axis=1).tolist() == [False, False, True, True]


def test_the_matrix_of_two_runs_is_an_error(write_run, tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1)
    with pytest.raises(AnalysisError, match="got 2 runs"):
        accuracy_matrix(load(tmp_path))


def test_streams_of_different_lengths_are_different_methods(write_run, tmp_path):
    write_run(tmp_path, num_tasks=2, run_hash="aaaa")
    write_run(tmp_path, num_tasks=3, run_hash="bbbb")
    assert set(load(tmp_path)["method"]) == {"ewc num_tasks=2", "ewc num_tasks=3"}


def test_two_hundred_runs_are_loaded_and_summarised_in_a_moment(write_run, tmp_path):
    for seed in range(200):
        write_run(tmp_path, num_tasks=10, seed=seed)
    start = time.perf_counter()
    assert summary(load(tmp_path))["num_seeds"].tolist() == [200]
    assert time.perf_counter() - start < 2.5  # 1,000 runs take 1 s; the bound leaves room for a busy machine
