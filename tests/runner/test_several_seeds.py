"""Several seeds in one job, at once or one after another: a folder for each, as if it had been run alone."""

import json
import logging
import sys
import time
from types import SimpleNamespace

import pytest
import torch
import yaml
from omegaconf import OmegaConf

import cl_bench
from cl_bench import records
from cl_bench.analysis import load
from cl_bench.config.compose import config_hash, plain, run_folder, run_name
from cl_bench.learner.seeds import Seeds
from cl_bench.records.errors import NonFiniteLossError
from cl_bench.runner.run import execute
from cl_bench.strategies import Finetune
from cl_bench.streams.order import relabelled_classes

FILES = {"config.yaml", "records.csv", "states.csv", "calibration.csv", "run.json"}
EVERY_TEST = [(after, on) for after in range(3) for on in (1, 2)]
AT_ONCE = "trained_at_once_with_seeds"
STACKED = pytest.mark.parametrize("stacked", [True, False], ids=["at once", "one by one"])


class Silent(Finetune):
    """Does not say whether several seeds can be trained at once; its base class does."""


class Poisoned(Finetune):
    """Of seed 1 the loss is no number from the second task on."""

    stackable = True

    def criterion(self):
        loss = super().criterion()
        ill = any(seeds["init"] == Seeds(1)["init"] for seeds in self.seeds)
        return loss * torch.nan if self.is_training and ill and self.clock.train_exp_counter == 1 else loss


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones
    monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(Silent=Silent, Poisoned=Poisoned))


@pytest.fixture
def auto_stacks(monkeypatch):
    """training.stacked=auto does what it does on a GPU."""
    monkeypatch.setattr("cl_bench.runner.run._stacks", lambda config: True)


def about(folder):
    return json.loads((folder / "run.json").read_text())


def recorded(folder):
    return [(record.after_task, record.on_task) for record in records.read(folder / "records.csv")]


def statuses(folders):
    return [about(folder)["status"] for folder in folders]


# Folders


@STACKED
def test_every_seed_has_the_folder_that_it_would_have_alone(configured, stacked):
    config = configured("seeds=[3,0]", f"training.stacked={stacked}")
    alone = [configured(f"seed={seed}", f"training.stacked={stacked}") for seed in (3, 0)]
    folders = execute(config)
    assert folders == [run_folder(each) for each in alone]
    assert run_name(config) == folders[0].name, "for Hydra's log"
    for seed, folder, each in zip((3, 0), folders, alone, strict=True):
        assert {path.name for path in folder.iterdir()} == FILES
        assert OmegaConf.load(folder / "config.yaml") == plain(each)
        assert recorded(folder) == EVERY_TEST
        assert {record.seed for record in records.read(folder / "records.csv")} == {seed}
        summary = about(folder)
        assert (summary["status"], summary["seed"], summary["hash"]) == ("finished", seed, config_hash(each))
        assert summary["settings"]["seed"] == seed
        assert summary.get(AT_ONCE) == ([3, 0] if stacked else None)
        assert len(summary["weights_sha256"]) == 64
    assert about(folders[0])["weights_sha256"] != about(folders[1])["weights_sha256"]


def test_seeds_at_once_share_the_seconds(configured):
    started = time.perf_counter()
    folders = execute(configured("seeds=[0,1,2]", "training.stacked=true"))
    elapsed = time.perf_counter() - started
    seconds = [about(folder)["wall_seconds"] for folder in folders]
    assert 0 < sum(seconds) < elapsed
    assert max(seconds) < 0.6 * sum(seconds)


@STACKED
def test_from_python_several_seeds_are_rows_of_one_frame(small, stacked):
    frame = cl_bench.run(small("seeds=[0,1]", f"training.stacked={stacked}"))
    assert frame[["seed", "after_task", "on_task"]].to_numpy().tolist() == [
        [seed, *pair] for seed in (0, 1) for pair in EVERY_TEST
    ]
    assert set(frame["status"]) == {"finished"}


