"""Mutated results folders: a run is right, or broken with a reason; no reader fails or hangs.

See data/test_fuzz.py for the data sets.
"""

import json
import math
import shutil
from pathlib import Path

import pytest
from fuzzing import bounded, bytes_near, few, fuzzed
from hypothesis import given
from hypothesis import strategies as st

from cl_bench import records
from cl_bench.analysis.expected_numbers import read_expected
from cl_bench.analysis.missing_runs import missing, read_plan
from cl_bench.analysis.results import Results
from cl_bench.cli.merge import merge
from cl_bench.records.agreement import KEYS, compare
from cl_bench.records.errors import AnalysisError
from cl_bench.records.row_files import RecordsError
from cl_bench.records.rows import FILES, CalibrationBin, Foreign, Probe, Record, State
from cl_bench.records.runs import STATUSES, read_run
from cl_bench.report.rerun_command import command
from cl_bench.runner.stored_config import StoredConfigError, stored_config

ROWS = {
    Record: [
        Record(0, after, on, 0.5, 0.7, 10, 0.1, 0.2, 0.3, math.nan) for after in (0, 1, 2) for on in (1, 2)
    ],
    State: [State(0, after, math.nan, 0.5, 64, 8, 0.25, 7, math.nan) for after in (0, 1, 2)],
    CalibrationBin: [CalibrationBin(0, 1, 1, bin, 5, 0.9, 0.8) for bin in (3, 15)],
    Probe: [Probe(0, 1, step, 1, 0.5, 0.7, 10) for step in (1, 2)],
    Foreign: [Foreign(0, after, 1, 0.5, 0.7, math.nan, 10) for after in (1, 2)],
}
ABOUT = {
    **{"study": "study", "benchmark": "split_digits", "strategy": "ewc", "seed": 0, "hash": "0123abcd"},
    **{"status": "finished", "error": None, "settings": {"training.epochs": 1, "training.test_last": None}},
    **{"arguments": ["strategy=ewc"], "versions": {"python": "3.11"}, "scenario": "task", "num_tasks": 2},
    **{"wall_seconds": 1.5, "cpu_seconds": 1.5, "weights_sha256": "00", "ood": ["noise"]},
}
CONFIG = "study: s\nseed: 0\nbenchmark: {name: b}\nmodel: {}\nstrategy: {_target_: cl_bench.strategies.EWC}\n"
CONFIG += "training: {epochs: 1}\nseed_for: {init: null}\nplugins: []\nloggers: []\n"
PLAN = json.dumps({"strategy": ["ewc", "vcl"], "seed": ["0", "1"]})
EXPECTED = json.dumps([{"source": "S", "evidence": "read", "margin": 1.5, "rows": [
    {"strategy": "ewc", "training.epochs": 1, "accuracy": 50.0}]}])  # fmt: skip

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run; every test changes one file of it and puts that back."""
    folder = tmp_path_factory.mktemp("results") / "study" / "split_digits-ewc-s0-0123abcd"
    folder.mkdir(parents=True)
    for kind, rows in ROWS.items():
        records.append(folder / FILES[kind], *rows)
    (folder / "run.json").write_text(json.dumps(ABOUT))
    (folder / "config.yaml").write_text(CONFIG)
    (folder.parent / "sweep.json").write_text(PLAN)
    (folder.parent / "expected.json").write_text(EXPECTED)
    return folder


def read_all(run: Path) -> None:
    """What a report reads; a run is one of four things, and an error has a name."""
    found = read_run(run)
    assert found.status in STATUSES
    assert found.error or found.status != "broken"
    command(found)
    results = Results.read(run.parent)
    assert results.summary is not None
    missing(results.found)
    for read in (lambda: read_expected(results.found), lambda: results.calibration, lambda: results.probes):
        try:
            read()
        except (AnalysisError, RecordsError) as error:
            assert str(run.parent) in str(error)


@fuzzed
@given(kind=st.sampled_from([*ROWS]), data=st.data())
def test_mutated_rows_are_whole_rows_of_the_file_or_an_error_that_names_it(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / FILES[kind]
    path.unlink(missing_ok=True)
    records.append(path, *ROWS[kind])
    content = data.draw(bytes_near(path.read_bytes()))
    path.write_bytes(content)
    with bounded():
        try:
            found = records.read(path, kind)
        except RecordsError as error:
            assert str(path) in str(error)
            return
        whole = content[: content.rfind(b"\n") + 1]
        assert len(found) == max(0, whole.count(b"\n") - 1)
        limits = kind.limits()
        assert all(limits[name].holds(getattr(row, name)) for row in found for name in limits)
        try:
            records.append(path, ROWS[kind][0])  # cuts the torn line off, and nothing else
        except RecordsError:
            assert path.read_bytes() == content
        else:
            assert path.read_bytes().startswith(whole)
            assert records.read(path, kind)[:-1] == found


@few
@given(data=st.data())
def test_a_run_with_a_mutated_file_is_right_or_broken(run, tmp_path_factory, data):
    names = [*FILES.values(), "run.json", "../sweep.json", "../expected.json"]
    path = run / data.draw(st.sampled_from(names))
    original = path.read_bytes()
    try:
        path.write_bytes(data.draw(bytes_near(original)))
        with bounded():
            read_all(run)
            target = tmp_path_factory.getbasetemp() / "merged"
            shutil.rmtree(target, ignore_errors=True)
            merged = merge(run, into=target)
            assert sum(merged.outcomes.values()) == 1
            try:
                compare(run, run)
            except (OSError, ValueError):
                pass
    finally:
        path.write_bytes(original)


@few
@given(name=st.sampled_from([*ABOUT]), value=VALUES)
def test_a_run_whose_summary_says_anything_is_right_or_broken(run, name, value):
    try:
        (run / "run.json").write_text(json.dumps(ABOUT | {name: value}))
        with bounded():
            read_all(run)
    finally:
        (run / "run.json").write_text(json.dumps(ABOUT))


@few
@given(value=VALUES | st.dictionaries(st.sampled_from(["seed", "strategy"]), VALUES))
def test_any_plan_and_any_published_numbers_are_read_or_named(run, value):
    try:
        for name in ("sweep.json", "expected.json"):
            (run.parent / name).write_text(json.dumps(value))
        with bounded():
            read_plan(run.parent)
            read_all(run)
    finally:
        (run.parent / "sweep.json").write_text(PLAN)
        (run.parent / "expected.json").write_text(EXPECTED)


@fuzzed
@given(content=bytes_near(CONFIG.encode()))
def test_a_mutated_configuration_is_read_or_named(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    (folder / "config.yaml").write_bytes(content)
    with bounded():
        try:
            config = stored_config(folder)
        except StoredConfigError as error:
            assert "config.yaml" in str(error)
        else:
            assert "tracking" in config


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, "1" * 10_000, '"\\ud800"', "NaN", "1e999"]
)
def test_deep_long_and_odd_json_is_a_broken_run(run, text):
    try:
        for path in (run / "run.json", run.parent / "sweep.json", run.parent / "expected.json"):
            path.write_text(text)
        with bounded():
            assert read_run(run).status == "broken"
            read_plan(run.parent)
            for whole in (text, json.dumps(ABOUT)):
                (run / "run.json").write_text(whole)
                read_all(run)
    finally:
        (run / "run.json").write_text(json.dumps(ABOUT))
        (run.parent / "sweep.json").write_text(PLAN)
        (run.parent / "expected.json").write_text(EXPECTED)


def test_rows_are_about_what_the_keys_say():
    assert set(KEYS) == set(FILES)
    for kind, names in KEYS.items():
        assert kind._fields[: len(names)] == names
