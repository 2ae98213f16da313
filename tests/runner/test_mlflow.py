"""MLflow is told of what was recorded, in a local file, once, whatever happens to the process."""

import json
import subprocess
import sys

import pytest
from killed_rows import killed_and_gone_on

from cl_bench import records
from cl_bench.runner.run import execute
from cl_bench.runner.tracking import place, rows_so_far, scalars

mlflow = pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")
BEGIN = """
import sys
from cl_bench.runner.mlflow_tracker import MLflow
from pathlib import Path
run = Path(sys.argv[1])
run.mkdir()
tracker = MLflow(run=run, about={"study": "few", "settings": {"a": 1}}, uri=None, root=str(run.parent))
tracker.log({"accuracy/task_01": 0.5}, axis="after_task", at=1)
tracker.close(failed=False)
"""


@pytest.fixture(autouse=True)
def _no_store_of_the_user(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def client(folder):
    return mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def runs_of(found):
    return [run for each in found.search_experiments() for run in found.search_runs([each.experiment_id])]


def history(found, run_id, name):
    return [(metric.step, metric.value) for metric in found.get_metric_history(run_id, name)]


def test_mlflow_shows_what_was_recorded_and_the_records_are_those_without_it(configured, tmp_path):
    (without,) = execute(configured(f"results_dir={tmp_path / 'without'}"), show_progress=False)
    tracked = configured(f"results_dir={tmp_path / 'with'}", "tracking=mlflow")
    (run,) = execute(tracked, show_progress=False)
    assert (run / "records.csv").read_bytes() == (without / "records.csv").read_bytes()
    about = json.loads((run / "run.json").read_text())
    assert about["weights_sha256"] == json.loads((without / "run.json").read_text())["weights_sha256"]

    found = client(tmp_path / "with")
    (there,) = runs_of(found)
    assert (there.info.run_name, there.info.status) == (run.name, "FINISHED")
    assert (run / "mlflow_id.txt").read_text() == f"{there.info.run_id}\n"
    assert there.data.params == {key: str(value) for key, value in about["settings"].items()}
    for record in records.read(run / "records.csv"):
        shown = dict(history(found, there.info.run_id, f"accuracy/task_{record.on_task:02}"))
        assert shown[record.after_task] == record.accuracy


@pytest.mark.parametrize("goes_on", [True, False])
def test_mlflow_has_every_step_once_after_a_kill(configured, tmp_path, goes_on):
    config = configured(f"results_dir={tmp_path}", "tracking=mlflow")
    run, go_on = killed_and_gone_on(config, goes_on=goes_on)
    go_on()
    found = client(tmp_path)
    (there,) = runs_of(found)  # the earlier try is deleted
    expected: dict[str, list] = {}
    for row in rows_so_far(run):
        for name, value in scalars(row).items():
            expected.setdefault(name, []).append((place(row)[1], value))
    assert {name: history(found, there.info.run_id, name) for name in expected} == expected


def test_processes_that_begin_at_once_make_one_database(tmp_path):
    command = [sys.executable, "-c", BEGIN]
    each = [subprocess.Popen([*command, str(tmp_path / f"run{number}")]) for number in range(3)]
    assert [process.wait() for process in each] == [0, 0, 0]
    assert sorted(run.info.run_name for run in runs_of(client(tmp_path))) == ["run0", "run1", "run2"]
    assert [path.name for path in tmp_path.glob(".mlflow-*")] == []


def test_a_missing_package_is_told_before_anything_is_trained(configured, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ValueError, match=r"tracking=mlflow needs .*pip install mlflow"):
        execute(configured(f"results_dir={tmp_path}", "tracking=mlflow"), show_progress=False)
    assert not list(tmp_path.glob("*/*/records.csv"))
