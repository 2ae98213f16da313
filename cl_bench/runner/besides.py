"""What a run measures and saves besides, which is no part of its name: is it there, what is to be kept."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

PROBE_SETTINGS = ("training.probe_every", "training.probe_size", "seed_for.probe")
# what is measured, and what belongs to that; the first of each says whether it is asked for
MEASURED = (
    PROBE_SETTINGS,
    ("training.also_test",),
    ("training.test_all_at_end",),
    ("training.ood", "training.ood_size", "seed_for.probe"),
)
LEFT = (*MEASURED, ("training.save",))
NOT_ASKED = (None, False, "[]")  # lists are texts in run.json


def is_measured(had: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a run with the settings `had` measured what `wanted` asks for; more does no harm.

    >>> is_measured({"training.also_test": "['task', 'statistics']"}, {"training.also_test": "['task']"})
    True
    """
    return all(
        wanted.get(first) in NOT_ASKED
        or (_holds(had.get(first), wanted[first]) and all(had.get(name) == wanted[name] for name in others))
        for first, *others in MEASURED
    )


def to_keep(had: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Map settings to what they must be, for a run that is done again to lose nothing that it had.

    >>> to_keep({"training.save": "['weights@each']"}, {"training.save": "['predictions']"})
    {'training.save': ['weights@each', 'predictions']}
    """
    return dict(_to_keep(had, wanted))


def _to_keep(had: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for names in LEFT:
        there, asked = had.get(names[0]), wanted.get(names[0])
        if there in NOT_ASKED:
            continue
        if asked in NOT_ASKED:
            yield from ((name, _value_of(had[name])) for name in names)
        elif _is_list(there) and _is_list(asked):
            new = _value_of(asked)
            kept = [each for each in _value_of(there) if _name(each) not in map(_name, new)]
            if kept:
                yield names[0], [*kept, *new]


def _holds(had: Any, wanted: Any) -> bool:
    if _is_list(had) and _is_list(wanted):
        return set(_value_of(wanted)) <= set(_value_of(had))
    return bool(had == wanted)


def _name(entry: str) -> str:
    """What is saved, without when: `weights` of `weights@each`."""
    return entry.partition("@")[0]


def _is_list(told: Any) -> bool:
    return isinstance(told, str) and told.startswith("[")


def _value_of(told: Any) -> Any:
    """Return a setting of run.json, where lists are texts."""
    return ast.literal_eval(told) if _is_list(told) else told
