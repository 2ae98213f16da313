"""A spoiled compact study costs little time and memory, and is named; runs beside it are as before."""

import json
import shutil
from itertools import product

import pytest
from hostile.folders import GOOD, ODD_FILES, write_base

from cl_bench.analysis import load
from cl_bench.cli.clean import clean
from cl_bench.cli.merge import merge
from cl_bench.records import compact
from cl_bench.records.row_files import MOST_ROWS
from cl_bench.records.runs import read_runs
from cl_bench.runner.stored_config import StoredConfigError, stored_config
from cl_bench.runner.verify import verify

ROWS = ("records.csv", "states.csv", "calibration.csv", "probes.csv")


@pytest.fixture(scope="module")
def _packed(tmp_path_factory):
    """A study `packed`, and beside it one of a run folder."""
    folder = tmp_path_factory.mktemp("compact")
    results = write_base(folder / "results")
    shutil.copytree(results / "study" / GOOD, results / "beside" / GOOD)
    about = json.loads((results / "beside" / GOOD / "run.json").read_text())
    (results / "beside" / GOOD / "run.json").write_text(json.dumps(about | {"study": "beside"}))
    assert not merge(results / "study", into=results, compact=True).problems
    return results


@pytest.fixture
def results(_packed, tmp_path):
    return shutil.copytree(_packed, tmp_path / "results")


def edited(change):
    """A spoiler of runs.json, by a function of its content."""

    def spoil(study):
        content = json.loads((study / "runs.json").read_text())
        (study / "runs.json").write_text(json.dumps(change(content) or content))

    return spoil


def text(content):
    return lambda study: (study / "runs.json").write_text(content)


def first_run(content):
    return next(iter(content["groups"][0]["runs"].values()))


def set_runs(runs):
    return edited(lambda content: content["groups"][0].update(runs=runs))


def put(**facts):
    return edited(lambda content: content.update(facts))


def of_first(**facts):
    return edited(lambda content: first_run(content).update(facts))


SPOILED = {
    "no JSON": (text("{"), "runs.json is unreadable"),
    "a list": (text("[]"), "runs.json must hold an object, got list"),
    "deep": (text('{"a":' * 200_000), "nested too deeply"),
    "large": (text('"' + "a" * 2**24 + '"'), "must have at most 8,388,608 bytes"),
    "many values": (text("[" + "0," * 2**20 + "0]"), "at most 524,288 values"),
    "another format": (put(format=2), "format must be 1, got 2"),
    "a format of digits": (put(format=10**4000), "format must be 1"),
    "no groups": (put(groups=None), "groups must be a list"),
    "a group of text": (put(groups=["a"]), "a group must hold an object"),
    "runs as a list": (set_runs(["a"]), "runs must hold an object"),
    "a run of text": (set_runs({"a-s0-0123": "b"}), "a run must hold an object"),
    "a number of text": (of_first(number="1"), "number of a run must be a whole number"),
    "a number of true": (of_first(number=True), "number of a run must be a whole number"),
    "a number of 0": (of_first(number=0), "number of a run must be a whole number from 1"),
    "a large number": (of_first(number=2**63), "number of a run must be a whole number"),
    "a number twice": (of_first(number=2), "each run must have a number of its own"),
    "rows of no file": (of_first(rows={"/etc/passwd": 1}), "rows must have a number for files of rows"),
    "rows of text": (of_first(rows={"records.csv": "1"}), "rows must have a number for files of rows"),
    "no run.json": (of_first(**{"run.json": "a"}), "run.json must hold an object, got str"),
    "a configuration of text": (of_first(**{"config.yaml": "a"}), "config.yaml must hold an object"),
    "left out of the way": (put(left_out=["/etc/passwd"]), "left_out must name files of rows"),
    "checks of text": (put(checks_made="all"), "checks_made must hold an object"),
    **{
        f"a name of {name[:9]!r}": (set_runs({name: {}}), "the name of a run must be that of a folder")
        for name in ("", ".", "..", "../../escaped", "/escaped", "a/b", "a\\b", "a\0b", ".locks", "a" * 256)
    },
    "many runs": (
        set_runs({f"r-s{number}-0123": {"number": number + 1} for number in range(20_000)}),
        "at most 10,000 runs",
    ),
    "much that all have": (
        edited(
            lambda content: content.update(
                all={"run.json": {}} | {f"k{number}": {"a": 1} for number in range(100_000)},
                groups=[{"all": {}, "runs": {f"r-s{each}-01": {"number": each + 1} for each in range(9000)}}],
            )
        ),
        "1,048,576 values in all",
    ),
    "many groups": (
        edited(
            lambda content: content.update(
                all={f"k{number}": 1 for number in range(100_000)}, groups=[{"all": {}, "runs": {}}] * 50_000
            )
        ),
        "1,048,576 values in all",
    ),
    "a long text that all have": (
        edited(
            lambda content: content.update(
                all={"run.json": {"error": "‮" * 2_000_000}},
                groups=[{"all": {}, "runs": {f"r-s{each}-01": {"number": each + 1} for each in range(5000)}}],
            )
        ),
        "at most 8,388,608 bytes",
    ),
}


