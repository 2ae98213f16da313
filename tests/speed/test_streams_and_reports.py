"""What the long stream and the synthetic runs are made of."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from cl_bench.analysis.results import Results
from cl_bench.records.errors import NotMeasuredError
from cl_bench.records.runs import read_runs
from cl_bench.report.figure_kinds import KINDS
from cl_bench.report.plot import drawings
from speed.long_stream import flatness
from speed.made_up import write_measured_runs, write_runs
from speed.memory import MIB
from speed.rows import measured
from speed.table import LINES
from speed.task_clock import TaskClock, TaskStart, read_task_starts


def starts(num_tasks, *, late_seconds, late_mib):
    """A second a task and 100 MiB; the last three tasks otherwise."""
    made, now = [], 10.0
    for number in range(num_tasks):
        late = number >= num_tasks - 4
        made.append(TaskStart(now, (late_mib if late else 100) * MIB))
        now += late_seconds if late else 1.0
    return made


def test_a_stream_that_gets_slower_or_larger_is_not_flat():
    lines = {line.name: line for line in LINES}
    for late_seconds, late_mib, reached in ((1.0, 100, "yes"), (1.05, 109, "yes"), (1.2, 120, "no")):
        found = flatness(starts(30, late_seconds=late_seconds, late_mib=late_mib), late=3)
        time, memory = (
            measured(lines[f"long_stream_{what}"], "cpu", found[f"long_stream_{what}"])
            for what in ("time", "memory")
        )
        assert time.ratio == pytest.approx(late_seconds)
        assert memory.ratio == pytest.approx(late_mib / 100)
        assert (time.reached, memory.reached) == (reached, reached)
        assert memory.seconds is None


def test_a_stream_too_short_to_compare_is_an_error():
    with pytest.raises(ValueError, match="must have more than 13 tasks, got 13"):
        flatness(starts(13, late_seconds=1, late_mib=100), late=3)


def test_the_clock_of_tasks_notes_when_each_begins(tmp_path):
    clock = TaskClock(path=str(tmp_path / "tasks.csv"))
    for _ in range(3):
        clock.before_training_exp(SimpleNamespace())
    found = read_task_starts(tmp_path / "tasks.csv")
    assert len(found) == 3
    assert [start.seconds for start in found] == sorted(start.seconds for start in found)
    assert all(start.resident_bytes > MIB for start in found)


def test_the_made_up_runs_are_whole(tmp_path):
    number = write_runs(tmp_path, num_seeds=2, num_tasks=3, settings={"training.epochs": 1})
    runs = read_runs(tmp_path)
    assert number == len(runs) == 20
    assert {run.status for run in runs} == {"finished"}
    assert all(len(run.records) == 4 * 3 for run in runs)


def test_the_measured_runs_have_numbers_for_every_kind_of_figure(tmp_path):
    settings = {"seed_for.init": None, "seed_for.order": None}
    assert write_measured_runs(tmp_path, num_seeds=2, num_tasks=2, settings=settings) == 84
    results = Results.read(tmp_path)
    planned = drawings(results, KINDS, folder=tmp_path)
    made = set()
    for drawing in planned:
        with suppress(NotMeasuredError):  # parts of the seed, of two benchmarks
            drawing.make(**drawing.arguments)
            made.add(drawing.make.__name__)
    assert made == set(KINDS) - {"confusion"}, "which is of saved predictions, and not of rows"
    assert not results.damaged
