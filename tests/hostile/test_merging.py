"""`cl-bench merge`: nothing that was measured is lost, and a stranger's files become files and no more."""

import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hostile.merging import NAME, contents, make

from cl_bench import records, whole_copies
from cl_bench.analysis import load
from cl_bench.cli import main
from cl_bench.records import CalibrationBin

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return tmp_path / "a"


@pytest.fixture
def c(tmp_path: Path) -> Path:
    return tmp_path / "c"


def merged(*sources: Path, into: Path, capsys: Capture) -> tuple[int, str]:
    """The exit status and all that was said."""
    status = main(["merge", *map(str, sources), "-o", str(into)])
    said = "".join(capsys.readouterr())
    assert all(line.isprintable() for line in said.splitlines())
    return status, said


# What a file is copied with


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6777, 0o1777, 0o755, 0o600, 0o400, 0o666, 0o111])
def test_only_contents_and_times_are_copied(a: Path, c: Path, capsys: Capture, mode: int):
    run = make(a)
    (run / "tensorboard").mkdir()
    for path in (run / "helper", run / "tensorboard" / "events", run / "records.csv"):
        path.write_bytes(path.read_bytes() if path.exists() else b"#!/bin/sh\n")
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        path.chmod(mode)
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    if hasattr(os, "setxattr"):
        with suppress(OSError):  # a file system without
            os.setxattr(run / "helper", "user.note", b"x")
    (run / "tensorboard").chmod(0o2777)
    assert merged(a, into=c, capsys=capsys)[0] == 0
    for name in ("helper", "tensorboard/events", "records.csv"):
        copy = c / "study" / run.name / name
        about = copy.stat()
        assert stat.S_IMODE(about.st_mode) == 0o644
        assert (about.st_uid, about.st_gid) == (os.geteuid(), os.getegid())
        assert about.st_mtime_ns == 1_234_567_890_123_456_789
        assert copy.read_bytes() == (run / name).read_bytes()
        assert os.listxattr(copy) == []
    for folder in (copy.parent, copy.parent / "tensorboard"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_hard_link_becomes_a_file_of_its_own(a: Path, c: Path, tmp_path: Path, capsys: Capture):
    """DVC may link so into its cache."""
    run = make(a)
    os.link(run / "records.csv", tmp_path / "cached")
    assert merged(a, into=c, capsys=capsys)[0] == 0
    assert (c / "study" / run.name / "records.csv").stat().st_nlink == 1


# Links and other kinds of files


def annexed(run: Path, name: str) -> None:
    objects = run.parents[1] / ".git" / "annex"
    objects.mkdir(parents=True, exist_ok=True)
    (run / name).rename(objects / name)
    (run / name).symlink_to(f"../../.git/annex/{name}")


def dangling(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("../../.git/annex/objects/xx/not-fetched")


def absolute(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("/etc/hostname")


def circle(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(name)


def folder_link(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("..")


def pipe(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)


def unix_socket(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    here = Path.cwd()
    os.chdir(run)  # its path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
    finally:
        os.chdir(here)


def device(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    try:
        os.mknod(run / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices are made by root alone")


def sparse(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    with (run / name).open("wb") as file:
        file.truncate(2**42)


KINDS = [annexed, dangling, absolute, circle, folder_link, pipe, unix_socket, device, sparse]


@pytest.mark.parametrize("name", ["records.csv", "states.csv", "run.json", "notes.txt"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_run_is_copied_whole_or_not_at_all_and_is_named(
    a: Path, c: Path, capsys: Capture, kind: Callable[[Path, str], None], name: str
):
    run = make(a)
    make(a, seed=1)
    (run / "notes.txt").write_text("mine")
    kind(run, name)
    before = time.monotonic()
    status, said = merged(a, into=c, capsys=capsys)
    assert time.monotonic() - before < 10
    assert status == 1
    assert "1 run copied" in said
    assert "1 run not merged" in said
    assert f"study/{run.name}" in said
    assert name in said
    assert [path.name for path in c.glob("study/split*")] == [NAME.format(seed=1)]
    assert list(c.glob("study/.merging*")) == []


def test_links_that_lead_out_are_named_with_what_helps(a: Path, c: Path, capsys: Capture):
    annexed(make(a), "records.csv")
    dangling(make(a, seed=1), "notes.txt")
    _, said = merged(a, into=c, capsys=capsys)
    assert "records.csv is a link to ../../.git/annex/records.csv, outside of the run; put the file" in said
    assert "notes.txt is a link to ../../.git/annex/objects/xx/not-fetched, which is not there; put" in said
    assert said.count("git annex unlock, dvc unprotect, cp -rL") == 2


def test_links_within_a_run_are_kept_and_lead_nowhere_else(a: Path, c: Path, capsys: Capture):
    """Weights & Biases makes such: wandb/latest-run."""
    run = make(a)
    (run / "wandb" / "run-1").mkdir(parents=True)
    (run / "wandb" / "run-1" / "log").write_text("of it")
    (run / "wandb" / "latest-run").symlink_to("run-1")
    (run / "wandb" / "debug.log").symlink_to(run.resolve() / "wandb" / "run-1" / "log")
    (run / "wandb" / "round").symlink_to("../../" + run.name + "/wandb/run-1")
    assert merged(a, into=c, capsys=capsys)[0] == 0
    shutil.rmtree(a)
    copy = c / "study" / run.name / "wandb"
    assert (copy / "debug.log").read_text() == "of it"
    assert (copy / "latest-run" / "log").read_text() == "of it"
    assert {path.name: str(path.readlink()) for path in copy.iterdir() if path.is_symlink()} == {
        "debug.log": "run-1/log",
        "latest-run": "run-1",
        "round": "run-1",
    }


def test_a_plain_copy_elsewhere_takes_the_place_of_a_linked_one(
    a: Path, c: Path, tmp_path: Path, capsys: Capture
):
    annexed(make(a), "records.csv")
    make(tmp_path / "b")
    status, said = merged(a, tmp_path / "b", into=c, capsys=capsys)
    assert status == 1  # the linked one is named
    assert "1 run copied" in said
    assert len(load(c)) == 4


def test_a_run_of_too_many_files_is_named(a: Path, c: Path, capsys: Capture, monkeypatch):
    monkeypatch.setattr(whole_copies, "MOST_FILES", 50)
    run = make(a)
    for index in range(60):
        (run / f"{index}").touch()
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert "at most 50 files" in said


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


# What lies beside the runs


TORN = ['[{"source": "Some', "[" * 200_000, "1" + "0" * 5000, "\xff", "FOLDER", "PIPE", "NOWHERE"]


@pytest.mark.parametrize("name", ["expected.json", "sweep.json"])
@pytest.mark.parametrize("text", TORN, ids=["torn", "deep", "long", "bytes", "folder", "pipe", "nowhere"])
@pytest.mark.parametrize("where", ["there", "source"])
def test_a_study_file_that_cannot_be_read_is_named_and_not_written_over(
    a: Path, c: Path, tmp_path: Path, capsys: Capture, name: str, text: str, where: str
):
    make(a), make(c, seed=1), make(tmp_path / "b", seed=2)
    good = '{"strategy": ["ewc"], "seed": ["1"]}'
    (tmp_path / "b" / "study" / name).write_text(good)
    bad = (c if where == "there" else a) / "study" / name
    if text == "FOLDER":
        bad.mkdir()
    elif text == "PIPE":
        os.mkfifo(bad)
    elif text == "NOWHERE":
        bad.symlink_to("annexed")
    else:
        bad.write_bytes(text.encode("latin1"))
    before = contents(c)
    status, said = merged(a, tmp_path / "b", into=c, capsys=capsys)
    assert status == 1
    assert f"{bad} cannot be read" in said
    if where == "there":
        assert contents(c)[f"study/{name}"] == before[f"study/{name}"]
    else:
        assert json.loads((c / "study" / name).read_text()) == json.loads(good)


def test_numbers_that_are_none_agree_with_themselves(a: Path, c: Path, capsys: Capture):
    for results in (a, c):
        make(results)
        (results / "study" / "expected.json").write_text('[{"margin": NaN}]')
    assert merged(a, into=c, capsys=capsys)[0] == 0


# Places


def test_a_folder_into_itself_changes_nothing(a: Path, capsys: Capture, monkeypatch):
    make(a), make(a, seed=1, status="running", num_records=2)
    before = contents(a)
    monkeypatch.chdir(a.parent)
    for source, into in ((a, a), (Path("a"), a), (a, Path("a")), (a / "study", Path("a/../a"))):
        status, said = merged(source, into=into, capsys=capsys)
        assert (status, said) == (0, "2 runs there already\n")
        assert contents(a) == before


def test_the_target_within_the_source_and_the_reverse(a: Path, capsys: Capture):
    run = make(a)
    inner = a / "all"
    for _ in range(2):
        assert merged(a, into=inner, capsys=capsys)[0] == 0
    assert [path.parent for path in a.rglob("run.json")].count(inner / "study" / run.name) == 1
    assert len(list(a.rglob("run.json"))) == 2
    assert merged(inner, into=a, capsys=capsys)[0] == 0
    assert len(list(a.rglob("run.json"))) == 2


@pytest.mark.parametrize("length", [240, 252])
def test_a_run_whose_name_is_as_long_as_can_be(a: Path, c: Path, capsys: Capture, length: int):
    make(a).rename(a / "study" / ("x" * (length - 12) + "-s0-0123abcd"))
    make(a, seed=1)
    status, said = merged(a, into=c, capsys=capsys)
    if length == 240:
        assert (status, said) == (0, "2 runs copied\n")
    else:
        assert status == 1
        assert "1 run copied" in said
        assert "File name too long" in said


def test_names_are_shown_and_not_obeyed(a: Path, c: Path, capsys: Capture):
    run = make(a)
    strange = run.rename(run.with_name("\x1b[31mred\n\u202e-s0-0123abcd"))
    (strange / "records.csv").write_text("what")
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert "\\x1b[31mred\\n\\u202e" in said


@pytest.mark.parametrize("archive", ["runs.tar.gz", "runs.zip"])
def test_an_archive_is_no_folder(a: Path, c: Path, tmp_path: Path, capsys: Capture, archive: str):
    (tmp_path / archive).write_bytes(b"PK")
    status, said = merged(tmp_path / archive, into=c, capsys=capsys)
    assert status == 1
    assert "there is no folder" in said


def test_a_run_in_use_is_named_and_the_others_are_merged(a: Path, c: Path, capsys: Capture):
    run = make(a)
    make(a, seed=1)
    holder = "import sys; from pathlib import Path; from cl_bench.running.lock import alone_in\n"
    holder += "with alone_in(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(c / "study" / run.name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        status, said = merged(a, into=c, capsys=capsys)
        process.communicate()
    assert status == 1
    assert "1 run copied" in said
    assert "belongs to one process at a time" in said


# Disks


def test_a_full_disk_leaves_nothing_half(a: Path, c: Path, capsys: Capture):
    run = make(a)
    (run / "large").write_bytes(bytes(50_000))
    there = make(c, status="running", num_records=2)
    before = contents(c)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        status, said = merged(a, into=c, capsys=capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 1
    assert "File too large" in said
    assert contents(c) == before
    assert list(there.parent.glob(".merging*")) == []


def test_a_target_that_cannot_be_written_is_one_line(a: Path, c: Path, capsys: Capture):
    make(a)
    c.write_text("a file")
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert said.count("\n") == 1
    assert c.read_text() == "a file"


def test_a_kill_between_the_two_renames_loses_nothing(a: Path, c: Path, capsys: Capture):
    make(a)
    there = make(c, status="running", num_records=2)
    before = contents(there)

    killed = "import os, sys; from pathlib import Path; from cl_bench.merge import merge\n"
    killed += "rename = Path.rename\n"
    killed += "Path.rename = lambda a, b: os._exit(9) if a.name == 'new' else rename(a, b)\n"
    killed += "merge(sys.argv[1], into=sys.argv[2])"
    done = subprocess.run([sys.executable, "-c", killed, str(a), str(c)], check=False)
    assert done.returncode == 9
    (left,) = there.parent.glob(".merging*")
    assert contents(left / "old") == before
    assert not there.exists()
    shutil.rmtree(a)
    make(a, status="running", num_records=1)
    assert merged(a, into=c, capsys=capsys)[0] == 0
    assert contents(there) == before
    assert list(there.parent.glob(".merging*")) == []


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can be another user"
)
@pytest.mark.parametrize("which", ["run.json", "records.csv", "."])
def test_a_run_there_that_may_not_be_read_stays(a: Path, c: Path, which: str):
    make(a, status="running", num_records=1)
    make(a, seed=1)
    there = make(c)
    before = contents(c)
    for path in [c.parent.parent, c.parent, *a.parent.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o644)
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
