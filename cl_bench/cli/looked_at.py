"""A run folder before it is copied or packed: is every file of it whole, and is all that is in it a run's?"""

import os
from pathlib import Path

from cl_bench.records.atomic import UNFINISHED
from cl_bench.records.protocol import num_tests, tasks_tested
from cl_bench.records.rows import FILES
from cl_bench.records.run_files import rows_of_run
from cl_bench.records.runs import Run, read_run
from cl_bench.records.saved import FOLDER, METRICS, PREVIOUS
from cl_bench.runner.run_folder import CHECKPOINTS, CONFIG, LOG, SUMMARY

TRACKED = ("tensorboard", "wandb", "wandb_id.txt", "mlflow_id.txt")  # of trackers
NEVER_PACKED = (FOLDER, METRICS)  # beside rows; a compact study has none of them
OF_A_RUN = {
    *(PREVIOUS, *NEVER_PACKED),
    *(SUMMARY, CONFIG, LOG, CHECKPOINTS, *FILES.values()),
    *TRACKED,
}


def looked_at(folder: Path) -> Run:
    """A run that is broken where any of its files is: also one that the tables do not need."""
    run = read_run(folder)
    if run.status == "broken":
        return run
    for kind, name in FILES.items():
        try:
            rows_of_run(folder, kind)
        except FileNotFoundError:
            if not os.path.lexists(folder / name):
                continue  # not every run has all of them
            return run._replace(status="broken", error=f"{name} is a link to nothing")
        except (OSError, ValueError) as error:
            return run._replace(status="broken", error=str(error))
    if run.status == "finished":
        # of a run of old the untrained network was not tested
        tests = {(each.after_task, each.on_task) for each in run.records if each.after_task}
        num_tasks, last = run.num_tasks, run.test_last
        first = tasks_tested(0, num_tasks=num_tasks, test_last=last)
        wanted = num_tests(num_tasks=num_tasks, test_last=last, all_at_end=run.test_all_at_end) - len(first)
        if len(tests) < wanted:
            return run._replace(status="broken", error=f"finished with {len(tests)} of {wanted} tests")
    return run


def not_of_a_run(target: Path) -> str:
    """Why an unfinished run must not be replaced; empty where it may be."""
    if target.is_symlink():
        return "it is a link"
    others = sorted(
        path.name
        for path in target.iterdir()
        if path.name.replace(".previous.", ".") not in OF_A_RUN and not path.name.endswith(UNFINISHED)
    )
    return f"it has {', '.join(others[:3])}, which no run writes" if others else ""
