"""What made a run's numbers, code and data, compared with what made another's.

A run's run.json has fingerprints of both: `code` (see runner/code_hashes.py) and `data` (hashes of pixels
and labels). A run from before they were kept tells nothing, and is taken for the same.
"""

from collections.abc import Mapping
from typing import Any

KEPT = "kept"  # in run.json: the code and data that somebody has said to be as good as its own
STALE = "stale"  # in run.json: what has changed since, as the newest command found


# A version of the numbers: whoever changes cl_bench so that a run ends at other ones raises it, which
# tests/test_numbers.py notices. Runs of releases of one version are of the same code, so that a release that
# only moves code or speeds it up throws no run away. Of all other code the hashes decide.
NUMBERS = 2
RELEASES = {  # `tree` of a release's code -> the version of its numbers
    "55b0768b1c4fc65e": 1,
    "e4d089e86fb95c66": 1,
    "1fb1caf56fa61344": 1,
    "7aceda9f8fbc9ef4": 2,
}


def differences(before: Mapping[str, Any], now: Mapping[str, Any], *, in_both: bool = False) -> list[str]:
    """Say in words what differs in code and data; nothing where either does not tell.

    Args:
        before: run.json of a run.
        now: run.json of another, or `code` and `data` as they are at present.
        in_both: look at modules outside of cl_bench that both have alone; other settings may take others.
    """
    before, now = ({**about, **_mapping(about.get(KEPT))} for about in (before, now))
    code = _mapping(before.get("code")), _mapping(now.get("code"))
    return [*_of_code(*code, in_both=in_both), *_of_data(before, now)]


def tells(about: Mapping[str, Any]) -> bool:
    """Whether a run.json has fingerprints."""
    return bool(_mapping(about.get("code")) and _mapping(about.get("data")))


def commit_of(about: Mapping[str, Any]) -> tuple[str | None, bool | None]:
    """The commit of cl_bench that a run was made with, and whether files differed from it.

    None stands for what its run.json does not tell. Runs from before `commit` was a fact of its own have it
    among the fingerprints of their code.
    """
    told = about if "commit" in about else _mapping(_mapping(about.get("code")).get("cl_bench"))
    commit, dirty = told.get("commit"), told.get("dirty")
    return commit if isinstance(commit, str) else None, dirty if isinstance(dirty, bool) else None


def _of_code(before: Mapping[str, Any], now: Mapping[str, Any], *, in_both: bool) -> list[str]:
    if not before or not now:
        return []
    python = before.get("python") == now.get("python")
    changes = []
    ours = _mapping(before.get("cl_bench")), _mapping(now.get("cl_bench"))
    if not _same(*ours, python=python):
        changes.append(f"{_release(ours[0])} then, {_release(ours[1])} now")
    modules = _mapping(before.get("outside")), _mapping(now.get("outside"))
    names = (set.intersection if in_both else set.union)(*map(set, modules))
    for name in sorted(names):
        one, other = (_mapping(each.get(name)) for each in modules)
        if not _same(one, other, python=python):
            what = "is gone" if not other else "is new" if not one else "has changed"
            changes.append(f"the module {name} {what}")
    return changes


def _same(one: Mapping[str, Any], other: Mapping[str, Any], *, python: bool) -> bool:
    """Whether one of the hashes agrees, or the version of the numbers.

    Args:
        python: whether both are of one version of Python.
    """
    names = ("tree", "source", "compiled") if python else ("tree", "source")
    hashes = any(one.get(name) == other.get(name) is not None for name in names)
    return hashes or _numbers(one) == _numbers(other) is not None


def _numbers(code: Mapping[str, Any]) -> int | None:
    """The version of the numbers; None for code that was not released as it is."""
    tree = code.get("tree")
    return RELEASES.get(tree) if isinstance(tree, str) else None


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
