"""Two processes never write into one run folder; whoever looks is in nobody's way."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from cl_bench.records import flocks, owners
from cl_bench.records.lock import LOCKS, RunInUseError, RunLostError, alone_in, is_held

HOLD = """
import fcntl, sys, time
from pathlib import Path
from cl_bench.records.lock import alone_in
without = int(sys.argv[2])
if without:
    def flock(*_):
        raise OSError(without, "no locks here")
    fcntl.flock = flock
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
LOOK = """
import sys
from pathlib import Path
from cl_bench.records.lock import is_held
print("looks", flush=True)
while True:
    is_held(Path(sys.argv[1]))
"""
WITHOUT_FLOCK = [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK]


@pytest.fixture
def process():
    """process(code, *arguments): another one, which has said its first line."""
    started = []

    def start(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        found = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(found)
        assert found.stdout is not None
        assert found.stdout.readline() in ("held\n", "looks\n")
        return found

    yield start
    for each in started:
        each.kill()
        each.wait()
        each.stdout.close()


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture(params=[0, *WITHOUT_FLOCK], ids=["flock", "ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def without(request, monkeypatch):
    """0, or the error that a file system without locks answers with, here and in other processes."""
    if request.param:

        def flock(*_):
            raise OSError(request.param, "no locks here")

        monkeypatch.setattr(fcntl, "flock", flock)
    return request.param


def free(run):
    """Whether this process can have it."""
    try:
        with alone_in(run):
            return True
    except RunInUseError:
        return False


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_second_process_is_refused_and_told_who_is_there(process, run, without):
    other = process(HOLD, run, without)
    assert is_held(run)
    with (
        pytest.raises(RunInUseError, match=rf"run, which process {other.pid} on .+ is running"),
        alone_in(run),
    ):
        pass


def test_the_lock_of_a_process_that_was_killed_is_free(process, run, without):
    kill(process(HOLD, run, without))
    started = time.monotonic()
    assert not is_held(run)
    with alone_in(run):
        assert is_held(run)
        assert time.monotonic() - started < 5
    assert not is_held(run)
    assert {path.name for path in (run.parent / LOCKS).iterdir()} == {"run.lock"}
    assert (run.parent / LOCKS / "run.lock").read_bytes() == b""


def test_it_is_free_again_afterwards_and_each_folder_has_its_own(run, without):
    with alone_in(run), alone_in(run.with_name("other")):
        pass
    with pytest.raises(ZeroDivisionError), alone_in(run):
        _ = 1 / 0
    assert free(run)


def test_starts_are_never_refused_because_somebody_looks(process, run):
    run.mkdir()
    assert free(run)
    for _ in range(2):
        process(LOOK, run)
    assert all(free(run) for _ in range(600))


def test_a_look_takes_nothing_and_leaves_nothing(run):
    assert not is_held(run)
    assert not run.parent.joinpath(LOCKS).exists()


def test_a_start_waits_for_one_that_only_asks_what_is_left(process, run, monkeypatch):
    monkeypatch.setattr(flocks, "PATIENCE", 30.0)
    other = process(HOLD.replace("time.sleep(60)", "time.sleep(0.5)"), run, 0)
    assert free(run)
    other.wait()


# A file system without locks


@pytest.fixture
def marker(run, monkeypatch):
    """marker(pid=1): what the marker of a run says of its process, besides what this process would say."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)

    def write(**changes):
        (run.parent / LOCKS).mkdir(exist_ok=True)
        path = run.parent / LOCKS / "run.owner"
        path.write_text(owners.as_text(owners.this_process()._replace(**changes)))
        return path

    return write


def test_a_process_with_the_number_of_a_dead_one_is_another(marker, run):
    marker(began="another time")
    assert not is_held(run)
    assert free(run)


@pytest.mark.parametrize("pid", [2**22 + 1, 2**31 - 1, 2**62])
def test_a_number_that_no_process_has_is_of_a_dead_one(marker, run, pid):
    marker(pid=pid)
    assert free(run)


def test_a_process_that_has_ended_and_was_not_waited_for_is_dead(marker, run):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    began = owners._began(child.pid)
    marker(pid=child.pid, began=began)
    assert not free(run)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert free(run)
    child.wait()


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"space": "another container"}])
def test_of_another_machine_it_says_what_to_do(marker, run, changes):
    path = marker(**changes)
    assert is_held(run)
    with pytest.raises(RunInUseError, match=rf"process {os.getpid()} on .* remove {path}"), alone_in(run):
        pass
    path.unlink()
    assert free(run)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": true}', "\0" * 10])
def test_a_torn_marker_counts_for_a_minute(marker, run, text):
    path = marker()
    path.write_text(text)
    assert not free(run)
    os.utime(path, (time.time() - 120,) * 2)
    assert free(run)


def test_a_marker_is_made_where_there_are_no_links(marker, run, monkeypatch):
    def link(*_, **__):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    with alone_in(run):
        assert not free(run)
    assert free(run)


def test_a_marker_counts_on_a_machine_with_locks_too(run):
    (run.parent / LOCKS).mkdir()
    path = run.parent / LOCKS / "run.owner"
    path.write_text(owners.as_text(owners.this_process()))
    assert is_held(run)
    assert not free(run)


# Folders that somebody removes meanwhile


def test_without_its_lock_file_a_run_is_still_held(process, run):
    run.mkdir()
    process(HOLD, run, 0)
    shutil.rmtree(run.parent / LOCKS)
    assert is_held(run)
    assert not free(run)


def test_without_locks_on_folders_the_lock_file_is_made_again(process, run, monkeypatch):
    """As on NFS."""
    run.mkdir()
    flock = fcntl.flock

    def of_files(descriptor, operation):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EBADF, "a folder")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", of_files)
    with alone_in(run) as hold:
        shutil.rmtree(run.parent / LOCKS)
        hold.check()
        assert is_held(run)
        assert not free(run)
        shutil.rmtree(run.parent / LOCKS)
        with alone_in(run), pytest.raises(RunLostError, match="nothing more is written"):
            hold.check()


@pytest.mark.parametrize("gone", ["removed", "replaced", "all replaced"])
def test_a_process_notices_that_its_folder_is_another(run, gone):
    run.mkdir()
    with alone_in(run) as hold:
        hold.check()
        run.rename(run.with_name("moved"))
        if gone != "removed":
            run.mkdir()
        if gone == "all replaced":
            shutil.rmtree(run.parent / LOCKS)
            with alone_in(run):
                pass
        with pytest.raises(RunLostError, match="removed or replaced"):
            hold.check()


def test_a_folder_that_is_made_later_is_held_too(run):
    with alone_in(run) as hold:
        run.mkdir()
        hold.cover()
        shutil.rmtree(run.parent / LOCKS)
        assert not free(run)


def test_a_run_folder_may_be_a_link(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    run.symlink_to(tmp_path / "elsewhere")
    with alone_in(run) as hold:
        hold.check()
        assert is_held(run)
    assert free(run)


# What somebody else may have put there


def test_a_lock_is_not_written_through_a_link(run, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("all that I have")
    (tmp_path / LOCKS).mkdir()
    (tmp_path / LOCKS / "run.lock").symlink_to(precious)
    assert not is_held(run)
    with pytest.raises(OSError), alone_in(run):  # noqa: PT011
        pass
    assert precious.read_text() == "all that I have"


def test_a_folder_of_locks_is_no_link(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / LOCKS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="must not be a link"), alone_in(run):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["run.lock", "run.owner"])
def test_a_pipe_keeps_nobody_waiting(run, name):
    (run.parent / LOCKS).mkdir()
    os.mkfifo(run.parent / LOCKS / name)
    started = time.monotonic()
    is_held(run)
    with pytest.raises((OSError, RunInUseError)), alone_in(run):
        pass
    assert time.monotonic() - started < 10
