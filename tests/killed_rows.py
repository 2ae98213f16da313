"""A run whose process is killed, as its rows see it, for the tests of trackers."""

import math

from cl_bench.records.rows import Probe, Record, State
from cl_bench.runner.run_folder import RunFolder
from cl_bench.runner.tracking import tracked


def steps_of_a_task(task):
    """What a run writes of it, with two probes in its midst."""
    probes = [Probe(0, task, 10 * task + step, 1, 0.1 * task, 0.5, 50) for step in (1, 2)] if task else []
    tests = [Record(0, task, on, 0.1 * task, 0.5, 100) for on in (1, 2)]
    return [*probes, *tests, State(0, task, math.nan, 0.25, 64, 32, 1.5, 10, math.nan)]


def killed_and_gone_on(config, *, goes_on=True):
    """Tasks 0 to 2 in a process that is killed, with a checkpoint after task 1; then from there to task 3.
    Returns the run's folder after the first try, and a function that does the second.
    """
    first, second = RunFolder(config), RunFolder(config)
    first.open()
    sizes = {}
    with tracked(first):
        for task in range(3):
            for row in steps_of_a_task(task):
                first.append(row)
            if task == 1:
                sizes = {path.name: path.stat().st_size for path in first.path.glob("*.csv")}

    def go_on():
        second.open()
        with tracked(second):
            if goes_on:
                second.go_on(sizes, (0.0, 0.0), resumed="after task 1")
            else:
                second.begin()
            for task in range(2 if goes_on else 0, 4):
                for row in steps_of_a_task(task):
                    second.append(row)

    return first.path, go_on
