"""A process that dies at any call that changes the disk: the same command ends as if it had not.

A drawn sample of the calls of one run; `make torture` tries all of them, of several commands.
"""

import random
from collections import Counter

import pytest

from cl_bench.learner.seeds import derive
from cl_bench.runner.run import execute

from .crash_cases import alone, cases
from .crashing import problem_after, undisturbed

NUM_STOPS = 40
CALLS = {
    *("open", "write", "write, half of it", "fsync", "ftruncate", "chmod", "replace", "unlink", "mkdir"),
    "rmdir",
}


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """A case, the calls of its command, and what it leaves."""
    case = alone(tmp_path_factory.mktemp("crashes") / "results")
    execute(case.config, show_progress=False)  # imports what the children then have
    return case, *undisturbed(case)


def test_every_kind_of_call_is_seen(tried):
    _, stops, whole = tried
    assert Counter(map(str, stops)).keys() >= CALLS
    assert len(stops) > 150
    assert {name.rpartition("/")[2] for name in whole} >= {"run.json", "config.yaml", "records.csv"}


def test_at_40_calls_a_kill_changes_nothing_of_the_end(tried):
    case, stops, whole = tried
    drawn = random.Random(derive(0, "stops")).sample(range(len(stops)), NUM_STOPS)
    found = {n: problem_after(case, stop_at=n, whole=whole) for n in sorted(drawn)}
    assert {f"{n} {stops[n]}": what for n, what in found.items() if what} == {}


@pytest.mark.parametrize("what", ["two seeds at once", "a finished run is done again (`resume=false`)"])
def test_the_last_calls_of_other_commands_too(tmp_path, what):
    """When a run says that it is finished, and clears up."""
    case = cases(tmp_path)[what]()
    stops, whole = undisturbed(case)
    last = range(len(stops) - 24, len(stops), 6)
    assert [problem_after(case, stop_at=n, whole=whole) for n in last] == [""] * len(last)
