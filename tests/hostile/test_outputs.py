"""What is printed and written of strangers' names: shown and never obeyed, and never outside the folder."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hostile.folders import BAD, GOOD, bad, change, set_settings

from cl_bench.cli.main import main
from cl_bench.records.errors import AnalysisError
from cl_bench.report.build import report
from cl_bench.report.plot import plot
from cl_bench.report.spreadsheet import as_text, harmless

TITLE, CLEAR, TURN = "\x1b]0;owned\x07", "\x1b[2J", "\u202e"
PLANT = f"{TITLE}{CLEAR}{TURN}\r\n|<script>alert(1)</script>[a](javascript:b)\x9b31m\u2028\x00\x7f"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # all but the end of a line
NAME = PLANT.replace("/", "").replace("\x00", "")  # of a folder


def planted(value):
    """With the plant in every text of what a JSON file holds."""
    if isinstance(value, str):
        return value + PLANT
    if isinstance(value, list):
        return list(map(planted, value))
    if isinstance(value, dict):
        return {key + PLANT: planted(each) for key, each in value.items()}
    return value


ABOUT = {
    "scenario": "domain",
    "error": f"first{PLANT}\nlast{PLANT}",
    "notes": ["a note"],
    "arguments": ["strategy=ewc"],
    "versions": {"python": "3"},
    "hardware": {"cpu": "x"},
    "tuning": {"tuned/a": "b"},
    "tuned_by": {"search": "s", "differs": ["x"]},
    "stale": ["the module mine has changed"],
    "code": {"cl_bench": {"version": "1", "commit": "c", "tree": "t"}, "outside": {"mine": {"tree": "t"}}},
    "data": {"train": "a", "test": "b"},
    "finished": "2026",
    "hash": "ab",
}


@pytest.fixture
def sown(base):
    """The plant in every text of every file, and in the names of folders."""
    for place, (run, status) in enumerate([(GOOD, "finished"), (BAD, "failed")]):
        folder = base / "study" / run
        for more, name in (("", run), ("vcl", f"{run}-vcl"), ("same", f"{run}-same")):
            copy = folder if not more else Path(shutil.copytree(folder, folder.with_name(name)))
            about = {key: planted(value) for key, value in ABOUT.items()} | {"status": status}
            about |= {"study": PLANT, "benchmark": f"b{PLANT}", "strategy": f"{more or 'ewc'}{PLANT}"}
            about["settings"] = {
                f"strategy.{PLANT}": place,
                f"a.{PLANT}": PLANT + more,
                f"seed_for.{PLANT}": place,
            }
            change(copy, **about)
            (copy / "config.yaml").write_text(json.dumps(planted(about)))
    settings = {"seed": ["0", "1", f"2{PLANT}"], "strategy": ["ewc", f"x{PLANT}"]}
    (base / "study" / "sweep.json").write_text(json.dumps(settings))
    row = {"source": "s", "note": "n", "reason": "r", "spread_kind": "k", "strategy": "ewc"}
    rows = [{**planted({"rows": 1}), "accuracy": 1}] * 0
    row = {key: value + PLANT for key, value in row.items()} | {
        f"a.{PLANT}": PLANT,
        "accuracy": 1,
        "margin": 1,
    }
    group = {"evidence": "read", "rows": [*rows, row | {"run_with": [PLANT]}]}
    (base / "study" / "expected.json").write_text(json.dumps([group]))
    broken = base / "study" / f"b-{NAME}-s0-abcdef"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    bad_rows = base / "study" / f"c-{NAME}-s0-abcdef"
    shutil.copytree(base / "study" / GOOD, bad_rows)
    (bad_rows / "records.csv").write_text(PLANT)
    bad_bins = base / "study" / f"d-{NAME}-s0-abcdef"
    shutil.copytree(base / "study" / GOOD, bad_bins)
    (bad_bins / "calibration.csv").write_text(PLANT)
    (base / "study").rename(base / NAME)
    return base


def check_text(text):
    for line in text.splitlines():
        assert not OBEYED.search(line), repr(line)
    assert "\r" not in text
    assert "<script>alert(1)</script>[a](javascript:b)" in text, "names are shown"


@pytest.mark.parametrize("verb", ["report", "plot", "clean"])
def test_no_name_is_obeyed_by_a_terminal(sown, verb, request, capsys):
    if verb == "report":
        request.getfixturevalue("tables_of")
    arguments = {"report": [str(sown)], "plot": ["comparison", str(sown)], "clean": [str(sown), "--yes"]}
    assert main([verb, *arguments[verb]]) in (0, 1)
    out, err = capsys.readouterr()
    for text in filter(None, (out, err)):
        for line in text.split("\n"):
            assert not OBEYED.search(line), repr(line)
    if verb == "report":
        check_text(out)


def test_no_name_is_obeyed_in_what_is_written(sown, tables_of):
    known = {path for path in sown.rglob("*") if path.is_file()}
    tables_of(sown)
    written = [path for path in sown.rglob("*") if path.is_file() and path not in known]
    assert {path.name for path in written} >= {
        "summary.csv",
        "runs.csv",
        "report.html",
        "table.tex",
        "expected.csv",
    }
    for path in written:
        if path.suffix == ".parquet":
            continue
        text = path.read_text()
        if path.suffix == ".html":  # scripts of our own hold what looks like it
            text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
            assert "<script>alert" not in text
        for line in text.split("\n"):
            assert not OBEYED.search(line), (path, repr(line)[:300])
    for name in ("summary.csv", "runs.csv"):
        with (sown / name).open(newline="") as file:
            rows = list(csv.reader(file))
        assert len({len(each) for each in rows}) == 1


def test_figures_of_such_names_are_drawn(sown):
    made = plot("forgetting", sown)
    for path in made.paths:
        assert path.is_file()
        assert not OBEYED.search(path.name)
        assert path.parent == sown / "figures"


# Spreadsheets

FORMULAS = ["=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1", "a;=1", "−1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text(text):
    safe = as_text(text)
    assert safe.replace("'", "") == text.replace("'", "")
    assert not re.search(r"(^|;)\s*[=+\-@＝−]", safe)


def test_numbers_and_other_texts_stay():
    table = pd.DataFrame(
        {"a": [-1.5, 2.0], "b": ["a-b", "x=1"], "c": pd.array([None, -3], dtype="Int64"), "d": [-1, "x"]}
    )
    assert harmless(table).equals(table)


@pytest.mark.parametrize("name", ["study", "benchmark", "strategy", "scenario", "error", "notes"])
def test_no_cell_of_a_report_is_a_formula(base, tables_of, name):
    change(bad(base), **{name: "=cmd|' /C calc'!A0" if name != "notes" else ["=1"]})
    set_settings(bad(base), {"=1": "=2"})
    (base / "study").rename(base / "=study")
    tables_of(base)
    for path in base.glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert not re.match(r"\s*[=+@]|\s*-(?![\d.])", cell), (path.name, cell)
    if name == "strategy":
        assert "'=cmd|' /C calc'!A0" in set(pd.read_csv(base / "summary.csv")["strategy"])


# Links


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_a_report_writes_nothing_through_a_linked_folder_of_figures(base, elsewhere):
    (base / "figures").symlink_to(elsewhere)
    found = report(base)
    assert list(elsewhere.iterdir()) == []
    assert any("figures is a link, and nothing is written through a link" in note for note in found.notes)
    assert (base / "report.html").is_file()


def test_what_is_no_folder_is_in_the_way_of_figures_alone(base):
    os.mkfifo(base / "figures")
    found = report(base)
    assert any("figures is no folder" in note for note in found.notes)
    assert (base / "report.html").is_file()


@pytest.mark.parametrize(
    "name", ["report.html", "summary.csv", "runs.csv", "table.tex", "forgetting_curves.csv", "comparison.csv"]
)
@pytest.mark.parametrize("link", ["symbolic", "hard", "pipe", "nowhere"])
def test_a_link_in_the_place_of_a_file_is_replaced_and_what_it_leads_to_stays(
    base, tables_of, elsewhere, name, link
):
    other = elsewhere / "theirs"
    other.write_text("precious")
    path = base / name
    if link == "symbolic":
        path.symlink_to(other)
    elif link == "hard":
        path.hardlink_to(other)
    elif link == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(elsewhere / "new")
    tables_of(base)
    assert other.read_text() == "precious"
    assert [each.name for each in elsewhere.iterdir()] == ["theirs"]
    assert path.is_file()
    assert not path.is_symlink()
    assert path.stat().st_nlink == 1


@pytest.mark.parametrize("output", [None, "figures/", "figures/a.png", "figures/deeper/a.png"])
def test_a_plot_is_not_written_through_a_link_of_the_results(base, elsewhere, output):
    (base / "figures").symlink_to(elsewhere)
    with pytest.raises(AnalysisError, match="figures is a link"):
        plot("comparison", base, output=None if output is None else f"{base}/{output}")
    assert list(elsewhere.iterdir()) == []


def test_a_plot_replaces_a_linked_file_and_follows_the_users_own_links(base, elsewhere, tmp_path):
    other = elsewhere / "theirs.svg"
    other.write_text("precious")
    (base / "figures").mkdir()
    for kind in ("png", "svg"):
        (base / "figures" / f"comparison-permuted_mnist.{kind}").symlink_to(other)
    plot("comparison", base)
    assert other.read_text() == "precious"
    mine = tmp_path / "mine"
    mine.symlink_to(elsewhere)
    plot("comparison", base, output=f"{mine}/")
    assert (elsewhere / "comparison-permuted_mnist.png").is_file()
    linked = tmp_path / "linked"
    linked.symlink_to(base)
    plot("comparison", linked)
    assert (base / "figures" / "comparison-permuted_mnist.png").is_file()


@pytest.mark.slow
def test_a_whole_report_of_bombs_takes_little_memory_and_time(base):
    """All at once, in a process of its own that may have 3 GB of addresses, half of which are libraries."""
    for place, run in enumerate((GOOD, BAD)):
        set_settings(base / "study" / run, {f"strategy.s{each}": each + place for each in range(500)})
    for place in range(100):
        run = Path(
            shutil.copytree(base / "study" / GOOD, base / "study" / f"permuted_mnist-x-s0-{place:04x}")
        )
        change(run, strategy=f"x{place}", num_tasks=[3, 5_000, 40_000][place % 3])
    plan = {f"k{place}": ["1", "2"] for place in range(5_000)}
    (base / "study" / "sweep.json").write_text(json.dumps(plan))
    limits = "import resource as r;r.setrlimit(r.RLIMIT_AS,(3*2**30,)*2);r.setrlimit(r.RLIMIT_CPU,(150,)*2);"
    code = limits + "import sys;from cl_bench.cli.main import main;sys.exit(main(['report',sys.argv[1]]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(base)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "num_tasks must be from 0 to 5,000" in done.stdout
