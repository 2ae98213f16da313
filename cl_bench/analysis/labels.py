"""What a method is called in tables and figures: its strategy, then the settings that set variants apart."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from cl_bench.records.identity import LATER, is_incidental
from cl_bench.records.protocol import MEASURED, TEST_LAST
from cl_bench.records.provenance import STALE, differences, tells
from cl_bench.records.runs import Run
from cl_bench.records.text import one_line, shortened

LONGEST = 400  # letters of a method's name
_KEPT = 200  # of a longer one
_MOST_PARTS = 20  # of a dotted key that a short name may have
_SEEDS = ("seed", "seeds", "seed_for")

# What a method is called, in pieces: its strategy, then (name, value) of settings, and what else sets it
# apart. Methods are the same where their pieces are, whatever the text that is made of these.
Pieces = tuple[tuple[str, ...], ...]
Thing = TypeVar("Thing", bound=Hashable)


def with_methods(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """The runs with their `method`, and all swept settings, sorted.

    A setting is swept when it takes more than one value among the runs of one study, benchmark and strategy
    that recorded anything; seeds are never swept. A setting that a run lacks is no value, or, if it came
    later, that of runs from before. What is measured sets even strategies apart, see `measured_keys`: it is
    in all labels of a study and benchmark where it differs.

    A method that ran on a CPU and on a GPU is two, each with the kind of device in its label.

    Runs of other code or data than the newest ones, or marked as stale, are no seeds of the same method:
    their label says so, and `other` what differs. A label of more than `LONGEST` letters is cut. Methods that
    differ have labels that do.

    >>> from pathlib import Path
    >>> from cl_bench.records.rows import Record
    >>> from cl_bench.records.runs import Run
    >>> tests = [Record(0, 1, 1, 0.9, 0.4, 100)]
    >>> run = Run(Path("few/a"), "few", strategy="ewc", seed=0, records=tests)
    >>> weak, strong = ({"strategy.strength": strength} for strength in (1, 100))
    >>> found = [run._replace(settings=settings) for settings in (weak, strong)]
    >>> labelled, swept = with_methods(found)
    >>> [run.method for run in labelled], swept
    (['ewc strength=1', 'ewc strength=100'], ['strategy.strength'])
    """
    runs = list(runs)
    groups = defaultdict(list)
    protocols = defaultdict(list)
    for run in runs:
        groups[run.study, run.benchmark, run.strategy].append(run)
        if run.records:
            protocols[run.study, run.benchmark].append(run)
    methods: dict[int, Pieces] = {}
    others: dict[int, str] = {}
    all_swept: set[str] = set()
    for (study, benchmark, _), group in groups.items():
        recorded = [run for run in group if run.records]
        swept = swept_settings([run.settings for run in recorded], neutral=_neutral(recorded))
        swept = list(dict.fromkeys([*swept, *measured_keys(protocols[study, benchmark])]))
        names = short_names(_without_paths(swept, recorded))
        labels = {id(run): _pieces(run, names) for run in group}
        labels = _apart_by_device(group, _apart_by_length(group, labels))
        labels, told = _apart_by_provenance(group, labels)
        methods.update(labels)
        others.update(told)
        all_swept.update(swept)
    texts: dict[tuple[str, str], dict[Pieces, str]] = defaultdict(dict)
    for run in runs:
        texts[run.study, run.benchmark][methods[id(run)]] = ""
    texts = {where: distinct({pieces: _text(pieces) for pieces in each}) for where, each in texts.items()}
    labelled = [
        run._replace(method=texts[run.study, run.benchmark][methods[id(run)]], other=others.get(id(run), ""))
        for run in runs
    ]
    return labelled, sorted(all_swept)


def measured_keys(runs: Iterable[Run]) -> list[str]:
    """The settings that say what is measured and differ among runs of one benchmark.

    They are the scenario, the number of tasks, which of them are tested, and on which images.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> scenarios = ({"benchmark.scenario": name} for name in ("task", "class"))
    >>> measured_keys([Run(Path("few/a"), "few", settings=each) for each in scenarios])
    ['benchmark.scenario']
    """
    runs = list(runs)
    values = {key: {shown(run.settings[key]) for run in runs if key in run.settings} for key in MEASURED}
    values[TEST_LAST] = {shown(run.test_last) for run in runs}
    return [key for key, found in values.items() if len(found) > 1]


def distinct(texts: Mapping[Thing, str]) -> dict[Thing, str]:
    """Texts of things, each unlike all others: a text that an earlier thing has already gets a number.

    >>> distinct({"a": "ewc", "b": "ewc", "c": "vcl"})
    {'a': 'ewc', 'b': 'ewc (2)', 'c': 'vcl'}
    """
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    found = {}
    for thing, text in texts.items():
        unique = text
        while unique in taken:
            numbers[text] += 1
            unique = f"{text} ({numbers[text] + 1})"
        taken.add(unique)
        found[thing] = unique
    return found


def _without_paths(keys: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """The keys, without paths of code (`model._target_`) that the names beside them (`model.name`) tell."""
    told = []
    for key in keys:
        name = f"{key.removesuffix('_target_')}name"
        values = {(shown(run.settings.get(name)), shown(run.settings.get(key))) for run in runs}
        if key.endswith("._target_") and name in keys and len(values) == len({each for each, _ in values}):
            told.append(key)
    return [key for key in keys if key not in told]


def _neutral(runs: Iterable[Run]) -> dict[str, Any]:
    """The value that a setting which came later has in runs that lack it, by its dotted key."""
    found = dict(LATER)
    for run in runs:
        told = run.about.get("neutral")
        found |= told if isinstance(told, dict) else {}
    return found


def swept_settings(
    settings: Sequence[Mapping[str, Any]], *, neutral: Mapping[str, Any] | None = None
) -> list[str]:
    """The dotted keys of settings with more than one value, in the order of the configuration.

    Seeds and what changes no result are never among them.

    >>> swept_settings(
    ...     [
    ...         {"epochs": 5, "batch_size": 32, "seed": 0},
    ...         {"epochs": 10, "batch_size": 32, "seed": 1},
    ...     ]
    ... )
    ['epochs']

    Args:
        neutral: the values of settings in runs that lack them; None: of those that have always been known.
    """
    neutral = LATER if neutral is None else neutral
    values: dict[str, set[str]] = defaultdict(set)
    for one in settings:
        for key, value in one.items():
            values[key].add(shown(value))
    for key in values.keys() & neutral.keys():
        if any(key not in one for one in settings):
            values[key].add(shown(neutral[key]))
    return [key for key, found in values.items() if len(found) > 1 and not _names_no_method(key)]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The short name of each dotted key: its last part, with as many parts before it as make it unique.

    The whole key is taken where that is more than some.

    >>> names = short_names(["strategy.strength", "strategy.rate", "training.rate"])
    >>> list(names.values())
    ['strength', 'strategy.rate', 'training.rate']
    """
    names: dict[str, str] = {}
    left = {key: key.split(".") for key in keys}
    for number in range(1, _MOST_PARTS + 1):
        suffixes = {key: ".".join(parts[-number:]) for key, parts in left.items() if len(parts) >= number}
        counts = Counter(suffixes.values())
        names |= {key: name for key, name in suffixes.items() if counts[name] == 1}
        left = {key: parts for key, parts in left.items() if key not in names}
    return {key: one_line(names.get(key, key)) for key in keys}


