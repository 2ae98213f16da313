"""Processes that do items: whatever becomes of them, and of the programme, what was had is kept."""

import os
import subprocess
import sys
import time

import cheap_items
import pytest
from cheap_items import HERE, programme, worker

from gpu import rows
from gpu.budget import Budget
from gpu.items import DONE, FAILED, LEFT_OUT, PASS, Answer, LeftOutError
from gpu.page import PAGE
from gpu.process import ItemError, TimeIsOverError, Worker, WorkerDiedError
from gpu.programme import RESULTS


@pytest.fixture
def at_work(tmp_path):
    made = worker(tmp_path)
    yield made
    made.close()


def asked(at_work, name, seconds=60.0):
    """What was had, and the error."""
    had = []
    try:
        for answer in at_work.ask(f"{HERE}:{name}", None, Budget.of(seconds)):
            had.append(answer)
    except Exception as error:
        return had, error
    return had, None


def test_one_process_does_one_item_after_another(at_work):
    first, second = (asked(at_work, "pid")[0] for _ in range(2))
    assert first == second
    assert first != [os.getpid()]


def test_an_error_is_told_in_one_line_and_the_process_goes_on(at_work, tmp_path):
    first = asked(at_work, "pid")
    had, error = asked(at_work, "raises")
    assert (had, type(error)) == ([Answer("before", PASS)], ItemError)
    assert str(error) == r"KeyError: 'no\nsuch thing'"
    assert asked(at_work, "pid") == first
    log = (tmp_path / "log.txt").read_text()
    assert "what it said" in log
    assert "Traceback" in log


def test_a_process_that_dies_is_told_of_and_another_one_takes_its_place(at_work):
    (first,), _ = asked(at_work, "pid")
    had, error = asked(at_work, "dies")
    assert (had, type(error)) == ([Answer("before", PASS)], WorkerDiedError)
    assert "status 3" in str(error)
    (second,), _ = asked(at_work, "pid")
    assert second != first


def test_after_an_error_that_breaks_the_device_for_it_a_process_is_replaced(at_work):
    (first,), _ = asked(at_work, "pid")
    had, error = asked(at_work, "breaks")
    assert (had, type(error)) == ([Answer("before", PASS)], ItemError)
    assert "device-side assert" in str(error)
    had, error = asked(at_work, "pid")
    assert error is None
    assert had != [first]


def test_an_item_that_hangs_is_ended_with_its_time(at_work):
    (first,), _ = asked(at_work, "pid")
    had, error = asked(at_work, "hangs", seconds=0.5)
    assert (had, type(error)) == ([Answer("before", PASS)], TimeIsOverError)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_what_cannot_be_done_here_is_no_error(at_work):
    assert [type(each) for each in asked(at_work, "lacks")] == [list, LeftOutError]


def test_without_the_device_whoever_asks_first_is_told(tmp_path):
    made = Worker("cuda", tmp_path / "log.txt", cheap_items.ENVIRONMENT, f"{HERE}:no_such_device")
    had, error = asked(made, "pid")
    made.close()
    assert (had, type(error), str(error)) == ([], ItemError, "ValueError: training.device=cuda needs one")


def test_a_kill_leaves_what_was_had_and_the_same_command_goes_on(tmp_path):
    """The programme's own process is killed, by a signal that nobody can handle."""
    at_work = subprocess.Popen(
        [sys.executable, cheap_items.__file__, str(tmp_path)],
        env=os.environ | cheap_items.ENVIRONMENT,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: any(row.result == "before" for row in rows.read(tmp_path / RESULTS)))
    at_work.kill()
    at_work.wait()
    left = {row.key[1:]: row.status for row in rows.read(tmp_path / RESULTS)}
    assert left == {("quick", "quick"): PASS, ("quick", ""): DONE, ("waits", "before"): PASS}
    assert "5 items: 1 done, 4 not reached yet." in (tmp_path / PAGE).read_text()
    wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))
    (tmp_path / "allowed").touch()
    again = programme(tmp_path)
    assert not again.run(Budget.of(60))
    ended = {row.item: row.status for row in again.rows if not row.result}
    assert ended == {"quick": DONE, "waits": DONE, "dies": FAILED, "raises": FAILED, "lacks": LEFT_OUT}
    assert sum(row.item == "quick" for row in rows.read(tmp_path / RESULTS)) == 2, "it is not done again"


def wait_for(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
