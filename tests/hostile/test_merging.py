"""`cl-bench merge`: a stranger's files become files and no more, whole or not at all."""

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hostile.merging import (
    NAME,
    Capture,
    absolute,
    annexed,
    circle,
    contents,
    dangling,
    device,
    folder_link,
    make,
    merged,
    pipe,
    sparse,
    unix_socket,
)

from cl_bench.analysis import load
from cl_bench.records import whole_copies


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return tmp_path / "a"


@pytest.fixture
def c(tmp_path: Path) -> Path:
    return tmp_path / "c"


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
    holder = "import sys; from pathlib import Path; from cl_bench.records.lock import alone_in\n"
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

    killed = "import os, sys; from pathlib import Path; from cl_bench.cli.merge import merge\n"
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
