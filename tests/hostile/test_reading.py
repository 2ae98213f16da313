"""Spoiled runs cost little time and memory, and are named; the others are reported as before."""

import json
import math
import os
import subprocess
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from hostile import folders
from hostile.folders import BAD, GOOD, ODD_FILES, as_run_json, bad, change, in_rows, in_run_json, set_settings

from cl_bench.analysis import calibration, load, matrices, states, summary
from cl_bench.records.atomic import MOST_VALUES, read_json
from cl_bench.records.row_files import MOST_ROWS
from cl_bench.records.runs import read_run, read_runs

ROWS = ("records.csv", "states.csv", "calibration.csv", "probes.csv")


def said_of(found, name):
    return [note for note in found.notes if name in note]


def accuracies(results):
    """Of the runs that count, by their folders."""
    frame = load(results)
    return {name: rows["accuracy"].tolist() for name, rows in frame.groupby("run")}


@pytest.mark.parametrize(("kind", "name"), [*product(ODD_FILES, ["run.json", *ROWS])])
def test_what_is_no_file_is_never_opened_and_the_run_is_named(base, tables_of, kind, name):
    before = accuracies(base)
    folders.instead(name, ODD_FILES[kind])(base)
    found = tables_of(base)
    expected = {GOOD: before[GOOD]}
    if name in ROWS[2:]:
        expected[BAD] = before[BAD]
        assert any("the run counts without that file" in note for note in found.notes)
    else:
        assert said_of(found, BAD), "it is named"
    assert accuracies(base) == expected


@pytest.mark.parametrize(("kind", "name"), [*product(ODD_FILES, ["sweep.json", "expected.json"])])
def test_what_is_no_file_beside_the_runs_is_named(base, tables_of, kind, name):
    ODD_FILES[kind](base / "study" / name)
    found = tables_of(base)
    assert said_of(found, name)
    assert pd.read_csv(base / "summary.csv")["num_seeds"].tolist() == [2]


