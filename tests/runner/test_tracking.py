"""Trackers are told of what was recorded, and change nothing of it."""

import json
import math
import shutil
import sys
from types import SimpleNamespace

import pytest
from killed_rows import killed_and_gone_on, steps_of_a_task

from cl_bench import records
from cl_bench.config.compose import config_hash
from cl_bench.records.rows import CalibrationBin, Probe, Record, State
from cl_bench.runner.run import execute
from cl_bench.runner.run_folder import RunFolder
from cl_bench.runner.tracking import place, rows_so_far, scalars, tracked


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


@pytest.mark.parametrize("tracking", ["tensorboard", "wandb", "mlflow"])
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


def test_rows_are_read_in_the_order_in_which_they_were_written(configured, tmp_path):
    run, go_on = killed_and_gone_on(configured(f"results_dir={tmp_path}"))
    go_on()
    assert list(map(repr, rows_so_far(run))) == [
        repr(row) for task in range(4) for row in steps_of_a_task(task)
    ]


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("arrived", [True, False])
def test_tensorboard_has_every_step_once_after_a_kill(configured, tmp_path, arrived, goes_on):
    config = configured(f"results_dir={tmp_path}", "tracking=tensorboard")
    run, go_on = killed_and_gone_on(config, goes_on=goes_on)
    if not arrived:  # a process that is killed takes with it what it had not written yet
        shutil.rmtree(run / "tensorboard")
    go_on()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("accuracy/task_01")] == [0, 1, 2, 3]
    assert [event.step for event in events.Scalars("state/frozen")] == [0, 1, 2, 3]
    assert [event.step for event in events.Scalars("probe/nll/task_01")] == [11, 12, 21, 22, 31, 32]


def test_tensorboard_is_whole_where_a_run_was_killed_after_its_last_row(configured, tmp_path):
    config = configured(f"results_dir={tmp_path}", "tracking=tensorboard")
    run, _ = killed_and_gone_on(config)
    shutil.rmtree(run / "tensorboard")
    again = RunFolder(config)
    again.open()
    with tracked(again):
        pass
    assert list(run.glob("tensorboard/events*"))


class Server:
    """What Weights & Biases would know: id -> step -> numbers; `log` refuses what it would not take."""

    def __init__(self):
        self.runs = {}

    def init(self, *, id=None, resume=None, **settings):
        assert id is None or resume == "allow"
        run = SimpleNamespace(id=id or f"id{len(self.runs)}", define_metric=lambda *_, **__: None)
        known = self.runs.setdefault(run.id, {})
        run.step = max(known, default=-1) + 1

        def log(numbers, *, step):
            assert step == max(known, default=-1) + 1, "a step that is there would be dropped"
            known[step] = numbers

        run.log, run.finish = log, lambda exit_code: None
        return run


@pytest.mark.parametrize("lost", [0, 5, 11])
def test_weights_and_biases_goes_on_with_the_same_run_after_a_kill(configured, tmp_path, monkeypatch, lost):
    server = Server()
    monkeypatch.setitem(sys.modules, "wandb", server)
    run, go_on = killed_and_gone_on(configured(f"results_dir={tmp_path}", "tracking=wandb"))
    (known,) = server.runs.values()
    for step in list(known)[len(known) - lost :]:  # had not arrived when the process was killed
        del known[step]
    go_on()
    (known,) = server.runs.values()
    expected = [scalars(row) | dict([place(row)]) for row in rows_so_far(run)]
    assert list(known.values()) == expected


def test_a_run_that_begins_anew_is_another_one_there(configured, tmp_path, monkeypatch):
    server = Server()
    monkeypatch.setitem(sys.modules, "wandb", server)
    run, go_on = killed_and_gone_on(configured(f"results_dir={tmp_path}", "tracking=wandb"), goes_on=False)
    go_on()
    assert [len(known) for known in server.runs.values()] == [13, 18]
    assert (run / "wandb_id.txt").read_text() == "id1\n"


def test_a_tracker_that_is_not_installed_is_an_error_that_names_the_extra(configured, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"pip install wandb.*or use tracking=none"):
        execute(configured("tracking=wandb"), show_progress=False)
