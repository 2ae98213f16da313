"""A run that is killed goes on from its last checkpoint, and ends as if nothing had happened."""

import os
import pickle
import random
import signal
import time
from contextlib import contextmanager
from itertools import count

import pytest
import torch

from cl_bench.runner import checkpoints
from cl_bench.runner.checkpoints import CheckpointError, Checkpoints
from cl_bench.runner.device_memory import DeviceMemoryError
from cl_bench.runner.run import execute
from cl_bench.runner.stopped import Stopped

from .killing import about, all_finished, ended_within, in_child, kill_until_done, outcome

EVERY_STEP = "training.checkpoint_minutes=0"
KILLS = 25


class Killed(Stopped):
    """Ends the process, as a signal does; the checkpoints stay."""

    def __init__(self):
        super().__init__(signal.SIGTERM)


@contextmanager
def dies_after(steps, error=Killed, seen=None):
    """A run in the block dies of an error after so many steps, its checkpoints written; it is `seen` so."""
    after_step, taken = Checkpoints.after_step, []

    def limited(self):
        after_step(self)
        taken.append(1)
        if len(taken) == steps:
            raise error

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Checkpoints, "after_step", limited)
        with pytest.raises(seen or error):
            yield


def begun_anew(folder):
    return "resumed" not in about(folder)


