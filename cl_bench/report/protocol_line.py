"""How the runs of a table were made: in one line, and each part of it by method."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cl_bench.analysis.labels import shown
from cl_bench.analysis.looks import natural_order
from cl_bench.analysis.tuning import NOT_RECORDED, NOT_TUNED, Tuning, tuning_of
from cl_bench.records.runs import Run
from cl_bench.records.text import counted, shortened

LONGEST = 60  # letters of one value
MOST_OR = 20  # letters of two values in the line
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
    """Describe the runs of one study and benchmark. The first run of a method speaks for its other seeds.

    What run.json does not tell is left out.
    """
    by_method: dict[str, list[Run]] = {}
    for run in runs:
        by_method.setdefault(run.method, []).append(run)
    facts = [_fact(name, told, by_method) for name, told in _TOLD.items()]
    facts += [_seeds(by_method), _tuning(by_method)]
    line = " · ".join(fact.line for fact in facts if fact.line)
    return Protocol(line, [fact for fact in facts if fact.values])


def _fact(name: str, told: Callable[[Run], str], by_method: Mapping[str, Sequence[Run]]) -> Fact:
    values = _by_value({method: told(runs[0]) for method, runs in by_method.items()})
    found = [value for value, _ in values]
    return Fact(name, "" if found == [_USUAL.get(name)] else _together(found, name), values)


def _by_value(told: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Each value that is no empty text, with its methods."""
    methods: dict[str, list[str]] = {}
    for method, value in told.items():
        if value:
            methods.setdefault(value, []).append(method)
    return sorted(methods.items(), key=lambda item: natural_order(item[0]))


def _together(values: Sequence[str], name: str) -> str:
    """Join values in natural order: `5 to 100 epochs`, `batch or layer`, or how many there are."""
    if len(values) < 2:
        return "".join(values)
    numbers = [_NUMBER.findall(value) for value in values]
    words = {_NUMBER.sub("", value).rstrip("s") for value in values}  # 1 epoch, 5 epochs
    if len(words) == 1 and all(len(each) == 1 for each in numbers):
        texts = [text for (text,) in numbers]
        return _NUMBER.sub(f"{min(texts, key=float)} to {max(texts, key=float)}", values[-1])
    short = " or ".join(values)
    return short if len(values) == 2 and len(short) < MOST_OR else f"{len(values)} {name}s"


def _setting(run: Run, key: str) -> str:
    value = run.settings.get(key)
    return "" if value is None else shortened(shown(value), LONGEST)


def _scenario(run: Run) -> str:
    return run.scenario if not run.scenario or "-" in run.scenario else f"{run.scenario}-incremental"


def _tasks(run: Run) -> str:
    if not run.num_tasks:
        return ""
    return counted(run.num_tasks, "task") + (f" (last {run.test_last} tested)" if run.test_last else "")


def _network(run: Run) -> str:
    """The name, then what says how large it is: `mlp 100-100`."""
    sizes = [_setting(run, f"model.{key}") for key in ("channels", "width", "hidden")]
    plain = ["-".join(size.strip("[]").split(", ")) for size in sizes if size]
    return " ".join([_setting(run, "model.name"), *plain]).strip()


def _steps(run: Run) -> str:
    iterations, epochs = _setting(run, "training.iterations"), _setting(run, "training.epochs")
    if iterations:
        return f"{iterations} iterations"
    most = f"{epochs} epoch{'s' * (epochs != '1')}" if epochs else ""
    patience = _setting(run, "training.patience")
    return f"at most {most} (patience {patience})" if patience else most


def _batches(run: Run) -> str:
    size = _setting(run, "training.batch_size")
    return f"batch {size}" if size else ""


def _optimizer(run: Run) -> str:
    told = [_setting(run, "training.optimizer")]
    for key, word in _OF_THE_OPTIMIZER.items():
        value = _setting(run, f"training.{key}")
        told += [f"{word} {value}"] if value not in _OFF else []
    return " ".join(told).strip()


def _scored_on(run: Run) -> str:
    told = _setting(run, "training.test_on")
    return f"scored on {told} images" if told else ""


_OF_THE_OPTIMIZER = {
    "learning_rate": "lr",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "clip_norm": "clip",
    "warm_up": "warm-up",
    "label_smoothing": "label smoothing",
}
_OFF = ("", "0")  # as a report writes that a setting is not used

_TOLD: dict[str, Callable[[Run], str]] = {
    "data set": lambda run: _setting(run, "benchmark.dataset.name"),
    "scenario": _scenario,
    "stream": _tasks,
    "network": _network,
    "length": _steps,
    "batch size": _batches,
    "optimizer": _optimizer,
    "schedule": lambda run: _setting(run, "training.schedule"),
    "test": _scored_on,
}
_USUAL = {"schedule": "constant", "test": "scored on test images"}  # what is not worth a word in the line


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


def _listed(seeds: Sequence[Any]) -> str:
    return ", ".join(map(str, seeds[:MOST_SEEDS])) + (", …" if len(seeds) > MOST_SEEDS else "")


def _tuning(by_method: Mapping[str, Sequence[Run]]) -> Fact:
    """How many methods were tuned and how; where run.json has it, on which streams."""
    told = {method: tuning_of(runs[0].about) for method, runs in by_method.items()}
    about = {method: runs[0].about for method, runs in by_method.items()}
    values = {method: _at_length(each, about[method]) for method, each in told.items()}
    numbers = Counter(_in_short(each, about[method]) for method, each in told.items())
    ordered = sorted(numbers.items(), key=lambda item: (item[0] in _UNTUNED.values(), item[0]))
    if len(ordered) > 1:
        line = ", ".join(f"{number} {how}" for how, number in ordered)
    else:
        line = "".join(how if how in _UNTUNED.values() else f"all {how}" for how, _ in ordered)
    return Fact("tuning", line, _by_value(values))


_UNTUNED = {NOT_TUNED: NOT_TUNED, NOT_RECORDED: f"tuning {NOT_RECORDED}"}


def _in_short(told: Tuning, about: Mapping[str, Any]) -> str:
    """The kind, and how it was searched where that is recorded: `tuned (random, 16 trials, 2 streams)`."""
    how = told.tuning_note.partition("; ")[0].partition(": ")[2]
    seeds = _streams(about)
    parts = [how] if how and not how.endswith(NOT_RECORDED) else []
    parts += [counted(len(seeds), "stream")] if seeds else []
    return _UNTUNED.get(told.tuning, told.tuning) + (f" ({', '.join(parts)})" if parts else "")


def _at_length(told: Tuning, about: Mapping[str, Any]) -> str:
    """The kind, the file, the search, what is set otherwise, and the seeds of the streams."""
    seeds = _streams(about)
    streams = f"on the stream{'s' * (len(seeds) > 1)} of seed {_listed(seeds)}" if seeds else ""
    note = "; ".join(filter(None, [told.tuning_note, streams]))
    return told.tuning + (f" ({note})" if note else "")


def _streams(about: Mapping[str, Any]) -> list[str]:
    """The seeds of the streams that the settings were searched on."""
    told = about.get("tuned_by")
    seeds = told.get("seeds") if isinstance(told, dict) else None
    return [shortened(seed, 20) for seed in seeds] if isinstance(seeds, list) else []