LARGE = 10**400
BROKEN = {
    "num_tasks": (in_run_json(num_tasks=40_000), "num_tasks must be from 0 to 5,000, got 40000"),
    "num_tasks beyond a float": (in_run_json(num_tasks=LARGE), "num_tasks must be from 0 to 5,000"),
    "num_tasks is true": (in_run_json(num_tasks=True), "num_tasks must be a whole number, got True"),
    "on_task": (in_rows("records.csv", 1, 1, 40_000, 0.5, 0.7, 10, 0.1, 0.2, 0.3, "nan"), "task 40000 of 3"),
    "after_task": (in_rows("records.csv", 1, 40_000, 1, 0.5, 0.7, 10, 0.1, 0.2, 0.3, "nan"), "task 40000"),
    "on_task, of which run.json says nothing": (
        lambda results: [
            in_run_json(num_tasks=None)(results),
            in_rows("records.csv", 1, 1, 40_000, 0.5, 0.7, 10, 0.1, 0.2, 0.3, "nan")(results),
        ],
        "records.csv has task 40000, of 5,000 at most",
    ),
    "after_task of states": (
        in_rows("states.csv", 1, 40_000, 1.0, 0.5, 1, 1, 0.5, 4, 0.5),
        "states.csv is not of seed",
    ),
    "seed of 64 bits": (in_run_json(seed=2**63), "seed must be from 0 to"),
    "seed beyond a float": (in_run_json(seed=LARGE), "seed must be from 0 to"),
    "negative seed": (in_run_json(seed=-1), "seed must be from 0 to"),
    "seed as text": (in_run_json(seed="1"), "seed must be a whole number, got '1'"),
    "seed as a long list": (in_run_json(seed=[1] * 10**5), "seed must be a whole number, got [1, 1"),
    "seed of nan": (in_run_json(seed=math.nan), "seed must be a whole number, got nan"),
    "test_last": (
        lambda results: set_settings(bad(results), {"training.test_last": LARGE}),
        "test_last must be a whole number",
    ),
    "deep lists": (as_run_json("[" * 200_000 + "]" * 200_000), "nested too deeply"),
    "deep objects": (as_run_json('{"a":' * 200_000 + "1" + "}" * 200_000), "nested too deeply"),
    "deep enough": (as_run_json('{"a":' * 400 + "1" + "}" * 400), "nested too deeply"),
    "many values": (as_run_json("[" + "[]," * MOST_VALUES + "[]]"), "at most 131,072 values"),
    "a long text": (as_run_json('"' + "a" * 2**23 + '"'), "must have at most 4,194,304 bytes"),
    "digits": (as_run_json("1" * 100_000), "run.json is unreadable"),
    "many rows": (
        lambda results: (bad(results) / "records.csv").write_text(
            "seed,after_task,on_task,accuracy,nll,num_examples\n" + "\n" * (MOST_ROWS + 1)
        ),
        "must have at most 2,097,152 rows",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bomb_is_a_broken_run_and_the_other_is_reported(base, tables_of, name):
    spoil, said = BROKEN[name]
    before = accuracies(base)
    spoil(base)
    found = tables_of(base)
    (note,) = said_of(found, BAD)
    assert said in note
    assert "is broken and left out" in note
    assert len(note) < 2_100
    assert accuracies(base) == {GOOD: before[GOOD]}
    for read in (states, calibration):
        assert set(read(base)["run"]) == {GOOD}


BAD_ROWS = {
    "calibration.csv": (1, 40_000, 1, 3, 10, 0.5, 0.5),
    "probes.csv": (1, 40_000, 1, 1, 0.5, 0.5, 10),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bomb_in_what_figures_are_drawn_from_leaves_that_out(base, tables_of, name):
    folders.row(bad(base) / name, *BAD_ROWS[name])
    found = tables_of(base)
    assert any("40000 of 3 tasks; the run counts without that file" in note for note in found.notes)
    assert pd.read_csv(base / "summary.csv")["num_seeds"].tolist() == [2]


ODD_NUMBERS = (
    LARGE,
    -LARGE,
    2**63,
    2**64,
    -1,
    1e308,
    math.inf,
    -math.inf,
    math.nan,
    True,
    None,
    "1",
    [1],
    {},
)


@pytest.mark.parametrize("value", ODD_NUMBERS, ids=lambda value: repr(value)[:12])
def test_any_number_anywhere_is_read_or_named(base, tables_of, value):
    about = json.loads((bad(base) / "run.json").read_text())
    for key in ("study", "benchmark", "strategy", "status", "seed", "num_tasks", "settings", "stale"):
        change(bad(base), **{key: value})
        load(base)
        tables_of(base)
        change(bad(base), **{key: about.get(key)})
    others = {*about, "notes", "versions", "probe_seconds", "finished", "tuning", "tuned_by", "code", "data"}
    known = {"study", "benchmark", "strategy", "status", "seed", "num_tasks", "settings", "stale"}
    change(bad(base), **dict.fromkeys(others - known, value))
    set_settings(bad(base), {"strategy.strength": value, "seed_for.init": value, "training.test_last": None})
    found = tables_of(base)
    assert accuracies(base).keys() == {GOOD, BAD}
    assert not said_of(found, "broken")


def long_stream(results, number):
    """Runs of 5,000 tasks that were tested once each, in files of 150 KB."""
    for seed in range(number):
        run = results / "study" / f"long-ewc-s{seed}-ab12cd"
        run.mkdir()
        about = {"benchmark": "long", "strategy": "ewc", "seed": seed, "status": "finished"}
        settings = {"seed": seed, "training.test_last": 1}
        (run / "run.json").write_text(json.dumps(about | {"num_tasks": 5_000, "settings": settings}))
        rows = "".join(f"{seed},{task},{task},0.5,1,9\n" for task in range(1, 5_001))
        (run / "records.csv").write_text("seed,after_task,on_task,accuracy,nll,num_examples\n" + rows)


def test_matrices_of_long_streams_are_made_one_at_a_time(base):
    for place in range(40):  # 8 GB, if each had its matrix
        run = base / "study" / f"permuted_mnist-ewc-s0-{place:04x}"
        run.mkdir()
        for name in ("run.json", "records.csv"):
            (run / name).write_bytes((base / "study" / GOOD / name).read_bytes())
        change(run, num_tasks=5_000, strategy=f"ewc{place}")
    frame = load(base)
    found = matrices(frame)
    assert sum(run.complete for run in found) == 2
    assert summary(frame, found=found)["num_left_out"].sum() == 40


def test_a_long_stream_that_is_complete_counts(base):
    long_stream(base, 2)
    rows = summary(load(base)).set_index("benchmark")
    assert rows.loc["long", "average_accuracy_mean"] == 0.5
    assert rows.loc["long", "num_seeds"] == 2


@pytest.fixture
def deep(base):
    """1,500 folders in each other, which `rm` removes and Python does not."""
    here, inner = Path.cwd(), base / "deep"
    inner.mkdir()
    try:
        os.chdir(inner)
        for _ in range(1_500):
            os.mkdir("d")  # noqa: PTH102 (the whole path is too long for the system)
            os.chdir("d")
    finally:
        os.chdir(here)
    yield base
    subprocess.run(["rm", "-rf", str(inner)], check=True)


def test_folders_may_be_nested_deeply_linked_in_circles_and_hold_much(deep):
    (deep / "loop").symlink_to(deep)
    (deep / "study" / "loop").symlink_to("loop")
    many = deep / "many"
    many.mkdir()
    for number in range(20_000):
        (many / f"{number}").touch()
    assert [run.name for run in read_runs(deep)] == [GOOD, BAD]


def test_a_folder_in_the_place_of_run_json_is_a_broken_run_wherever_it_is(base):
    (base / "other" / "run.json").mkdir(parents=True)
    (base / "another" / "records.csv").mkdir(parents=True)
    broken = {run.name: run.error for run in read_runs(base) if run.status == "broken"}
    assert broken.keys() == {"other", "another"}
    assert "must be a regular file, got a folder" in broken["other"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_run_that_may_not_be_read_is_named(base):
    bad(base).chmod(0)
    try:
        assert read_run(bad(base)).status == "broken"
        assert [run.name for run in read_runs(base)] == [GOOD, BAD]
    finally:
        bad(base).chmod(0o700)


def test_a_run_may_be_written_while_it_is_read(base, tables_of):
    before = accuracies(base)
    change(bad(base), status="running")
    for name in ROWS:
        path = bad(base) / name
        content = path.read_bytes()
        for end in range(len(content) - 40, len(content)):
            path.write_bytes(content[:end])
            found = read_runs(base)
            assert [run.status for run in found] == ["finished", "running"]
    tables_of(base)
    assert accuracies(base)[GOOD] == before[GOOD]


def test_json_is_bounded_in_values_and_nesting(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": [1, 2, {"b": [3]}]}))
    assert read_json(path) == {"a": [1, 2, {"b": [3]}]}
    path.write_text("[" * 99 + "]" * 99)
    assert read_json(path)
    path.write_text("[" * 101 + "]" * 101)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(path)
