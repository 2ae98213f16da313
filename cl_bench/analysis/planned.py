"""What a sweep was to run and has not: its plan, `sweep.json` beside the runs, against the runs there are."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice, product
from pathlib import Path

from cl_bench.analysis.folders import Run
from cl_bench.analysis.labels import shown
from cl_bench.files import read_json
from cl_bench.text import one_line

FILE = "sweep.json"  # in the folder of a study, written when its last sweep began
LEFT_OUT = "left_out"  # in it: combinations that cannot run, each as setting -> values
MOST_RUNS = 10**6  # of a sweep; a plan of more is no plan
MOST = 20  # missing runs that are named


def missing(runs: Sequence[Run]) -> list[str]:
    """A sentence for each study whose last sweep has runs that were not even begun."""
    notes = []
    for folder, study in {run.path.parent: run.study for run in runs}.items():
        plan, left_out = read_plan(folder), read_left_out(folder)
        here = [run for run in runs if run.path.parent == folder and run.status != "broken"]
        several = [key for key, values in plan.items() if len(values) > 1]
        if not plan or not all(any(_told(run, key) for run in here) for key in several):
            continue  # nothing planned, or runs that do not tell which of the plan they are
        found = {_place(run, plan) for run in here}
        combinations = [
            each
            for each in product(*plan.values())
            if not _is_left_out(dict(zip(plan, each, strict=True)), left_out)
        ]
        absent = [each for each in combinations if each not in found]
        if absent:
            total = len(combinations)
            names = [
                " ".join(f"{key}={value}" for key, value in zip(plan, each, strict=True) if key in several)
                for each in islice(absent, MOST)
            ]
            more = f" and {len(absent) - MOST} more" if len(absent) > MOST else ""
            said = f": {'; '.join(filter(None, names))}{more}" if several else ""
            which, have = ("the one run", "has") if total == 1 else (f"{len(absent)} of {total} runs", "have")
            notes.append(one_line(f"{study}: {which} of the last sweep {have} not begun{said}."))
    return notes


def unreadable(runs: Sequence[Run]) -> list[str]:
    """A sentence for each plan that cannot be read."""
    notes = []
    for folder in dict.fromkeys(run.path.parent for run in runs):
        try:
            _plan(folder)
        except FileNotFoundError:
            pass  # no sweep
        except (OSError, ValueError):
            notes.append(f"{folder / FILE} is no plan of a sweep: which runs are missing is not known.")
    return notes


def read_plan(folder: Path) -> dict[str, list[str]]:
    """Setting -> its values in the sweep; empty where there is no plan, or none that can be read."""
    try:
        return _plan(folder)
    except (OSError, ValueError):
        return {}


def _plan(folder: Path) -> dict[str, list[str]]:
    plan = read_json(folder / FILE)
    if isinstance(plan, dict):
        plan.pop(LEFT_OUT, None)
    if not isinstance(plan, dict) or not all(isinstance(values, list) for values in plan.values()):
        raise ValueError("a plan must have a list of values for each setting")
    if not 0 < math.prod(map(len, plan.values())) <= MOST_RUNS:
        raise ValueError(f"a plan must have from 1 to {MOST_RUNS} runs")
    return {str(key): [str(value) for value in values] for key, values in plan.items()}


def read_left_out(folder: Path) -> list[dict[str, list[str]]]:
    """What of the plan was never to run: a combination is left out that has one of the values of each
    setting of an entry.
    """
    try:
        return [
            {str(key): [str(value) for value in values] for key, values in entry.items()}
            for entry in read_json(folder / FILE).get(LEFT_OUT, [])
        ]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _is_left_out(combination: Mapping[str, str], left_out: Sequence[Mapping[str, Sequence[str]]]) -> bool:
    return any(all(combination.get(key) in values for key, values in entry.items()) for entry in left_out)


def _place(run: Run, plan: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The run's point in the plan; where that has one value only, the run has it."""
    return tuple(_value(run, key, values) if len(values) > 1 else values[0] for key, values in plan.items())


def _value(run: Run, key: str, values: Sequence[str]) -> str:
    mine = _told(run, key)
    same = [value for value in values if _same(value, mine)]
    # benchmark=permuted is called permuted_mnist
    same += [value for value in values if f"{key}.name" in run.settings and mine.startswith(f"{value}_")]
    return same[0] if same else mine


def _told(run: Run, key: str) -> str:
    """The value of a setting, or the name of the choice of a group; empty where the run has none."""
    dotted = key.replace("/", ".")
    return next(
        (shown(run.settings[name]) for name in (dotted, f"{dotted}.name") if name in run.settings), ""
    )


def _same(planned: str, mine: str) -> bool:
    """Whether two texts are the same value: 1e-3 and 0.001 are, null and None too."""
    if planned.strip("'\"") == mine or (planned == "null" and mine == "None"):
        return True
    if planned in ("true", "false"):
        return planned == mine.lower()
    try:
        return float(planned) == float(mine)
    except ValueError:
        return planned.replace(" ", "") == mine.replace(" ", "").replace("'", "")
