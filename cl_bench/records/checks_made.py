"""What is known of a study's runs: the code they are of, whether all have finished, which came out again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cl_bench.records.identity import is_incidental
from cl_bench.records.provenance import commit_of

VERIFIED = "verified"  # in run.json: when and by which code the run came out again, bit for bit


def checks_made(abouts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The checks that the run.json of a study's runs can answer for. None stands for what nobody knows.

    Keys:
        commit: the one commit that all runs are of.
        dirty: whether files differed from it.
        runs: how many there are.
        all_finished: whether all runs have finished.
        same_seeds: whether all methods of a benchmark have the same ones.
        verified: how many runs came out again, bit for bit, and between which days.

    >>> checks_made([{"status": "finished", "commit": "0123abcd", "dirty": False, "seed": 0}])["commit"]
    '0123abcd'
    >>> checks_made([{"status": "finished", "seed": 0}])["commit"] is None
    True
    """
    commits = {commit_of(about) for about in abouts}
    ((commit, dirty),) = commits if len(commits) == 1 else {(None, None)}
    by_benchmark: dict[str, set[frozenset[str]]] = defaultdict(set)
    for benchmark, seeds in _seeds(abouts):
        by_benchmark[benchmark].add(seeds)
    return {
        "commit": commit,
        "dirty": dirty,
        "runs": len(abouts),
        "all_finished": all(about.get("status") == "finished" for about in abouts),
        "same_seeds": all(len(found) == 1 for found in by_benchmark.values()),
        "verified": _verified(abouts),
    }


def _seeds(abouts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, frozenset[str]]]:
    """The benchmark and the seeds of each method: runs with the same settings, as far as all tell of them."""
    groups: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for about in abouts:
        settings = about.get("settings")
        told = {
            key: value
            for key, value in (settings if isinstance(settings, Mapping) else {}).items()
            if not is_incidental(key) and key.partition(".")[0] not in ("seed", "seed_for")
        }
        where = str(about.get("benchmark")), str(about.get("strategy"))
        groups[where].append((str(about.get("seed")), told))
    for (benchmark, _), runs in groups.items():
        common = set.intersection(*(set(told) for _, told in runs))
        methods: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for seed, known in runs:
            methods[tuple(f"{key}={known[key]!r}" for key in sorted(common))].add(seed)
        yield from ((benchmark, frozenset(seeds)) for seeds in methods.values())


def _verified(abouts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    days = sorted(
        str(found["date"])
        for found in (about.get(VERIFIED) for about in abouts)
        if isinstance(found, dict) and found.get("date")
    )
    return {"runs": len(days), "from": days[0], "to": days[-1]} if days else None
