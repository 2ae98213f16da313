"""`cl-bench merge`: nothing that was measured is lost, and nothing is chosen silently."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile.merging import Capture, contents, dangling, make, merged, pipe

from cl_bench import records
from cl_bench.analysis import load
from cl_bench.records.rows import CalibrationBin


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return tmp_path / "a"


@pytest.fixture
def c(tmp_path: Path) -> Path:
    return tmp_path / "c"


# What is there stays


def bad_byte(run: Path) -> None:
    path = run / "records.csv"
    path.write_bytes(path.read_bytes()[:-3] + b"x\n\n")


def torn_summary(run: Path) -> None:
    (run / "run.json").write_text('{"status": "fini')


def no_summary(run: Path) -> None:
    (run / "run.json").unlink()


def no_rows(run: Path) -> None:
    (run / "records.csv").unlink()


def cut_rows(run: Path) -> None:
    lines = (run / "records.csv").read_text().splitlines(keepends=True)
    (run / "records.csv").write_text("".join(lines[:-1]))


def linked_rows(run: Path) -> None:
    dangling(run, "records.csv")


def bad_states(run: Path) -> None:
    (run / "states.csv").write_text("what\n")


def bad_calibration(run: Path) -> None:
    (run / "calibration.csv").write_text("what\n")


def dangling_calibration(run: Path) -> None:
    dangling(run, "calibration.csv")


def rows_of_another_kind(run: Path) -> None:
    pipe(run, "records.csv")


def another_seed(run: Path) -> None:
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"seed": 0', '"seed": 7'))


def unreadable(run: Path) -> None:
    (run / "records.csv").unlink()
    (run / "records.csv").mkdir()


DAMAGES = [bad_byte, torn_summary, no_summary, no_rows, cut_rows, linked_rows, bad_states, bad_calibration]
DAMAGES += [dangling_calibration, rows_of_another_kind, another_seed, unreadable]


@pytest.mark.parametrize("status", ["finished", "running"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("num_records", [0, 2, 4])
def test_a_broken_run_there_is_never_touched(
    a: Path, c: Path, capsys: Capture, damage: Callable[[Path], None], num_records: int, status: str
):
    if status == "running" and damage in (no_rows, cut_rows):
        pytest.skip("no damage: an unfinished run has as many rows as it has")
    make(a, status="finished" if num_records == 4 else "running", num_records=num_records)
    there = make(c, status=status)
    damage(there)
    (there / "notes.txt").write_text("mine")
    before = contents(c)
    state, said = merged(a, into=c, capsys=capsys)
    assert state == 1
    assert f"what is in {there} stays, since it is broken" in said
    after = contents(c)
    assert {path: after[path] for path in before} == before
    beside = c / "study" / "beside" / there.name
    assert beside.exists() == (num_records > 0)
    if num_records:
        assert contents(beside) == contents(a / "study" / there.name) | {
            name: (stat.S_IFREG | 0o644, *about[1:]) for name, about in contents(beside).items()
        }


def test_what_was_laid_beside_is_counted_once_and_found_again(a: Path, c: Path, capsys: Capture):
    make(a)
    there = make(c)
    bad_byte(there)
    for _ in range(2):  # a second time changes nothing
        assert merged(a, into=c, capsys=capsys)[0] == 1
        assert len(load(c)) == 4
    status, said = merged(c, into=c, capsys=capsys)  # into itself
    assert status == 1
    assert "another is in" in said
    shutil.rmtree(there)  # the user has chosen
    assert merged(c, into=c, capsys=capsys)[0] == 0
    assert contents(there) == contents(c / "study" / "beside" / there.name)
    assert len(load(c)) == 4


@pytest.mark.parametrize("name", ["notes.txt", "figures", ".hidden"])
def test_a_file_that_no_run_writes_keeps_an_unfinished_run_there(
    a: Path, c: Path, capsys: Capture, name: str
):
    make(a)
    there = make(c, status="running", num_records=2)
    (there / name).write_text("mine")
    before = contents(there)
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert name in said
    assert contents(there) == before
    assert (c / "study" / "beside" / there.name).is_dir()


def test_what_runs_write_besides_rows_keeps_none(a: Path, c: Path, capsys: Capture):
    make(a)
    there = make(c, status="running", num_records=2)
    (there / "checkpoint").mkdir()
    for name in (
        "run.log",
        "config.yaml",
        "records.previous.csv",
        ".run.json-x.unfinished",
        "checkpoint/task",
    ):
        (there / name).write_text("")
    assert merged(a, into=c, capsys=capsys)[0] == 0
    assert "finished" in (there / "run.json").read_text()


def test_a_link_in_the_place_of_a_run_is_not_replaced(a: Path, c: Path, tmp_path: Path, capsys: Capture):
    make(a)
    elsewhere = make(tmp_path / "elsewhere", status="running", num_records=2)
    (c / "study").mkdir(parents=True)
    (c / "study" / elsewhere.name).symlink_to(elsewhere)
    before = contents(tmp_path / "elsewhere")
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert "it is a link" in said
    assert (c / "study" / elsewhere.name).is_symlink()
    assert contents(tmp_path / "elsewhere") == before


@pytest.mark.parametrize("kind", ["file", "dangling", "empty"])
def test_something_else_in_the_place_of_a_run(a: Path, c: Path, capsys: Capture, kind: str):
    run = make(a)
    place = c / "study" / run.name
    place.parent.mkdir(parents=True)
    {"file": lambda: place.write_text("x"), "dangling": lambda: place.symlink_to("no"), "empty": place.mkdir}[
        kind
    ]()
    status, _ = merged(a, into=c, capsys=capsys)
    assert status == (0 if kind == "empty" else 1)
    assert (place / "run.json").exists() == (kind == "empty")


@pytest.mark.parametrize("there", [("finished", 4), ("running", 3), ("failed", 1), ("running", 2)])
@pytest.mark.parametrize("other", [("running", 0), ("failed", 1), ("running", 2)])
def test_fewer_rows_never_take_the_place_of_more(
    a: Path, c: Path, capsys: Capture, there: tuple[str, int], other: tuple[str, int]
):
    make(a, status=other[0], num_records=other[1])
    run = make(c, status=there[0], num_records=there[1])
    before = contents(run)
    assert merged(a, into=c, capsys=capsys)[0] == 0
    kept = there[1] >= other[1]
    assert (contents(run) == before) == kept
    assert len((run / "records.csv").read_text().splitlines()) == 1 + max(there[1], other[1])


# Contradictions


@pytest.mark.parametrize("mine", ["running", "finished"])
@pytest.mark.parametrize("there", ["running", "failed"])
def test_runs_that_contradict_each_other_are_named_and_none_is_chosen(
    a: Path, c: Path, capsys: Capture, mine: str, there: str
):
    run = make(a, status=mine, accuracy=0.25)
    other = make(c, status=there, num_records=2)
    before = contents(c)
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert f"{run} and {other} differ in records.csv: 2 of 2 rows differ" in said
    assert contents(c) == before


def test_two_unfinished_sources_that_contradict_each_other_are_named(
    a: Path, c: Path, tmp_path: Path, capsys: Capture
):
    make(a, status="running", num_records=3)
    make(tmp_path / "b", status="failed", num_records=2, accuracy=0.75)
    status, said = merged(a, tmp_path / "b", into=c, capsys=capsys)
    assert status == 1
    assert "accuracy 0.5 and 0.75" in said
    assert not list(c.glob("study/split*"))


def test_unfinished_runs_of_other_settings_are_no_part_of_each_other(a: Path, c: Path, capsys: Capture):
    run = make(a, status="running", num_records=3)
    make(c, status="running", num_records=1)
    (run / "run.json").write_text((run / "run.json").read_text().replace("0123abcd", "ffffffff"))
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert "hash: ffffffff, 0123abcd" in said


def test_calibration_counts_as_well(a: Path, c: Path, capsys: Capture):
    for results, share in ((a, 0.5), (c, 0.25)):
        run = make(results, status="running", num_records=2)
        records.append(run / "calibration.csv", CalibrationBin(0, 1, 1, 3, 5, share, share))
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert "calibration.csv: 1 of 1 rows differ" in said


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can be another user"
)
@pytest.mark.parametrize("which", ["run.json", "records.csv", "."])
def test_a_run_there_that_may_not_be_read_stays(a: Path, c: Path, which: str):
    make(a, status="running", num_records=1)
    make(a, seed=1)
    there = make(c)
    before = contents(c)
    for path in [c.parent, *a.parent.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o644)
    for path in c.parent.parents:  # pytest's own are for their owner alone
        if not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    (there / which).chmod(0)
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        sys.executable,
        "-m",
        "cl_bench",
    ]
    done = subprocess.run(
        [*command, "merge", str(a), "-o", str(c)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 1
    assert there.name in done.stdout + done.stderr
    assert "1 run copied" in done.stdout
    (there / which).chmod(0o755 if which == "." else 0o644)
    assert {path: found[2] for path, found in contents(there).items()} == {
        path.partition(there.name + "/")[2]: found[2]
        for path, found in before.items()
        if path.startswith(f"study/{there.name}/")
    }