def test_a_checkpoint_comes_back_and_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "checkpoint" / "task"
    content = {"state": {"weights": torch.arange(3.0), "steps": 4}, "rows": [{"records.csv": 7}]}
    checkpoints.write(path, content)
    back = checkpoints.read(path)
    assert torch.equal(back["state"].pop("weights"), content["state"].pop("weights"))
    assert back == content
    whole = path.read_bytes()
    middle = len(whole) // 2
    for damaged in (b"", whole[:10], whole[:-1], whole + b"x", whole[:middle] + b"?" + whole[middle + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoints.read(path)


class Planted:
    """Runs a command when it is unpickled by somebody careless."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_checkpoint_of_somebody_else_runs_no_code(tmp_path, monkeypatch):
    trace = tmp_path / "trace"

    def save(content, file):
        torch.serialization._legacy_save(content, file, pickle, 2)

    monkeypatch.setattr(torch, "save", save)
    checkpoints.write(tmp_path / "checkpoint" / "task", {"state": Planted(f"touch {trace}")})
    with pytest.raises(CheckpointError, match="plain values"):
        checkpoints.read(tmp_path / "checkpoint" / "task")
    assert not trace.exists()


@pytest.mark.parametrize("steps", [1, 9, 13])
@pytest.mark.parametrize("extra", [(), ("seeds=[0,1]", "training.stacked=true")], ids=["alone", "at once"])
def test_a_killed_run_goes_on_bit_for_bit(configured, steps, extra):
    settings = ("strategy=ewc", "training.epochs=2", EVERY_STEP, *extra)
    expected = [outcome(folder) for folder in execute(configured(*settings, "study=whole"))]
    with dies_after(steps):
        execute(configured(*settings))
    folders = execute(configured(*settings))
    assert [outcome(folder) for folder in folders] == expected
    assert not any(map(begun_anew, folders))


def test_probes_go_on_too(configured):
    settings = ("training.probe_every=2", "training.epochs=2", EVERY_STEP)
    (whole,) = execute(configured(*settings, "study=whole"))
    with dies_after(7):
        execute(configured(*settings))
    (folder,) = execute(configured(*settings))
    assert (folder / "probes.csv").read_bytes() == (whole / "probes.csv").read_bytes()


def stopped_run(configured, *settings, error=Killed, seen=None):
    with dies_after(9, error, seen):
        execute(configured(EVERY_STEP, *settings))


def test_a_run_whose_rows_were_lost_begins_again(configured, tmp_path):
    stopped_run(configured)
    (rows,) = tmp_path.glob("default/*/records.csv")
    rows.write_bytes(rows.read_bytes()[:-30])
    (folder,) = execute(configured(EVERY_STEP))
    assert begun_anew(folder)
    assert about(folder)["status"] == "finished"


@pytest.mark.parametrize("name", ["task", "step"])
def test_a_damaged_checkpoint_is_left_aside(configured, tmp_path, caplog, name):
    expected = outcome(*execute(configured("study=whole")))
    stopped_run(configured)
    (path,) = tmp_path.glob(f"default/*/checkpoint/{name}")
    path.write_bytes(path.read_bytes()[:-1])
    (folder,) = execute(configured(EVERY_STEP))
    assert "damaged" in caplog.text
    assert begun_anew(folder) == (name == "task")
    assert outcome(folder) == expected


def test_after_a_change_of_code_a_run_begins_again(configured, monkeypatch, caplog):
    stopped_run(configured)
    monkeypatch.setattr(checkpoints, "_code", lambda strategy: "other")
    (folder,) = execute(configured())
    assert begun_anew(folder)
    assert "written for other code" in caplog.text


def test_resume_false_begins_again(configured):
    stopped_run(configured)
    (folder,) = execute(configured("resume=false"))
    assert begun_anew(folder)


def test_a_run_that_fails_by_itself_begins_again_and_one_without_disk_or_memory_goes_on(configured, tmp_path):
    stopped_run(configured, "study=disk", error=OSError)
    assert list(tmp_path.glob("disk/*/checkpoint/step"))
    stopped_run(configured, "study=memory", error=MemoryError, seen=DeviceMemoryError)
    assert list(tmp_path.glob("memory/*/checkpoint/step"))
    stopped_run(configured, "study=other", error=RuntimeError)
    assert not list(tmp_path.glob("other/*/checkpoint"))


def test_avalanches_own_have_no_checkpoints(configured):
    (folder,) = execute(
        configured("strategy=avalanche", "strategy.path=avalanche.training.Naive", EVERY_STEP)
    )
    assert not (folder / "checkpoint").exists()


# Real signals, to a process of its own

LONGER = ("training.epochs=15", EVERY_STEP)
STUDY = ("finetune", "ewc", "bayesbinn", "replay", "si")


def test_studies_killed_at_25_moments_end_as_the_undisturbed_ones(configured):
    moments, killed = random.Random(0), 0
    for seed in count():  # as many studies as it takes: a faster machine is done sooner
        whole, configs = (
            [configured(f"strategy={each}", f"seed={seed}", f"study={name}", *LONGER) for each in STUDY]
            for name in ("whole", "killed")
        )
        expected = [outcome(*execute(config)) for config in whole]
        kills, status = kill_until_done(configs, kills=KILLS - killed, moments=moments, longest=0.8)
        killed += kills
        assert status == 0
        assert all_finished(configs)
        for config, undisturbed in zip(configs, expected, strict=True):
            found = outcome(*execute(config))
            differ = [name for name in found if found[name] != undisturbed[name]]
            assert not differ, config.strategy.name
        if killed == KILLS:
            break


@pytest.mark.parametrize(("signum", "code", "said"), [
    (signal.SIGTERM, 143, "stopped by SIGTERM"),
    (signal.SIGINT, 130, "by Ctrl-C"),
])  # fmt: skip
def test_a_signal_to_stop_saves_and_the_same_command_goes_on(configured, tmp_path, signum, code, said):
    def config(study):
        return configured("strategy=vcl", "training.epochs=60", f"study={study}", "training.schedule=cosine")

    expected = outcome(*execute(config("whole")))
    child = in_child([config("stopped")])
    while not list(tmp_path.glob("stopped/*/records.csv")):
        time.sleep(0.005)
    time.sleep(0.2)
    os.kill(child, signum)
    assert ended_within(child, 60) == code
    (folder,) = tmp_path.glob("stopped/*split*")
    assert (about(folder)["status"], about(folder)["error"]) == ("interrupted", said)
    assert (folder / "checkpoint" / "step").exists()
    (folder,) = execute(config("stopped"))
    assert not begun_anew(folder)
    assert outcome(folder) == expected
