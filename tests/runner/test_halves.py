"""Where memory is too small for all seeds at once they are trained again in two halves, down to one."""

import gc
import json
import logging
import sys
import weakref
from types import SimpleNamespace

import pytest
import torch

from cl_bench import records
from cl_bench.config.compose import run_folder
from cl_bench.runner.device_memory import DeviceMemoryError
from cl_bench.runner.halves import TOO_MANY, release
from cl_bench.runner.run import execute
from cl_bench.strategies import Finetune

FILES = {"config.yaml", "records.csv", "states.csv", "calibration.csv", "run.json"}
AT_ONCE = "trained_at_once_with_seeds"
MOMENTS = ("building", "first step", "step of the second task", "test", "end of the second task")
ASKED = []  # what comes of seeds 0 and 1 at once, and of 2 alone
STATE = SimpleNamespace(most=4, moment="", built=[], left=[], interrupt=None)


class Hungry(Finetune):
    """Has room for so many seeds at once."""

    stackable = True

    def __init__(self, **learner):
        super().__init__(**learner)
        gone = [each for each in STATE.left if each() is not None]
        STATE.built.append((self.num_seeds or 1, len(gone)))
        STATE.left.append(weakref.ref(self))
        self.eats("building")

    def eats(self, moment):
        if STATE.moment == moment and (self.num_seeds or 1) > STATE.most:
            weights = self.flat.values.data  # which the frame holds
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {weights.nbytes} bytes")

    def differentiate(self, **kwargs):
        self.eats("step of the second task" if self.clock.train_exp_counter else "first step")
        if STATE.interrupt == (self.num_seeds or 1) and self.clock.train_exp_counter:
            raise KeyboardInterrupt
        super().differentiate(**kwargs)

    def predict(self, images, task):
        if self.clock.train_exp_counter == 1:
            self.eats("test")
        return super().predict(images, task)

    def _after_training_exp(self, **kwargs):
        super()._after_training_exp(**kwargs)
        if self.clock.train_exp_counter:
            self.eats("end of the second task")


@pytest.fixture(autouse=True)
def _hungry(monkeypatch, request):
    if "collected" not in request.fixturenames:
        monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones
    monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(Hungry=Hungry))
    STATE.__dict__.update(most=4, moment="", built=[], left=[], interrupt=None)


@pytest.fixture
def collected():
    """Garbage is collected, as ever."""
    gc.collect()
    STATE.left.clear()


@pytest.fixture
def hungry(configured):
    """A run of several seeds at once that need too much memory."""

    def made(*overrides, most, moment, interrupt=None):
        STATE.__dict__.update(most=most, moment=moment, built=[], interrupt=interrupt)
        return configured("strategy._target_=mine.Hungry", "training.stacked=true", *overrides)

    return made


def about(folder):
    return json.loads((folder / "run.json").read_text())


def outcomes(folders):
    """Records and final weights."""
    return [(records.read(each / "records.csv"), about(each)["weights_sha256"]) for each in folders]


@pytest.mark.parametrize("moment", MOMENTS)
def test_two_halves_are_as_if_they_had_been_asked_for(hungry, tmp_path, caplog, moment):
    with caplog.at_level(logging.WARNING):
        folders = execute(hungry("seeds=[0,1,2]", most=2, moment=moment))
    assert "seeds 0, 1, 2 at once: out of memory: lower training.test_batch_size" in caplog.text
    assert "they begin anew in two halves" in caplog.text
    assert [number for number, _ in STATE.built] == [3, 2, 1]
    for folder, together in zip(folders, ([0, 1], [0, 1], None), strict=True):
        assert {path.name for path in folder.iterdir()} == FILES
        told = about(folder)
        assert (told["status"], told["error"], told[TOO_MANY]) == ("finished", None, [0, 1, 2])
        assert told.get(AT_ONCE) == together
        assert "resumed" not in told
    if not ASKED:
        for seeds in ("seeds=[0,1]", "seeds=[2]"):
            asked = execute(hungry(seeds, f"results_dir={tmp_path}/asked", most=2, moment=""))
            assert not any(TOO_MANY in about(folder) for folder in asked)
            ASKED.extend(outcomes(asked))
    assert outcomes(folders) == ASKED


def test_nothing_holds_the_memory_of_an_attempt_when_the_next_begins(hungry, collected):
    execute(hungry("seeds=[0,1,2]", most=1, moment="end of the second task"))
    assert STATE.built == [(3, 0), (2, 0), (1, 0), (1, 0), (1, 0)]


def test_auto_does_the_same(hungry, monkeypatch):
    monkeypatch.setattr("cl_bench.runner.run._stacks", lambda config: True)
    folders = execute(hungry("seeds=[0,1,2,3]", "training.stacked=auto", most=2, moment="first step"))
    assert [about(folder)[AT_ONCE] for folder in folders] == [[0, 1], [0, 1], [2, 3], [2, 3]]


def test_one_seed_that_is_too_much_fails_with_what_to_do(hungry):
    config = hungry("seeds=[0,1]", most=0, moment="test")
    with pytest.raises(DeviceMemoryError, match=r"lower training\.test_batch_size"):
        execute(config)
    for seed in (0, 1):
        told = about(run_folder(hungry(f"seed={seed}", most=0, moment="")))
        assert (told["status"], told[TOO_MANY]) == ("failed", [0, 1])
        assert "DeviceMemoryError: out of memory" in told["error"]


def test_a_half_that_was_interrupted_goes_on_as_a_half(hungry, tmp_path):
    seeds = "seeds=[0,1,2,3]"
    with pytest.raises(KeyboardInterrupt):
        execute(hungry(seeds, most=2, moment="first step", interrupt=2))
    assert [number for number, _ in STATE.built] == [4, 2]
    folders = execute(hungry(seeds, most=2, moment="first step"))
    assert [number for number, _ in STATE.built] == [2, 2], "four at once are not tried again"
    assert [about(folder).get("resumed") for folder in folders] == ["after task 1"] * 2 + [None] * 2
    assert [about(folder)[TOO_MANY] for folder in folders] == [[0, 1, 2, 3]] * 4
    asked = execute(hungry("seeds=[0,1]", f"results_dir={tmp_path}/asked", most=2, moment=""))
    assert outcomes(folders[:2]) == outcomes(asked)


@pytest.mark.parametrize("case", ["without resume", "another card"])
def test_all_are_tried_at_once_again(hungry, monkeypatch, case):
    seeds = "seeds=[0,1,2,3]"
    with pytest.raises(KeyboardInterrupt):
        execute(hungry(seeds, most=2, moment="first step", interrupt=2))
    if case == "another card":
        monkeypatch.setattr("cl_bench.config.environment.hardware", lambda device: {"gpu": "a larger one"})
    folders = execute(hungry(seeds, f"resume={case == 'another card'}", most=4, moment="first step"))
    assert [number for number, _ in STATE.built] == [4]
    assert not any(TOO_MANY in about(folder) for folder in folders)


def test_an_error_lets_go_of_what_its_frames_held():
    def fails(tensor):
        raise RuntimeError("no room")

    def work():
        tensor = torch.zeros(3)
        held.append(weakref.ref(tensor))
        try:
            fails(tensor)
        except RuntimeError as error:
            outer = ValueError("it failed")
            error.__context__ = outer  # as Hydra leaves them
            raise outer from error

    held = []
    try:
        work()
    except ValueError as error:
        kept = error
    assert held[0]() is not None
    release(kept)
    assert held[0]() is None
