"""What a sweep was to run and has not: its plan, `sweep.json` beside the runs, against the runs there are."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

from cl_bench.analysis.labels import shown
from cl_bench.records.atomic import read_json
from cl_bench.records.runs import Run
from cl_bench.records.text import one_line

FILE = "sweep.json"  # in the folder of a study, written when its last sweep began
LEFT_OUT = "left_out"  # in it: combinations that cannot run, each as setting -> values
MOST_RUNS = 10**6  # of a sweep; a plan of more is no plan
MOST_LEFT_OUT = 10**6  # points of a plan that its entries may cover, each with all that it hangs on
MOST = 20  # missing runs that are named


class Missing(NamedTuple):
    """What of a study's last sweep was not even begun.

    >>> Missing("few: 1 of 2 runs of the last sweep have not begun: seed=1.", number=1).number
    1
    """

    note: str  # a sentence
    number: int  # of runs; 0 where it is not known


def missing(runs: Sequence[Run]) -> list[Missing]:
    """Find what of the last sweep of each study was not even begun.

    Args:
        runs: those that were read; the plan of a sweep is beside them.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder)
    ...     _ = (path / "sweep.json").write_text('{"strategy": ["ewc", "si"]}')
    ...     settings = {"strategy.name": "ewc"}
    ...     missing([Run(path / "a", "few", status="failed", settings=settings)])
    [Missing(note='few: 1 of 2 runs of the last sweep have not begun: strategy=si.', number=1)]
    """
    absent = []
    here: dict[Path, list[Run]] = defaultdict(list)
    for run in runs:
        if run.status != "broken":
            here[run.path.parent].append(run)
    for folder, study in {run.path.parent: run.study for run in runs}.items():
        plan, left_out = read_plan(folder), read_left_out(folder)
        several = {key: values for key, values in plan.items() if len(values) > 1}
        if not plan or not all(any(_told(run, key) for run in here[folder]) for key in several):
            continue  # nothing planned, or runs that do not tell which of the plan they are
        try:
            never = _Never(plan, left_out)
        except ValueError as error:
            said = f"{study}: which runs of the last sweep have not begun is not known: {error}."
            absent.append(Missing(said, 0))
            continue
        found = _places(here[folder], several)
        total = math.prod(map(len, several.values())) - never.number
        number = total - sum(not never.holds(place) for place in found)
        if number:
            combinations = product(*several.values())  # of which only the first are looked at
            points = (each for each in combinations if each not in found and not never.holds(each))
            names = [
                " ".join(f"{key}={value}" for key, value in zip(several, each, strict=True))
                for each in islice(points, MOST)
            ]
            more = f" and {number - MOST} more" if number > MOST else ""
            said = f": {'; '.join(names)}{more}" if several else ""
            which, have = ("the one run", "has") if total == 1 else (f"{number} of {total} runs", "have")
            note = one_line(f"{study}: {which} of the last sweep {have} not begun{said}.")
            absent.append(Missing(note, number))
    return absent


class _Never:
    """Counts the points of a plan that were never to run, over the settings that this hangs on."""

    def __init__(self, plan: Mapping[str, Sequence[str]], left_out: Sequence[Mapping[str, Sequence[str]]]):
        several = [key for key, values in plan.items() if len(values) > 1]
        one = {key: values[0] for key, values in plan.items() if len(values) == 1}
        known = {key: set(values) for key, values in plan.items()}
        entries = [
            {key: list(known[key].intersection(values)) for key, values in entry.items()}
            for entry in left_out
            if all(key in plan for key in entry)
        ]
        entries = [entry for entry in entries if all(one[key] in entry[key] for key in entry if key in one)]
        keys = [key for key in several if any(key in entry for entry in entries)]
        covered = [[entry.get(key, plan[key]) for key in keys] for entry in entries]
        if sum(math.prod(map(len, each)) for each in covered) > MOST_LEFT_OUT:
            raise ValueError("what the plan leaves out is more than anybody does")
        self._where = [several.index(key) for key in keys]
        self._combinations = {point for each in covered for point in product(*each)}
        others = math.prod(len(plan[key]) for key in several if key not in keys)
        self.number = len(self._combinations) * others

    def holds(self, place: Sequence[str]) -> bool:
        """Whether this point, a value for each setting of several, was never to run."""
        return tuple(place[index] for index in self._where) in self._combinations


def unreadable(runs: Sequence[Run]) -> list[str]:
    """A sentence for each plan of a sweep that cannot be read.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "sweep.json").write_text("cut sho")
    ...     (note,) = unreadable([Run(Path(folder) / "a", "few")])
    >>> note.partition("sweep.json ")[2]
    'is no plan of a sweep: which runs are missing is not known.'
    """
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
    """The values that the last sweep gives each setting; empty without a plan that can be read.

    Args:
        folder: that of the study.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder)
    ...     _ = (path / "sweep.json").write_text('{"strategy": ["ewc", "si"]}')
    ...     read_plan(path)
    {'strategy': ['ewc', 'si']}
    """
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
    found = {str(key): list(dict.fromkeys(map(str, values))) for key, values in plan.items()}
    if not 0 < math.prod(map(len, found.values())) <= MOST_RUNS:
        raise ValueError(f"a plan must have from 1 to {MOST_RUNS:,} runs")
    return found


def read_left_out(folder: Path) -> list[dict[str, list[str]]]:
    """What of the plan of a sweep was never to run.

    A combination is left out that has one of the values of each setting of an entry.

    Args:
        folder: that of the study.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> text = '{"strategy": ["mas", "si"], "left_out": [{"strategy": ["mas"]}]}'
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "sweep.json").write_text(text)
    ...     read_left_out(Path(folder))
    [{'strategy': ['mas']}]
    """
    try:
        entries = read_json(folder / FILE).get(LEFT_OUT, [])
        return [
            {str(key): [str(value) for value in values] for key, values in entry.items()} for entry in entries
        ]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _places(runs: Sequence[Run], plan: Mapping[str, Sequence[str]]) -> set[tuple[str, ...]]:
    """The points of the plan that there are runs for, by the settings that have several values."""
    values = {key: _Values(key, each) for key, each in plan.items()}
    places = (tuple(each.of(run) for each in values.values()) for run in runs)
    return {tuple(map(str, place)) for place in places if None not in place}


class _Values:
    """The planned values of a setting, by all the ways in which a run may write them: 1e-3 is 0.001."""

    def __init__(self, key: str, values: Sequence[str]) -> None:
        self._key, self._values = key, values
        self._written: dict[str | float, str] = {}
        for value in values:
            forms: list[str | float] = [value.strip("'\""), value.replace(" ", "")]
            with suppress(ValueError):
                forms.append(float(value))
            for form in forms:
                self._written.setdefault(form, value)
        self._known: dict[tuple[str, bool], str | None] = {}

    def of(self, run: Run) -> str | None:
        """The value that the run has; None where it has another."""
        told = _told(run, self._key), f"{self._key}.name" in run.settings
        if told not in self._known:
            self._known[told] = self._found(*told)
        return self._known[told]

    def _found(self, told: str, named: bool) -> str | None:
        forms: list[str | float] = [told, told.replace(" ", "").replace("'", "")]
        with suppress(ValueError):
            forms.append(float(told))
        for form in forms:
            if form in self._written:
                return self._written[form]
        # benchmark=permuted is called permuted_mnist
        return next((value for value in self._values if named and told.startswith(f"{value}_")), None)


def _told(run: Run, key: str) -> str:
    """The value of a setting, or the name of the choice of a group; empty where the run has none."""
    dotted = key.replace("/", ".")
    return next(
        (shown(run.settings[name]) for name in (dotted, f"{dotted}.name") if name in run.settings), ""
    )