@STACKED
def test_finished_seeds_are_left_as_they_are(configured, stacked):
    (finished,) = execute(configured("seed=1"))
    before = (finished / "records.csv").read_bytes(), about(finished)
    folders = execute(configured("seeds=[0,1,2]", f"training.stacked={stacked}"))
    assert folders[1] == finished
    assert ((finished / "records.csv").read_bytes(), about(finished)) == before
    assert [about(folder).get(AT_ONCE) for folder in folders] == (
        [[0, 2], None, [0, 2]] if stacked else [None] * 3
    )
    before = [about(folder) for folder in folders]
    assert execute(configured("seeds=[2,1,0]", f"training.stacked={stacked}")) == folders[::-1]
    assert [about(folder) for folder in folders] == before


def test_a_single_seed_that_is_left_is_run_alone(configured):
    execute(configured("seed=1"))
    folders = execute(configured("seeds=[0,1]", "training.stacked=true"))
    assert statuses(folders) == ["finished"] * 2
    assert AT_ONCE not in about(folders[0])


def test_without_resume_all_seeds_are_run_again(configured):
    execute(configured("seed=1"))
    folders = execute(configured("seeds=[0,1]", "training.stacked=true", "resume=false"))
    assert [about(folder)[AT_ONCE] for folder in folders] == [[0, 1]] * 2


def test_a_run_at_once_leaves_the_global_generator_as_it_was(configured):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    execute(configured("seeds=[0,1]", "training.stacked=true"))
    assert torch.equal(torch.get_rng_state(), before)


# What cannot be trained at once


def test_on_a_cpu_auto_is_one_by_one(configured):
    folders = execute(configured("seeds=[0,1]", "training.stacked=auto", "training.device=cpu"))
    assert [AT_ONCE in about(folder) for folder in folders] == [False, False]


CANNOT = {
    "a learner that does not say so itself": (
        ("strategy._target_=mine.Silent",),
        r"Silent does not say that it can train several seeds at once \(class attribute stackable\)",
    ),
    "coresets": (
        (
            *("strategy=vcl", "tuned=none"),
            "strategy.coreset=random",
            "strategy.coreset_epochs=1",
            "strategy.num_test_samples=2",
        ),
        "coreset must be none for seeds trained at once, got coreset='random'",
    ),
    "tasks of different sizes": (
        ("benchmark.class_order=seeded",),
        r"tasks of one size, got \[718, 719\] train examples in task 1; set training\.stacked=false",
    ),
    "plugins of Avalanche": (
        ("plugins=[{_target_: avalanche.training.plugins.LwFPlugin}]", "benchmark.scenario=domain"),
        r"know nothing of several seeds at once: .* got plugins=\['LwFPlugin'\]",
    ),
    "strategies of Avalanche": (
        ("strategy=avalanche",),
        "a stock Avalanche strategy cannot train several seeds at once: set training.stacked=false",
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_be_trained_at_once_is_refused_when_it_is_asked_for(configured, tmp_path, case):
    overrides, message = CANNOT[case]
    config = configured("seeds=[1,2]", "training.stacked=true", *overrides)
    with pytest.raises(ValueError, match=message):
        execute(config)
    assert not list(tmp_path.rglob("run.json"))
    assert not list(tmp_path.rglob("records.csv"))


def test_seeds_trained_at_once_have_the_streams_of_their_own_configurations(configured):
    """The tasks of two orders of the digits have different sizes: those of one order had not."""
    config = configured("seeds=[1,2]", "training.stacked=true")
    config.benchmark.class_order = "${relabelled_classes:${seed},10}"
    with pytest.raises(ValueError, match="tasks of one size"):
        execute(config)


def test_runs_that_differ_in_what_their_seeds_make_are_of_one_method(configured):
    """The runs themselves keep what was made."""
    written = "${relabelled_classes:${seed},10}"
    config = configured("seeds=[1,2]", "training.stacked=false")
    config.benchmark.class_order = written
    folders = execute(config)
    assert {about(folder)["settings"]["benchmark.class_order"] for folder in folders} == {written}
    orders = [yaml.safe_load((folder / "config.yaml").read_text())["benchmark"] for folder in folders]
    assert [order["class_order"] for order in orders] == [relabelled_classes(seed, 10) for seed in (1, 2)]
    assert load(folders[0].parent)["method"].nunique() == 1


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_be_trained_at_once_is_run_one_by_one_by_auto(configured, auto_stacks, caplog, case):
    folders = execute(configured("seeds=[1,2]", *CANNOT[case][0]))
    assert statuses(folders) == ["finished"] * 2
    assert [recorded(folder) for folder in folders] == [EVERY_TEST] * 2
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == FILES
        assert AT_ONCE not in about(folder)
    assert not [entry for entry in caplog.records if entry.levelno >= logging.WARNING]


@pytest.mark.parametrize("seeds", ["[0,0]", "[]", "3", "[0,1,0]"])
def test_seeds_must_be_a_list_of_different_numbers(configured, seeds):
    with pytest.raises(ValueError, match=r"seeds must be a list of different whole numbers.*, got seeds="):
        execute(configured(f"seeds={seeds}"))


@STACKED
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("-1", "a seed must be a whole number, at least 0, got seeds=-1"),
        ("1.5", r"seeds must be a list of different whole numbers, such as \[0,1,2\], got seeds=\[0, 1.5\]"),
        ("a", r"seeds must be a list of different whole numbers, such as \[0,1,2\], got seeds=\[0, 'a'\]"),
    ],
)
def test_a_seed_that_is_no_whole_number_is_an_error(configured, stacked, wrong, message):
    with pytest.raises(ValueError, match=message):
        execute(configured(f"seeds=[0,{wrong}]", f"training.stacked={stacked}"))


