"""One configuration in, one results folder out; whatever goes wrong, what was recorded stands."""

import errno
import json
import os
import random

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import cl_bench
from cl_bench import records
from cl_bench.config.compose import config_hash, plain, run_folder
from cl_bench.records.errors import NonFiniteLossError
from cl_bench.records.lock import RunInUseError, alone_in
from cl_bench.runner.run import execute

FILES = {"config.yaml", "records.csv", "states.csv", "calibration.csv", "run.json"}
EVERY_TEST = [(after, on) for after in range(3) for on in (1, 2)]


def about(folder):
    return json.loads((folder / "run.json").read_text())


def recorded(folder):
    return [(record.after_task, record.on_task) for record in records.read(folder / "records.csv")]


def fail_after(number, error):
    """A `records.append` that writes `number` records and raises then."""
    append, calls = records.append, []

    def limited(path, *rows):
        if isinstance(rows[0], records.Record):
            if len(calls) == number:
                raise error
            calls.append(rows)
        append(path, *rows)

    return limited


def test_a_run_writes_its_configuration_its_records_and_its_summary(configured):
    config = configured("seed=5")
    (folder,) = execute(config)
    assert {path.name for path in folder.iterdir()} == FILES
    assert OmegaConf.to_container(OmegaConf.load(folder / "config.yaml")) == plain(config)
    assert recorded(folder) == EVERY_TEST
    assert {record.seed for record in records.read(folder / "records.csv")} == {5}
    states = records.read(folder / "states.csv", records.State)
    assert [(state.seed, state.after_task) for state in states] == [(5, 0), (5, 1), (5, 2)]
    bins = records.read(folder / "calibration.csv", records.CalibrationBin)
    assert {(each.seed, each.after_task, each.on_task) for each in bins} == {
        (5, *pair) for pair in EVERY_TEST
    }
    summary = about(folder)
    assert set(summary) == {
        "study", "benchmark", "strategy", "seed", "hash", "status", "error", "settings", "versions",
        "started", "finished", "scenario", "num_tasks", "data_source", "hardware", "weights_sha256",
        "wall_seconds", "cpu_seconds", "tuning", "test_data", "arguments",
        "notes", "code", "data", "files", "commit", "dirty", "neutral",
    }  # fmt: skip
    expected = {
        "study": "default",
        "benchmark": "split_digits",
        "strategy": "finetune",
        "seed": 5,
        "hash": config_hash(config),
        "status": "finished",
        "error": None,
        "scenario": "task",
        "num_tasks": 2,
        "data_source": "scikit-learn's load_digits",
        "tuning": "none: defaults",
        "test_data": "read only to report",
    }
    assert {key: summary[key] for key in expected} == expected
    assert summary["settings"]["training.epochs"] == 1
    assert summary["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert summary["hardware"]["cores"] >= 1
    assert summary["wall_seconds"] > 0
    assert summary["started"] <= summary["finished"]
    assert len(summary["weights_sha256"]) == 64


def test_a_finished_run_is_left_as_it_is(configured):
    (folder,) = execute(configured())
    os.utime(folder / "records.csv", (1, 1))
    before = (folder / "records.csv").read_bytes(), about(folder)
    assert execute(configured()) == [folder]
    assert ((folder / "records.csv").read_bytes(), about(folder)) == before
    assert (folder / "records.csv").stat().st_mtime == 1


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(configured):
    (folder,) = execute(configured())
    first = records.read(folder / "records.csv"), about(folder)["weights_sha256"]
    os.utime(folder / "records.csv", (1, 1))
    torch.rand(3)  # the global generator is somewhere else now
    assert execute(configured("resume=false")) == [folder]
    assert (folder / "records.csv").stat().st_mtime > 1
    assert (records.read(folder / "records.csv"), about(folder)["weights_sha256"]) == first
    (other,) = execute(configured("seed=1"))
    assert about(other)["weights_sha256"] != first[1]
    assert [record.nll for record in records.read(other / "records.csv")] != [
        record.nll for record in first[0]
    ]


def test_a_seed_of_its_own_changes_what_it_is_for_and_nothing_else(configured):
    def untrained_and_final(*overrides):
        (folder,) = execute(configured(*overrides))
        found = records.read(folder / "records.csv")
        return found[:2], found[2:]

    untrained, final = untrained_and_final()
    assert untrained_and_final("seed_for.batches=9")[0] == untrained
    assert untrained_and_final("seed_for.batches=9")[1] != final
    assert untrained_and_final("seed_for.test=9") == (untrained, final)
    assert untrained_and_final("seed_for.init=9")[0] != untrained


def test_a_stock_avalanche_strategy_is_repeatable_too(configured):
    (folder,) = execute(configured("strategy=avalanche", "seed=2"))
    first = about(folder)["weights_sha256"]
    torch.rand(3)
    execute(configured("strategy=avalanche", "seed=2", "resume=false"))
    assert about(folder)["weights_sha256"] == first


@pytest.mark.parametrize("strategy", ["finetune", "avalanche"])
def test_a_run_leaves_the_global_generators_as_they_were(small, strategy):
    def states():
        return torch.get_rng_state().tolist(), np.random.get_state()[1:3], random.getstate()

    torch.manual_seed(11)
    np.random.seed(12)
    random.seed(13)
    before = states()
    cl_bench.run(small(f"strategy={strategy}"))
    after = states()
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert after[1][0].tolist() == before[1][0].tolist()
    assert after[1][1] == before[1][1]


def test_a_run_that_diverges_has_failed_and_keeps_its_records(configured):
    config = configured("training.learning_rate=1e30")
    with pytest.raises(NonFiniteLossError, match="the training loss is nan at task 1, epoch 1, step 2"):
        execute(config)
    folder = run_folder(config)
    summary = about(folder)
    assert summary["status"] == "failed"
    assert summary["error"].startswith("NonFiniteLossError: the training loss is nan at task 1")
    assert recorded(folder) == [(0, 1), (0, 2)]
    assert "weights_sha256" not in summary
    assert summary["num_tasks"] == 2


def test_a_run_that_failed_is_run_again_from_the_start(configured, monkeypatch):
    for number, cloud in ((3, "a passing cloud"), (1, "another cloud")):
        with monkeypatch.context() as patch:
            patch.setattr(records, "append", fail_after(number, RuntimeError(cloud)))
            with pytest.raises(RuntimeError, match=cloud):
                execute(configured())
    previous = run_folder(configured()) / "records.previous.csv"
    assert len(records.read(previous)) == 3, "what the first try recorded is kept"
    siblings = [previous.with_name(name) for name in ("states.previous.csv", "calibration.previous.csv")]
    assert len(records.read(siblings[0], records.State)) == 1
    assert {each.on_task for each in records.read(siblings[1], records.CalibrationBin)} == {1, 2}
    assert len(recorded(previous.parent)) == 1
    (folder,) = execute(configured())
    assert recorded(folder) == EVERY_TEST
    assert about(folder)["status"] == "finished"
    assert about(folder)["error"] is None
    assert not any(each.exists() for each in (previous, *siblings)), "the new records are complete"
    assert {path.name for path in folder.iterdir()} == FILES


@pytest.mark.parametrize("left_behind", ['{"status": "running"}', '{"status": "fin', "", "[]"])
def test_a_run_that_was_killed_is_run_again_from_the_start(configured, left_behind):
    (folder,) = execute(configured())
    (folder / "run.json").write_text(left_behind)
    with (folder / "records.csv").open("a") as file:
        file.write("0,2,1,0.")
    execute(configured())
    assert about(folder)["status"] == "finished"
    assert recorded(folder) == EVERY_TEST


def test_an_interrupted_run_says_so(configured, monkeypatch):
    monkeypatch.setattr(records, "append", fail_after(2, KeyboardInterrupt()))
    config = configured()
    with pytest.raises(KeyboardInterrupt):
        execute(config)
    folder = run_folder(config)
    assert about(folder)["status"] == "interrupted"
    assert about(folder)["error"] == "by Ctrl-C"
    assert recorded(folder) == [(0, 1), (0, 2)]


def test_a_disk_that_fills_up_leaves_the_earlier_records_and_a_clear_error(configured, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "records.csv")
    monkeypatch.setattr(records, "append", fail_after(3, full))
    config = configured()
    with pytest.raises(OSError, match="No space left on device"):
        execute(config)
    folder = run_folder(config)
    assert recorded(folder) == EVERY_TEST[:3]
    assert about(folder)["status"] == "failed"
    assert "No space left on device" in about(folder)["error"]


def test_a_disk_too_full_even_for_the_summary_leaves_the_last_one_whole(configured, monkeypatch):
    fsync, calls = os.fsync, []

    def limited(descriptor):
        calls.append(descriptor)
        # hashes of data; config.yaml, run.json twice; two records, a state, its bins; a record
        if len(calls) > 4 + 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", limited)
    config = configured()
    with pytest.raises(
        OSError, match="cannot append a record, the earlier lines are intact: No space left"
    ) as caught:
        execute(config)
    assert "records.csv" in str(caught.value)
    folder = run_folder(config)
    assert recorded(folder) == EVERY_TEST[:3]
    assert about(folder)["status"] == "running"
    assert {path.name for path in folder.iterdir()} == FILES


def test_from_python_a_run_is_its_frame_of_records(small):
    frame = cl_bench.run(small("strategy=ewc", "seed=3"))
    assert frame[["after_task", "on_task"]].to_numpy().tolist() == [list(pair) for pair in EVERY_TEST]
    assert set(frame["strategy"]) == {"ewc"}
    assert set(frame["seed"]) == {3}
    assert set(frame["status"]) == {"finished"}
    assert frame["accuracy"].between(0, 1).all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epochs=abc"], "epochs must be .*'abc'"),
        (["training.threads=0"], "threads must be .*threads=0"),
        (["seed=abc"], "a seed must be .*seed='abc'"),
        (["seed=1.5"], "a seed must be .*seed=1.5"),
        (["+training.foo=3"], "foo"),
        (["model.normalisation=foo"], "normalisation must be .*'foo'"),
        (["training.test_on=validation"], "validation_share"),
        (["training.device=foo"], "training.device must be .*'foo'"),
        (["strategy.path=avalanche.training.Nothing", "strategy=avalanche"], "strategy.path must .*Nothing"),
        (["plugins=[{_target_: avalanche.training.plugins.Nothing}]"], "avalanche.training.plugins.Nothing"),
        (["benchmark.dataset._target_=cl_bench.data.nothing"], "cl_bench.data.nothing"),
    ],
)
def test_a_bad_setting_is_a_value_error_that_names_it(small, overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        cl_bench.run(small(*overrides))
    assert "\n" not in str(caught.value)
    assert "HYDRA_FULL_ERROR" not in str(caught.value)


@pytest.mark.parametrize("strategy", ["finetune", "avalanche"])
def test_avalanche_plugins_by_configuration_take_part_in_training(configured, strategy):
    # of all stock plugins, one that changes the loss of every strategy after its first task
    plugin = "plugins=[{_target_: avalanche.training.plugins.LwFPlugin, alpha: 5.0, temperature: 1.0}]"
    common = f"strategy={strategy}", "benchmark.scenario=domain"
    (plain_run,), (with_plugin,) = execute(configured(*common)), execute(configured(*common, plugin))
    assert with_plugin != plain_run
    assert about(with_plugin)["weights_sha256"] != about(plain_run)["weights_sha256"]
    assert len(recorded(with_plugin)) == 6
    one, other = (records.read(folder / "records.csv") for folder in (plain_run, with_plugin))
    assert one[:4] == other[:4]  # until the end of the first task there is nothing to distil
    assert one[4:] != other[4:]


@pytest.mark.parametrize("strategy", ["finetune", "avalanche"])
def test_avalanche_loggers_by_configuration_write_and_change_nothing(configured, tmp_path, strategy):
    text = tmp_path / "log.txt"
    logger = (
        "loggers=[{_target_: avalanche.logging.TextLogger, "
        f"file: {{_target_: builtins.open, file: '{text}', mode: w, buffering: 1}}}}]"
    )
    (folder,) = execute(configured(f"strategy={strategy}"))
    before = about(folder)["weights_sha256"]
    assert execute(configured(f"strategy={strategy}", logger, "resume=false")) == [folder]
    assert about(folder)["weights_sha256"] == before
    written = text.read_text()
    assert written.count("Start of training phase") == 2
    assert "Top1_Acc_Exp/eval_phase/test_stream/Task001/Exp001" in written


def test_tuning_on_validation_tests_no_test_example(configured):
    (folder,) = execute(configured("training.test_on=validation", "benchmark.validation_share=0.1"))
    assert about(folder)["test_data"] == "not read"
    found = records.read(folder / "records.csv")
    assert sum(record.num_examples for record in found if record.after_task == 0) == 144


def test_the_published_numbers_of_a_study_lie_beside_its_runs_and_may_be_corrected(configured):
    row = "{strategy: finetune, accuracy: 90.0}"
    for margin in (1.5, 2.5):  # the second time the run is finished already
        group = f"{{source: Somebody, evidence: read, margin: {margin}, rows: [{row}]}}"
        (path,) = execute(configured(f"expected=[{group}]"))
        (found,) = json.loads((path.parent / "expected.json").read_text())
        assert found["margin"] == margin
        assert found["rows"] == [{"strategy": "finetune", "accuracy": 90.0}]
        assert "expected" not in (path / "config.yaml").read_text()
        assert not any(
            key.startswith("expected") for key in json.loads((path / "run.json").read_text())["settings"]
        )


def test_a_study_without_published_numbers_writes_none(configured):
    (path,) = execute(configured())
    assert not (path.parent / "expected.json").exists()


def test_a_run_that_another_process_is_running_is_refused_and_left_as_it_is(configured):
    (folder,) = execute(configured())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with alone_in(folder), pytest.raises(RunInUseError, match="one process at a time"):
        execute(configured("resume=false"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
