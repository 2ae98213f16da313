"""What made a run's numbers, code and data, compared with what made another's.

A run's run.json has fingerprints of both: `code` (see runner/code_hashes.py) and `data` (hashes of pixels
and labels). A run from before they were kept tells nothing, and is taken for the same.
"""

from collections.abc import Mapping
from typing import Any

KEPT = "kept"  # in run.json: the code and data that somebody has said to be as good as its own
STALE = "stale"  # in run.json: what has changed since, as the newest command found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say in words what differs in code and data; nothing where either does not tell.

    Args:
        before: run.json of a run.
        now: run.json of another, or `code` and `data` as they are at present.
    """
    before, now = ({**about, **_mapping(about.get(KEPT))} for about in (before, now))
    return [*_of_code(_mapping(before.get("code")), _mapping(now.get("code"))), *_of_data(before, now)]


def tells(about: Mapping[str, Any]) -> bool:
    """Whether a run.json has fingerprints."""
    return bool(_mapping(about.get("code")) and _mapping(about.get("data")))


def _of_code(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if not before or not now:
        return []
    python = before.get("python") == now.get("python")
    found = []
    ours = _mapping(before.get("cl_bench")), _mapping(now.get("cl_bench"))
    if not _same(*ours, python=python):
        found.append(f"{_release(ours[0])} then, {_release(ours[1])} now")
    modules = _mapping(before.get("outside")), _mapping(now.get("outside"))
    for name in sorted({*modules[0], *modules[1]}):
        one, other = (_mapping(each.get(name)) for each in modules)
        if not _same(one, other, python=python):
            what = "is gone" if not other else "is new" if not one else "has changed"
            found.append(f"the module {name} {what}")
    return found


def _same(one: Mapping[str, Any], other: Mapping[str, Any], *, python: bool) -> bool:
    """Whether one of the hashes agrees; `python`: whether both are of one version of it."""
    names = ("tree", "source", "compiled") if python else ("tree", "source")
    return any(one.get(name) == other.get(name) is not None for name in names)


def _of_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    data = _mapping(before.get("data")), _mapping(now.get("data"))
    return [
        f"the {part} images or labels are others"
        for part in ("train", "test")
        if data[0].get(part) and data[1].get(part) and data[0][part] != data[1][part]
    ]


def _release(code: Mapping[str, Any]) -> str:
    """Name a release, as in `cl_bench 0.1.0 (commit 0123abcd, changed)`."""
    details = [f"commit {code['commit']}"] if code.get("commit") else []
    details += ["changed"] if code.get("dirty") else []
    return f"cl_bench {code.get('version', '?')}" + (f" ({', '.join(details)})" if details else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
