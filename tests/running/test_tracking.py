"""Trackers are told of what was recorded, and change nothing of it."""

import json
import math
import sys

import pytest

from cl_bench import records
from cl_bench.records import CalibrationBin, Probe, Record, State
from cl_bench.running.compose import config_hash
from cl_bench.running.job import execute
from cl_bench.running.tracking import place, scalars


def test_a_row_is_its_measures_by_name_without_those_it_does_not_have():
    record = Record(0, 2, 1, 0.5, 1.25, 100)
    assert scalars(record) == {"accuracy/task_01": 0.5, "nll/task_01": 1.25}
    assert place(record) == ("after_task", 2)
    probe = Probe(0, 2, 40, 1, 0.75, 0.5, 50)
    assert scalars(probe) == {"probe/accuracy/task_01": 0.75, "probe/nll/task_01": 0.5}
    assert place(probe) == ("step", 40)
    state = State(0, 1, math.nan, 0.25, 64, 32, 1.5, 10, math.nan)
    assert set(scalars(state)) == {f"state/{name}" for name in
        ("frozen", "stored_bits", "deployed_bits", "training_seconds", "num_steps")}  # fmt: skip
    assert scalars(CalibrationBin(0, 1, 1, 1, 1, 0.1, 0.1)) == {}


@pytest.mark.parametrize("tracking", ["tensorboard", "wandb"])
def test_tracking_is_no_part_of_a_runs_name(configured, tracking):
    assert config_hash(configured(f"tracking={tracking}")) == config_hash(configured())


def test_tensorboard_shows_what_was_recorded_and_the_records_are_those_without_it(configured, tmp_path):
    (without,) = execute(configured(f"results_dir={tmp_path / 'without'}"), show_progress=False)
    tracked = configured(f"results_dir={tmp_path / 'with'}", "tracking=tensorboard", "training.probe_every=5")
    (run,) = execute(tracked, show_progress=False)
    assert (run / "records.csv").read_bytes() == (without / "records.csv").read_bytes()
    hashes = [json.loads((path / "run.json").read_text())["weights_sha256"] for path in (run, without)]
    assert hashes[0] == hashes[1]

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    for record in records.read(run / "records.csv"):
        shown = {event.step: event.value for event in events.Scalars(f"accuracy/task_{record.on_task:02}")}
        assert shown[record.after_task] == pytest.approx(record.accuracy)
    probes = records.read(run / "probes.csv", Probe)
    assert probes
    for probe in probes:
        name = f"probe/accuracy/task_{probe.on_task:02}"
        assert {event.step: event.value for event in events.Scalars(name)}[probe.step] == pytest.approx(
            probe.accuracy
        )


def test_weights_and_biases_is_told_the_same_offline(configured, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (without,) = execute(configured(f"results_dir={tmp_path / 'without'}"), show_progress=False)
    tracked = configured(f"results_dir={tmp_path / 'with'}", "tracking=wandb", "tracking.mode=offline")
    (run,) = execute(tracked, show_progress=False)
    assert (run / "records.csv").read_bytes() == (without / "records.csv").read_bytes()
    (log,) = run.glob("wandb/offline-run-*/*.wandb")
    assert b"accuracy/task_02" in log.read_bytes()


def test_a_tracker_that_is_not_installed_is_an_error_that_names_the_extra(configured, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"pip install cl-bench\[wandb\].*or use tracking=none"):
        execute(configured("tracking=wandb"), show_progress=False)