def test_an_unknown_way_to_stack_is_an_error(configured):
    with pytest.raises(ValueError, match=r"training\.stacked must be auto, true or false, got 'maybe'"):
        execute(configured("seeds=[0,1]", "training.stacked=maybe"))


# Failures


@STACKED
def test_a_seed_that_diverges_fails_alone(configured, caplog, stacked):
    overrides = ("strategy._target_=mine.Poisoned", f"training.stacked={stacked}")
    with pytest.raises(NonFiniteLossError, match="the training loss is nan at task 2, epoch 1, step 1"):
        execute(configured("seeds=[0,1,2]", *overrides))
    folders = [run_folder(configured(f"seed={seed}", *overrides)) for seed in (0, 1, 2)]
    assert statuses(folders) == ["finished", "failed", "finished"]
    assert [recorded(folder) for folder in folders] == [EVERY_TEST, EVERY_TEST[:4], EVERY_TEST]
    assert about(folders[1])["error"].startswith("NonFiniteLossError: the training loss is nan at task 2")
    assert not any((folders[seed] / "records.previous.csv").exists() for seed in (0, 2))
    assert ("they are run one by one" in caplog.text) == stacked


@STACKED
def test_an_interruption_stops_all_seeds(configured, monkeypatch, stacked):
    append, calls = records.append, []

    def interrupted(path, *rows):
        calls.extend(row for row in rows if isinstance(row, records.Record))
        if len(calls) == 4:
            raise KeyboardInterrupt
        append(path, *rows)

    monkeypatch.setattr(records, "append", interrupted)
    overrides = ("seeds=[0,1]", f"training.stacked={stacked}")
    with pytest.raises(KeyboardInterrupt):
        execute(configured(*overrides))
    folders = [run_folder(configured(f"seed={seed}")) for seed in (0, 1)]
    if stacked:
        assert [about(folder)["error"] for folder in folders] == ["by Ctrl-C"] * 2
        assert [recorded(folder) for folder in folders] == [EVERY_TEST[:2], EVERY_TEST[:1]]
    else:
        assert about(folders[0])["error"] == "by Ctrl-C"
        assert not folders[1].exists()
    monkeypatch.setattr(records, "append", append)
    assert execute(configured(*overrides)) == folders
    assert statuses(folders) == ["finished"] * 2
    assert [recorded(folder) for folder in folders] == [EVERY_TEST] * 2


def test_a_disk_that_fills_up_fails_all_seeds_at_once_and_says_so(configured, monkeypatch):
    def full(path, record):
        raise OSError("No space left on device")

    monkeypatch.setattr(records, "append", full)
    with pytest.raises(OSError, match="No space left"):
        execute(configured("seeds=[0,1]", "training.stacked=true"))
    folders = [run_folder(configured(f"seed={seed}")) for seed in (0, 1)]
    assert [about(folder)["error"] for folder in folders] == ["OSError: No space left on device"] * 2
