"""Tests in the midst of training (training.probe_every): what they write, and that training is the same."""

import json

import pandas as pd
import pytest

from cl_bench import records
from cl_bench.config.compose import run_folder
from cl_bench.runner.run import execute
from cl_bench.strategies import Learner

PROBED = ("training.probe_every=2", "training.probe_size=1000")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones


def about(folder):
    return json.loads((folder / "run.json").read_text())


def probes(folder):
    return pd.read_csv(folder / "probes.csv")


def results(folder):
    return about(folder)["weights_sha256"], records.read(folder / "records.csv")


@pytest.mark.parametrize(
    "strategy",
    [
        ["finetune"],
        ["ewc"],
        ["vcl"],
        ["vcl", "strategy.coreset=random", "strategy.coreset_size=20"],
        ["bayesbinn"],
        ["bayesbinn", "strategy.num_test_samples=0"],
        ["bimu"],
        ["mesu", "strategy.num_test_samples=0"],
        ["ivon"],
        ["message_passing"],
        ["message_passing", "strategy.bayesian_prediction=false"],
        ["adaste"],
        ["online_laplace"],
        ["td_vcl", "strategy.memory_tasks=1"],
        ["der_plus_plus"],
        ["gdumb"],
        ["joint"],
        ["avalanche"],
    ],
    ids=" ".join,
)
def test_training_and_records_are_the_same_bit_for_bit_with_and_without_probes(configured, strategy):
    settings = [f"strategy={strategy[0]}", *strategy[1:], "resume=false"]
    (folder,) = execute(configured(*settings))
    without = results(folder)
    assert not (folder / "probes.csv").exists()
    assert execute(configured(*settings, *PROBED)) == [folder], "probes are no part of a run's name"
    assert results(folder) == without
    found = probes(folder)
    # at the end of a task the sample, here all examples, is tested with the same weights as the records
    last = found.drop_duplicates(["training_on", "on_task"], keep="last")
    scores = {(row.training_on, row.on_task): (row.accuracy, row.nll) for row in last.itertuples()}
    expected = {
        (record.after_task, record.on_task): (record.accuracy, record.nll)
        for record in without[1]
        if record.on_task <= record.after_task
    }
    assert scores == expected


@pytest.mark.parametrize("strategy", ["bayesbinn", "bimu", "adaste"])
def test_binary_methods_are_probed_with_binary_weights(configured, monkeypatch, strategy):
    epoch, binary = Learner.eval_epoch, []

    def watched(self, **kwargs):
        binary.append(bool((self.flat.values.abs() == 1).all()))
        epoch(self, **kwargs)

    monkeypatch.setattr(Learner, "eval_epoch", watched)
    samples = [] if strategy == "adaste" else ["strategy.num_test_samples=0"]
    execute(configured(f"strategy={strategy}", *samples, *PROBED))
    assert len(binary) > 3 * 2 + 3
    assert all(binary)


def test_probes_are_every_so_many_steps_of_a_task_and_at_its_end_on_all_tasks_seen(configured):
    (folder,) = execute(configured("seed=3", "training.batch_size=64", *PROBED))
    found = probes(folder)
    assert set(found["seed"]) == {3}
    steps = found.drop_duplicates(["training_on", "step"]).groupby("training_on")["step"].agg(list)
    ends = [tests[-1] for tests in steps]
    starts = [0, ends[0]]
    for tests, start, end in zip(steps, starts, ends, strict=True):
        assert tests == sorted({*range(start + 2, end + 1, 2), end})
    assert ends[0] > 4
    on = found.groupby("training_on")["on_task"].agg(set)
    assert on.to_dict() == {1: {1}, 2: {1, 2}}
    assert found["accuracy"].between(0, 1).all()
    assert found[found["training_on"] == 1]["nll"].nunique() > 2, "training goes on between tests"


def test_probes_are_of_a_fixed_sample_and_their_cost_is_told(configured):
    (folder,) = execute(configured("training.probe_every=2", "training.probe_size=30"))
    assert set(probes(folder)["num_examples"]) == {30}
    first = probes(folder)
    summary = about(folder)
    assert 0 < summary["probe_seconds"] < summary["wall_seconds"]
    execute(configured("training.probe_every=2", "training.probe_size=30", "resume=false"))
    pd.testing.assert_frame_equal(probes(folder), first)
    execute(configured("training.probe_every=2", "training.probe_size=30", "seed_for.probe=9"))
    assert probes(folder)["nll"].tolist() != first["nll"].tolist(), "other examples"


def test_a_finished_run_is_done_again_for_probes_that_it_has_not_and_kept_otherwise(configured):
    (folder,) = execute(configured())
    execute(configured(*PROBED))
    first = (folder / "probes.csv").stat().st_mtime_ns
    execute(configured(*PROBED))
    execute(configured())
    assert (folder / "probes.csv").stat().st_mtime_ns == first
    execute(configured("training.probe_every=3"))
    assert (folder / "probes.csv").stat().st_mtime_ns != first


def test_seeds_trained_at_once_have_the_probes_that_each_has_alone(configured):
    settings = ["training.probe_every=2", "training.probe_size=20", "benchmark=permuted_digits"]
    at_once = execute(configured(*settings, "seeds=[0,1]", "training.stacked=true", "study=at_once"))
    alone = execute(configured(*settings, "seeds=[0,1]", "training.stacked=false", "study=alone"))
    for one, other in zip(at_once, alone, strict=True):
        assert "trained_at_once_with_seeds" in about(one)
        pd.testing.assert_frame_equal(probes(one), probes(other), rtol=1e-4)
    assert probes(alone[0])["nll"].tolist() != probes(alone[1])["nll"].tolist()


def test_where_only_the_newest_tasks_are_tested_so_are_probes(configured):
    (folder,) = execute(configured("training.test_last=1", *PROBED))
    assert (probes(folder)["on_task"] == probes(folder)["training_on"]).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.probe_every=0", "probe_every must be a whole number, at least 1, got probe_every=0"),
        ("training.probe_size=0", "probe_size must be a whole number, at least 1, got probe_size=0"),
        ("training.test_on=train", "test_on must be one of test, validation, got test_on='train'"),
        ("training.test_on=validation", "no validation stream"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(configured, setting, message):
    config = configured(*PROBED, setting)
    with pytest.raises(ValueError, match=message):
        execute(config)
    assert about(run_folder(config))["status"] == "failed"