def said(found):
    return [note for note in found.notes if "packed" in note or "study" in note]


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_runs_json_is_one_broken_entry_and_the_rest_is_reported(results, tables_of, name):
    spoil, why = SPOILED[name]
    before = load(results / "beside")["accuracy"].tolist()
    spoil(results / "study")
    found = tables_of(results)
    (note,) = [each for each in found.notes if "runs.json is unreadable" in each]
    assert why in note
    assert len(note) < 2_100
    assert [(run.study, run.status) for run in read_runs(results)] == [
        ("beside", "finished"),
        ("study", "broken"),
    ]
    assert load(results)["accuracy"].tolist() == before
    assert clean(str(results), yes=True) == 0
    assert merge(results, into=results.with_name("merged"), compact=True).problems
    assert {path.name for path in results.with_name("merged").iterdir()} <= {"beside", "results", ".locks"}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_what_is_no_file_is_never_opened(results, tables_of, kind):
    (results / "study" / "runs.json").unlink()
    ODD_FILES[kind](results / "study" / "runs.json")
    found = tables_of(results)
    assert [each for each in found.notes if "runs.json" in each]
    assert set(load(results)["study"]) == {"beside"}


@pytest.mark.parametrize(("kind", "name"), [*product(ODD_FILES, ROWS)])
def test_what_are_no_rows_are_never_read(results, tables_of, kind, name):
    (results / "study" / name).unlink()
    ODD_FILES[kind](results / "study" / name)
    found = tables_of(results)
    notes = [each for each in found.notes if name in each]
    assert len(notes) >= 2, "each run is named"
    kept = {"beside", "study"} if name in ROWS[2:] else {"beside"}
    assert set(load(results)["study"]) == kept


BAD_ROWS = {
    "too few": lambda path: path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1])),
    "torn": lambda path: path.write_text(path.read_text()[:-3]),
    "one more": lambda path: path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n"),
    "no number": lambda path: path.write_text(path.read_text() + "a,1,1,1,1,1\n"),
    "a header of run folders": lambda path: path.write_text(path.read_text().replace("run,", "seed,", 1)),
    "empty": lambda path: path.write_text(""),
    "gone": lambda path: path.unlink(),
    "too many": lambda path: path.write_text(path.read_text().splitlines()[0] + "\n" * (MOST_ROWS + 2)),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_rows_that_are_not_those_of_the_runs_are_broken_runs(results, tables_of, name):
    BAD_ROWS[name](results / "study" / "records.csv")
    found = tables_of(results)
    assert [each for each in found.notes if "records.csv" in each]
    broken = {run.name for run in read_runs(results) if run.status == "broken"}
    assert GOOD in broken or len(broken) == 1
    assert set(load(results / "beside")["study"]) == {"beside"}


def test_rows_of_a_run_that_is_not_there_are_nobodys(results):
    path = results / "study" / "records.csv"
    before = load(results)["accuracy"].tolist()
    row = path.read_text().splitlines()[-1].split(",")
    path.write_text(path.read_text() + ",".join(["77", *row[1:]]) + "\n")
    assert load(results)["accuracy"].tolist() == before


def test_facts_of_a_run_are_checked_as_those_of_a_folder(results, tables_of):
    of_first(**{"run.json": {"seed": [1] * 1000, "num_tasks": 10**9}})(results / "study")
    found = tables_of(results)
    assert [each for each in found.notes if "num_tasks must be" in each or "seed must be" in each]
    assert "finished" in {run.status for run in read_runs(results / "study")}


def test_a_strangers_configuration_is_not_obeyed(results):
    run = results / "study" / GOOD
    for value in ("${oc.env:HOME}", {"_target_": "os.system"}):
        edited(lambda content, value=value: content["all"]["config.yaml"].update(model=value))(run.parent)
        with pytest.raises(StoredConfigError):
            stored_config(run)
    with pytest.raises(ValueError, match="there is no folder"):
        verify(run.with_name("no-such-s0-0123"))


def test_a_run_folder_with_such_a_file_in_it_is_a_run_folder(results):
    (results / "beside" / GOOD / "runs.json").write_text("{")
    assert [run.status for run in read_runs(results / "beside")] == ["finished"]
    assert not compact.holds(results / "beside" / GOOD)
