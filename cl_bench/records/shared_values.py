"""Nested objects that say much the same: what all of them say, once, and what each says besides.

`joined(shared(objects), rest(each, shared(objects)))` is the object again, key by key. Values are the same
where their JSON is: 1, 1.0 and true are three values, nan is one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


def shared(objects: Sequence[Object]) -> dict[str, Any]:
    """The keys that all objects have, with their value; None where it differs. Nested objects share in turn.

    >>> shared([{"a": 1, "b": {"c": 1, "d": 2}}, {"a": 2, "b": {"c": 1}}])
    {'a': None, 'b': {'c': 1}}
    """
    first, *others = objects
    found: dict[str, Any] = {}
    for key, value in first.items():
        if not all(key in other for other in others):
            continue
        values = [value, *(other[key] for other in others)]
        if all(isinstance(each, Mapping) for each in values):
            found[key] = shared(values)
        else:  # None keeps the place of the key
            found[key] = value if all(is_same(value, each) for each in values[1:]) else None
    return found


def rest(one: Object, said: Object) -> dict[str, Any]:
    """What an object says that is not said already.

    >>> rest({"a": 1, "b": {"c": 1, "d": 2}}, {"a": None, "b": {"c": 1}})
    {'a': 1, 'b': {'d': 2}}
    """
    left: dict[str, Any] = {}
    for key, value in one.items():
        if key in said and isinstance(value, Mapping) and isinstance(said[key], Mapping):
            inner = rest(value, said[key])
            left |= {key: inner} if inner else {}
        elif key not in said or not is_same(value, said[key]):
            left[key] = value
    return left


def joined(said: Object, left: Object) -> dict[str, Any]:
    """One object of two, the second beside and within the first.

    >>> joined({"a": None, "b": {"c": 1}}, {"a": 1, "b": {"d": 2}})
    {'a': 1, 'b': {'c': 1, 'd': 2}}
    """
    together = {**said, **left}
    for key in said.keys() & left.keys():
        if isinstance(said[key], Mapping) and isinstance(left[key], Mapping):
            together[key] = joined(said[key], left[key])
    return together


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def weight(value: Any) -> int:
    """Count the values in a value; a long text counts as several."""
    if isinstance(value, Mapping):
        return 1 + sum(1 + len(key) // 64 + weight(each) for key, each in value.items())
    if isinstance(value, list):
        return 1 + sum(map(weight, value))
    return 1 + (len(value) // 64 if isinstance(value, str) else 0)