def shown(value: Any) -> str:
    """A setting's value as a command line takes it; 50 and 50.0 are the same value, true and 1 are not.

    >>> [shown(value) for value in (50, 50.0, 1e-3, True, None, [1, 2])]
    ['50', '50', '0.001', 'true', 'null', '[1, 2]']
    """
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return one_line(value) if isinstance(value, str) else json.dumps(value)


def _pieces(run: Run, names: Mapping[str, str]) -> Pieces:
    swept = [(name, shown(run.settings[key])) for key, name in names.items() if key in run.settings]
    return ((run.strategy,), *swept)


def _text(pieces: Pieces) -> str:
    words = ["=".join(map(shortened, piece)) for piece in pieces]
    text = " ".join(words)
    if len(text) <= LONGEST:
        return text
    kept = words[:1]
    for word in words[1:]:
        if len(" ".join([*kept, word])) > _KEPT:
            break
        kept.append(word)
    mark = hashlib.sha256(repr(pieces).encode()).hexdigest()[:8]
    return " ".join([*kept, f"and {len(words) - len(kept)} more ({mark})"])


def _apart_by_length(group: Sequence[Run], labels: Mapping[int, Pieces]) -> dict[int, Pieces]:
    # Streams of different lengths have no common matrix; their settings should tell them apart, but may be
    # lost.
    lengths = defaultdict(set)
    for run in group:
        if run.records:
            lengths[labels[id(run)]].add(run.num_tasks)
    return {
        id(run): (*label, ("num_tasks", str(run.num_tasks))) if len(lengths[label]) > 1 else label
        for run, label in ((run, labels[id(run)]) for run in group)
    }


