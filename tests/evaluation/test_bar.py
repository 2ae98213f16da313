"""The bar's own arithmetic, without a terminal."""

import io
import re

import pytest

from cl_bench.evaluation import terminal
from cl_bench.evaluation.terminal import Bar


@pytest.fixture
def clock(monkeypatch):
    """now[0] is the time."""
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def left(bar):
    """What the bar says of the time left."""
    found = re.search(r"<([\d:]+)", bar._bar.bar_format)
    return found and found[1]


def test_the_time_left_is_that_of_the_rest_at_the_speed_so_far(clock):
    bar = Bar(total=10, label="a run", hidden=False)
    bar.show(0)
    clock[0] = 1.0
    bar.show(1)
    assert left(bar) is None  # too early
    clock[0] = 30.0
    bar.show(3)
    bar.show(3)
    assert left(bar) == "01:10"
    bar.close()


def test_what_was_done_before_tells_nothing_of_the_time_left(clock):
    bar = Bar(total=12, label="a sweep", hidden=False)
    bar.show(0)
    clock[0] = 5.0
    bar.show(9, free=9)
    bar.show(9, free=9)
    assert left(bar) is None
    clock[0] = 25.0
    bar.show(10, free=9)
    bar.show(10, free=9)
    assert left(bar) == "00:50"
    bar.close()


def test_a_note_with_braces_is_shown_as_it_is(capsys):
    bar = Bar(total=1, label="a run", hidden=False)
    bar.show(1, "{n} of {total} {}")
    bar.close()
    assert "{n} of {total} {}" in capsys.readouterr().err


def test_nothing_is_written_where_there_is_no_terminal(capsys):
    bar = Bar(total=1, label="a run")
    bar.show(1, "done")
    bar.close()
    with terminal.busy("working"):
        pass
    assert capsys.readouterr() == ("", "")


class OutStream(io.StringIO):
    """The standard error of a notebook's kernel: no terminal, and shown below the cell."""


@pytest.mark.parametrize(("module", "shown"), [("ipykernel.iostream", True), ("somebody.streams", False)])
def test_a_notebook_shows_the_bar(monkeypatch, module, shown):
    stream = OutStream()
    monkeypatch.setattr(OutStream, "__module__", module)
    monkeypatch.setattr(terminal.sys, "stderr", stream)
    bar = Bar(total=2, label="a run")
    bar.show(2, "task 2")
    bar.close()
    assert ("task 2" in stream.getvalue()) is shown


def test_a_closed_standard_error_is_not_looked_at(monkeypatch):
    stream = OutStream()
    stream.close()
    for each in (stream, None):
        monkeypatch.setattr(terminal.sys, "stderr", each)
        assert not terminal.is_looked_at()
