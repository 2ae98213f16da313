"""A report of runs that are damaged, odd, interrupted, or named in any letters."""

import json
import math
import runpy
import warnings
from contextlib import nullcontext
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from cl_bench.figures.parallel import Drawn
from cl_bench.records.runs import NOT_BEGUN
from cl_bench.records.text import one_line
from cl_bench.report.build import report

measure = runpy.run_path(str(Path(__file__).parents[1] / "figures" / "full_runs.py"))["measure"]
write_run = runpy.run_path(str(Path(__file__).parents[1] / "analysis" / "synthetic.py"))["write_run"]


NASTY = (
    "$x^2$",
    "a_b^c\\frac{1}{2}",
    "100% #1 & {x}[*]",
    "two\nlines\tand",
    "\u202eאבג",
    "\ud800",
    "😀中",
    "w" * 200,
)


def test_names_of_any_kind_are_in_every_file_as_text(tmp_path):
    for place, name in enumerate(NASTY):
        run = write_run(tmp_path, strategy="x", benchmark="b", run_hash=f"{place:04x}", notes=[name])
        about = json.loads((run / "run.json").read_text())
        settings = about["settings"] | {"strategy.a$b": name}
        about |= {"study": NASTY[0], "benchmark": NASTY[3], "strategy": name, "settings": settings}
        (run / "run.json").write_text(json.dumps(about))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = report(tmp_path)
    assert len([path for path in found.paths if path.suffix == ".png"]) == 3
    methods = pd.read_csv(tmp_path / "summary.csv")["method"].tolist()
    assert sorted(methods) == sorted(map(one_line, NASTY))
    page = unescape((tmp_path / "report.html").read_text())
    for name in methods:
        assert name in found.text
        assert name in page
    assert len(pd.read_csv(tmp_path / "runs.csv")) == len(NASTY)
    assert r"\$x\textasciicircum{}2\$ & 1 &" in (tmp_path / "table.tex").read_text()
    assert all(note.isprintable() for note in found.notes)


def damaged(name, content):
    def damage(run):
        (run / name).write_bytes(content)

    return damage


def says(**about):
    def damage(run):
        told = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(told | about))

    return damage


def has(**settings):
    return says(settings={"seed": 2, **{key.replace("__", "."): value for key, value in settings.items()}})


BAD = {
    "no object": (damaged("run.json", b"[]"), "run.json must hold an object"),
    "seed as text": (says(seed="2"), "seed must be a whole number"),
    "negative tasks": (says(num_tasks=-1), "num_tasks must be from 0 to 5,000"),
    "a bomb of tasks": (says(num_tasks=10**9), "num_tasks must be from 0 to 5,000"),
    "settings as a list": (says(settings=[1]), "settings must be an object"),
    "other seeds": (says(seed=7), "records.csv has seed 2, run.json has seed 7"),
    "a damaged states.csv": (damaged("states.csv", b"a,b\n1,2\n"), "states.csv, line 1: the header must be"),
    "a damaged probes.csv": (damaged("probes.csv", b"a,b\n1,2\n"), "the run counts without that file"),
    "a damaged calibration.csv": (damaged("calibration.csv", b"a\n1\n"), "the run counts without that file"),
    "damaged published numbers": (damaged("../expected.json", b"{}"), "expected.json is left out"),
    "published numbers of no kind": (
        damaged("../expected.json", b'[{"rows": [{"strategy": "ewc"}]}]'),
        "expected.json is left out",
    ),
    "a damaged plan": (damaged("../sweep.json", b'{"seed": "abc"}'), "is no plan of a sweep"),
}
ODD = {
    "no settings": says(settings=None),
    "nested settings": has(a={"b": [None]}, c=[[1]], training__epochs=math.nan, seed_for__init=[1]),
    "a setting with the name of a measure": has(accuracy=1.0, method="x", seed_for__study=3, num_tasks=9),
    "huge numbers": says(wall_seconds=10**400, cpu_seconds=1e308, probe_seconds="x", hash=None),
    "odd texts": says(notes={"a": 1}, arguments=["\ud800"], versions={"a": [1]}, hardware=3, error="a\nb"),
}


@pytest.mark.parametrize("name", [*BAD, *ODD])
def test_one_bad_run_never_stops_the_report_of_the_others(tmp_path, monkeypatch, name):
    monkeypatch.setattr(
        "cl_bench.figures.parallel.started", lambda drawings, strict: nullcontext(lambda: Drawn([], []))
    )
    for seed in range(3):
        measure(write_run(tmp_path, seed=seed), seed=seed, num_tasks=3)
    measure(write_run(tmp_path, strategy="vcl"), seed=0, num_tasks=3)
    damage, said = BAD.get(name) or (ODD[name], "")
    damage(tmp_path / "study" / "permuted_mnist-ewc-s2-ab12cd")
    found = report(tmp_path)
    assert said in " ".join(found.notes)
    rows = pd.read_csv(tmp_path / "summary.csv").set_index("method")
    assert rows.loc["vcl", "average_accuracy_mean"] == pytest.approx(0.83, abs=0.02)
    ours = rows[rows["strategy"] == "ewc"]
    assert ours["num_seeds"].sum() == (2 if said.startswith(tuple(LEFT_OUT)) else 3)
    assert ours["average_accuracy_mean"].tolist() == pytest.approx([0.83] * len(ours), abs=0.02)


LEFT_OUT = ("run.json", "seed", "num_tasks", "settings", "records.csv", "states.csv")


def test_a_seed_beyond_64_bits_which_no_run_can_have_is_named(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, seed=2**70)
    (note,) = [note for note in report(tmp_path).notes if "broken" in note]
    assert f"seed must be from 0 to {2**63 - 1:,}, got {2**70}" in note


def test_a_run_that_was_ended_in_its_first_second_is_not_called_broken(tmp_path):
    write_run(tmp_path)
    for place, files in enumerate(((), ("run.log",), ("records.csv",))):
        run = tmp_path / "study" / f"permuted_mnist-vcl-s{place}-ab12cd"
        run.mkdir()
        for name in files:
            (run / name).write_text("")
    told = {note.partition(" ")[2] for note in report(tmp_path).notes if "-vcl-s" in note}
    assert told == {f"is left out: {NOT_BEGUN}.", "is broken and left out: run.json is missing."}


def test_an_interrupted_run_is_not_a_failed_one(tmp_path):
    write_run(tmp_path, status="interrupted", last_task=1, error="KeyboardInterrupt")
    notes = report(tmp_path).notes
    assert "study: ewc on permuted_mnist, seed 0 was interrupted; the same command goes on." in notes


def test_what_runs_have_noted_is_said_once_with_whom_it_concerns(tmp_path):
    for strategy in ("ewc", "vcl"):
        for seed in range(2):
            write_run(tmp_path, strategy=strategy, seed=seed, notes=["All images are equal."])
    write_run(tmp_path, strategy="vcl", seed=2, notes=["It has no heads.", "All images are equal."])
    found = report(tmp_path)
    assert found.notes == [
        "study: permuted_mnist: All images are equal.",
        "study: vcl on permuted_mnist: It has no heads.",
    ]
    assert "<li>study: vcl on permuted_mnist: It has no heads.</li>" in (tmp_path / "report.html").read_text()
