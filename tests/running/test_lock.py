"""Two processes never write into one run folder."""

import signal
import subprocess
import sys
import time

import pytest

from cl_bench.running.lock import RunInUseError, alone_in

HOLD = """
import sys, time
from pathlib import Path
from cl_bench.running.lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of tmp_path / "run"."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_who_is_there(other, tmp_path):
    with (
        pytest.raises(RunInUseError, match=rf"run, which process {other.pid} on .+ is running"),
        alone_in(tmp_path / "run"),
    ):
        pass


def test_the_lock_of_a_process_that_was_killed_is_free(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    started = time.monotonic()
    with alone_in(tmp_path / "run"):
        assert time.monotonic() - started < 5


def test_it_is_free_again_afterwards_and_each_folder_has_its_own(tmp_path):
    with alone_in(tmp_path / "run"), alone_in(tmp_path / "other"):
        pass
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path / "run"):
        _ = 1 / 0
    with alone_in(tmp_path / "run"):
        pass