def _apart_by_device(group: Sequence[Run], labels: Mapping[int, Pieces]) -> dict[int, Pieces]:
    """Runs of one method on several kinds of device: the last digits differ, and so may noise and seconds."""
    devices = defaultdict(set)
    for run in group:
        if run.records and run.device:
            devices[labels[id(run)]].add(run.device)
    several = {label for label, found in devices.items() if len(found) > 1}
    return {
        id(run): (*label, (f"({run.device})",)) if run.device and label in several else label
        for run, label in ((run, labels[id(run)]) for run in group)
    }


def _apart_by_provenance(
    group: Sequence[Run], labels: Mapping[int, Pieces]
) -> tuple[dict[int, Pieces], dict[int, str]]:
    """The labels, and what differs for runs of other code or data; by the runs' identity.

    All variants of a strategy are held against its newest run: one of old code is not beside one of new.
    """
    labels, told = dict(labels), dict[int, str]()
    recorded = [run for run in group if run.records]
    marked = [run for run in recorded if run.about.get(STALE)]
    stale = {id(run): why for run in recorded if (why := _why_stale(run, marked))}
    by_label = defaultdict(list)
    for run in recorded:
        by_label[labels[id(run)]].append(run)
    newest = max(recorded, key=lambda run: _freshness(run, stale), default=None)
    for label, runs in by_label.items():
        kinds = _by_provenance(runs, stale)
        first, of_all, number = kinds[0][0].about, newest.about if newest else {}, 0
        for kind in kinds:
            about = kind[0].about
            why = (
                stale.get(id(kind[0]))
                or differences(about, first)
                or differences(about, of_all, in_both=True)
            )
            if not why:
                continue
            number += 1
            what = "other data" if all("images" in each for each in why) else "other code"
            for run in kind:
                labels[id(run)] = (*label, (f"({what}{'' if number == 1 else f' {number}'})",))
                told[id(run)] = "; ".join(why)
    return labels, told


def _why_stale(run: Run, marked: Iterable[Run]) -> list[str]:
    """Why a run is marked as stale, or one of the same code and data is."""
    own = list(run.about.get(STALE) or [])
    others = marked if tells(run.about) and not own else ()
    return own or next(
        (list(each.about[STALE]) for each in others if not differences(run.about, each.about, in_both=True)),
        [],
    )


def _by_provenance(runs: Sequence[Run], stale: Mapping[int, list[str]]) -> list[list[Run]]:
    """Runs of one code and data each; the newest first, and those that are stale last."""
    kinds: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: _freshness(run, stale), reverse=True):
        alike = (
            kind
            for kind in kinds
            if (id(kind[0]) in stale) == (id(run) in stale) and not differences(kind[0].about, run.about)
        )
        kind = next(alike, None)
        if kind is None:
            kinds.append([run])
        else:
            kind.append(run)
    return kinds


def _freshness(run: Run, stale: Mapping[int, list[str]]) -> tuple[bool, bool, str]:
    when = run.about.get("finished") or run.about.get("started")
    return id(run) not in stale, tells(run.about), str(when)


def _names_no_method(key: str) -> bool:
    parts = key.split(".")
    return is_incidental(key) or any(part in _SEEDS or part.endswith(("_seed", "_seeds")) for part in parts)
