"""How the runs of a table were made: in one line, and each part of it by method."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cl_bench.analysis.labels import shown
from cl_bench.analysis.looks import natural_order
from cl_bench.analysis.tuning import DEFAULTS, NOT_RECORDED, tuning_of
from cl_bench.records.runs import Run
from cl_bench.records.text import counted, shortened

LONGEST = 60  # letters of one value in the line
MOST_SEEDS = 20  # that are listed
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Fact(NamedTuple):
    """One part of the protocol."""

    name: str
    line: str  # as it stands in the line, for all methods together
    values: list[tuple[str, list[str]]]  # each value, with the methods that have it


class Protocol(NamedTuple):
    """The line, and what is unfolded under it."""

    line: str
    facts: list[Fact]


def protocol(runs: Sequence[Run]) -> Protocol:
    """Describe the runs of one study and benchmark; the first run of a method speaks for it, but for its seeds.

    What run.json does not tell is left out.
    """
    by_method: dict[str, list[Run]] = {}
    for run in runs:
        by_method.setdefault(run.method, []).append(run)
    facts = [_fact(name, told, by_method) for name, told in _TOLD.items()]
    facts += [_seeds(by_method), _tuning(by_method)]
    facts = [fact for fact in facts if fact.line]
    return Protocol(" · ".join(fact.line for fact in facts), facts)


def _fact(name: str, told: Callable[[Run], str], by_method: Mapping[str, Sequence[Run]]) -> Fact:
    values = _by_value({method: told(runs[0]) for method, runs in by_method.items()})
    return Fact(name, _together([value for value, _ in values], name), values)


def _by_value(told: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Each value that is no empty text, with its methods."""
    methods: dict[str, list[str]] = {}
    for method, value in told.items():
        if value:
            methods.setdefault(value, []).append(method)
    return sorted(methods.items(), key=lambda item: natural_order(item[0]))


def _together(values: Sequence[str], name: str) -> str:
    """`5 to 100 epochs` where the values differ in one number, `a or b` where there are two, else how many."""
    if len(values) < 2:
        return "".join(values)
    numbers = [_NUMBER.findall(value) for value in values]
    if all(len(each) == 1 for each in numbers) and len({_NUMBER.sub("", value) for value in values}) == 1:
        least, most = (f(map(float, (each for (each,) in numbers))) for f in (min, max))
        return _NUMBER.sub(f"{least:g} to {most:g}", values[0])
    return " or ".join(values) if len(values) == 2 else f"{len(values)} kinds of {name}"


def _setting(run: Run, key: str) -> str:
    value = run.settings.get(key)
    return "" if value is None else shortened(shown(value), LONGEST)


def _scenario(run: Run) -> str:
    return run.scenario if not run.scenario or "-" in run.scenario else f"{run.scenario}-incremental"


def _tasks(run: Run) -> str:
    if not run.num_tasks:
        return ""
    return counted(run.num_tasks, "task") + (f", the last {run.test_last} tested" if run.test_last else "")


def _network(run: Run) -> str:
    """The name, then what says how large it is: `mlp 100-100`."""
    sizes = [_setting(run, f"model.{key}") for key in ("channels", "width", "hidden")]
    plain = ["-".join(size.strip("[]").split(", ")) for size in sizes if size]
    return " ".join([_setting(run, "model.name"), *plain]).strip()


def _steps(run: Run) -> str:
    iterations, epochs = _setting(run, "training.iterations"), _setting(run, "training.epochs")
    if iterations:
        return f"{iterations} iterations"
    return f"{epochs} epoch{'s' * (epochs != '1')}" if epochs else ""


def _batches(run: Run) -> str:
    size = _setting(run, "training.batch_size")
    return f"batch {size}" if size else ""


def _learning_rate(run: Run) -> str:
    rate = _setting(run, "training.learning_rate")
    return f"lr {rate}" if rate else ""


def _schedule(run: Run) -> str:
    schedule = _setting(run, "training.schedule")
    return "" if schedule == "constant" else schedule


def _scored_on(run: Run) -> str:
    return "scored on validation images" if _setting(run, "training.test_on") == "validation" else ""


_TOLD: dict[str, Callable[[Run], str]] = {
    "data": lambda run: _setting(run, "benchmark.dataset.name"),
    "scenario": _scenario,
    "tasks": _tasks,
    "network": _network,
    "training": _steps,
    "batches": _batches,
    "optimizer": lambda run: _setting(run, "training.optimizer"),
    "learning rate": _learning_rate,
    "schedule": _schedule,
    "scores": _scored_on,
}


def _seeds(by_method: Mapping[str, Sequence[Run]]) -> Fact:
    found = {
        method: sorted({run.seed for run in runs if run.seed is not None})
        for method, runs in by_method.items()
    }
    listed = {method: _listed(seeds) for method, seeds in found.items()}
    numbers = sorted({len(seeds) for seeds in found.values() if seeds})
    line = "".join(counted(number, "seed") for number in numbers[-1:])
    if len(numbers) > 1:
        line = f"{numbers[0]} to {line}"
    return Fact("seeds", line, _by_value(listed))


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:MOST_SEEDS])) + (", …" if len(seeds) > MOST_SEEDS else "")


def _tuning(by_method: Mapping[str, Sequence[Run]]) -> Fact:
    """How many methods were tuned and how; where run.json has it, on which streams."""
    short, long = {}, {}
    for method, runs in by_method.items():
        tuning, note = tuning_of(runs[0].about)
        how = note.partition("; ")[0].partition(": ")[2]
        short[method] = tuning + (f" ({how})" if how else "") if tuning != NOT_RECORDED else "?"
        long[method] = tuning + (f" ({note}{_streams(runs[0].about)})" if note else "")
    groups: dict[str, int] = {}
    for told in sorted(short.values(), key=lambda told: (told == DEFAULTS, told)):
        groups[told] = groups.get(told, 0) + 1
    if set(groups) == {"?"}:
        line = f"tuning {NOT_RECORDED}"
    elif len(groups) == 1:
        line = next(iter(groups))
    else:
        parts = [f"{number} {'tuning ' + NOT_RECORDED if told == '?' else told}" for told, number in groups.items()]
        line = f"of {len(short)} methods {', '.join(parts)}"
    return Fact("tuning", line, _by_value(long))


def _streams(about: Mapping[str, Any]) -> str:
    told = about.get("tuned_by")
    seeds = told.get("seeds") if isinstance(told, dict) else None
    if not isinstance(seeds, list) or not seeds:
        return ""
    listed = ", ".join(shortened(seed, 20) for seed in seeds[:MOST_SEEDS])
    return f"; on the stream{'s' * (len(seeds) > 1)} of seed {listed}"
