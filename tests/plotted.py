"""Whole results, for the tests of figures."""

import runpy
from pathlib import Path

from cl_bench.report.figure_parts import parts_of_kinds

HERE = Path(__file__).parent
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
measure = runpy.run_path(str(HERE / "figures" / "full_runs.py"))["measure"]


def full_run(folder, *, seed=0, num_tasks=3, diverged=False, posterior=True, **settings):
    run = write_run(folder, seed=seed, num_tasks=num_tasks, **settings)
    return measure(run, seed=seed, num_tasks=num_tasks, diverged=diverged, posterior=posterior)


def parts(results, kind, *, together):
    return parts_of_kinds(results, [kind], together=together)[kind]
