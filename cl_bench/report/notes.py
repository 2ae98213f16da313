"""Notes on runs: what the numbers leave out, a sentence each."""

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from cl_bench.analysis.matched_seeds import draw_of
from cl_bench.analysis.missing_runs import missing, unreadable
from cl_bench.analysis.summary import MOST_METHODS
from cl_bench.records.protocol import TEST_ON
from cl_bench.records.runs import NOT_BEGUN, Run
from cl_bench.records.text import cut, one_line
from cl_bench.report.outcomes import last_line, provenance_notes

LONGEST_NOTE = 2_000  # letters


def run_notes(found: Iterable[Run]) -> list[str]:
    """Which runs failed, were interrupted, did not finish, or could not be read, and why."""
    found = list(found)
    notes = []
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in found:
        if run.status in _UNFINISHED:
            key = (run.status, _where(run.study, run.benchmark, run.method), _UNFINISHED[run.status](run))
            groups.setdefault(key, []).append(run)
    for (_, where, reason), runs in sorted(groups.items(), key=lambda item: item[0]):
        seeds = sorted({str(run.seed) for run in runs}, key=int)
        notes.append(f"{where}, seed{'s' * (len(seeds) > 1)} {_listed(seeds)} {reason}")
    for run in found:
        if run.status == "broken":
            what = "is left out" if run.error == NOT_BEGUN else "is broken and left out"
            notes.append(f"{run.path} {what}: {run.error}.")
    notes += provenance_notes(found) + repeated_notes(found)
    return notes + [each.note for each in missing(found)] + unreadable(found)


def repeated_notes(found: Iterable[Run]) -> list[str]:
    """Which runs count several times."""
    repeated = Counter(
        (run.study, run.benchmark, run.method, draw_of(run.seed, run.settings))
        for run in found
        if run.records
    )
    return [
        f"{_where(study, benchmark, method)}, seed {seed} was run {times} times, and each counts."
        for (study, benchmark, method, seed), times in repeated.items()
        if times > 1
    ]


def summary_notes(rows: pd.DataFrame) -> list[str]:
    """Which runs and intervals the tables and figures do without."""
    notes = []
    for row in rows[rows["num_left_out"] > 0].to_dict("records"):
        number, total = row["num_left_out"], row["num_left_out"] + row["num_seeds"]
        where = _where(row["study"], row["benchmark"], row["method"])
        which = "its one run is" if total == 1 else f"{number} of {total} runs"
        whose = "its" if number == 1 else "their"
        notes.append(f"{where}: {which} left out of tables and figures, {whose} matrix is incomplete.")
    for (study, benchmark), group in rows.groupby(["study", "benchmark"], sort=False):
        number = len(group)
        if number > MOST_METHODS:
            said = f"the best {MOST_METHODS} of {number} methods are compared and drawn; summary.csv has all"
            notes.append(f"{study}: {benchmark}: {said}.")
    single = rows[rows["num_seeds"] == 1]
    for (study, benchmark), group in single.groupby(["study", "benchmark"], sort=False):
        notes.append(f"{study}: {benchmark}: one seed only, so no interval: {', '.join(group['method'])}.")
    return notes


def validation_notes(found: Iterable[Run]) -> list[str]:
    """The sentence that scores are of validation images, where those of some run are; or none."""
    on_validation = any(run.records and run.settings.get(TEST_ON) == "validation" for run in found)
    return ["scores are of validation images, not of test images (training.test_on)"] if on_validation else []


def recorded_notes(found: Iterable[Run]) -> list[str]:
    """What runs have noted of their data or network (`notes` in run.json), and which images were scored.

    Each sentence stands once, with the methods and benchmarks that it is about. Runs of an empty study are
    named without it.
    """
    methods: dict[tuple[str, str], dict[str, None]] = {}
    about: dict[str, dict[tuple[str, str], dict[str, None]]] = {}
    for run in found:
        if run.status == "broken":
            continue
        place = run.study, run.benchmark
        methods.setdefault(place, {})[run.method] = None
        noted = run.about.get("notes")
        for sentence in [*(noted if isinstance(noted, list) else ()), *validation_notes([run])]:
            places = about.setdefault(cut(one_line(sentence), LONGEST_NOTE), {})
            places.setdefault(place, {})[run.method] = None
    notes = []
    for sentence, places in about.items():
        where = [_concerned(place, list(names), of=len(methods[place])) for place, names in places.items()]
        notes.append(f"{'; '.join(where)}: {sentence}")
    return notes


def _concerned(place: tuple[str, str], methods: list[str], *, of: int) -> str:
    """The benchmark, where it is all of its methods."""
    study, benchmark = place
    return _of(study, benchmark if len(methods) == of else f"{_listed(methods)} on {benchmark}")


def _where(study: str, benchmark: str, method: str) -> str:
    return _of(study, f"{method} on {benchmark}")


def _of(study: str, what: str) -> str:
    return f"{study}: {what}" if study else what


def _how_far(run: Run) -> str:
    if not run.records:
        return "has not finished: still running, or killed before its first record."
    after = max(record.after_task for record in run.records)
    return f"has not finished: still running, or killed; tested up to task {after} of {run.num_tasks}."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_UNFINISHED = {
    "failed": lambda run: f"failed: {last_line(run.error)}",
    "interrupted": lambda run: "was interrupted; the same command goes on.",
    "running": _how_far,
}  # status -> why, in words
