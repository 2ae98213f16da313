"""One table of how a sweep ended: what finished, what failed and why, what is missing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cl_bench.analysis.missing_runs import Missing
from cl_bench.records.lock import is_held
from cl_bench.records.run_files import summary_of
from cl_bench.records.runs import Run
from cl_bench.records.text import one_line

MOST_NAMED = 4  # runs that ended for the same reason


class Outcome(NamedTuple):
    """A run that has not finished, and its log."""

    what: str  # failed, interrupted, killed, running, broken
    run: str
    why: str
    log: str


def unfinished(runs: Sequence[Run]) -> list[Outcome]:
    """Each run that is not finished. Whoever was killed could not say so: nobody holds its folder."""
    found = []
    for run in runs:
        if run.status == "finished":
            continue
        what, why = run.status, last_line(run.error)
        if run.status in ("running", "interrupted"):
            after = max((record.after_task for record in run.records), default=None)
            so_far = (
                "before its first record"
                if after is None
                else f"tested up to task {after} of {run.num_tasks}"
            )
            why = f"{why}; {so_far}" if run.status == "interrupted" else so_far
            if run.status == "running":
                what = "running" if is_held(run.path) else "killed"
        log = run.path / "run.log"
        found.append(Outcome(what, run.name, why, one_line(log) if log.exists() else "–"))
    return sorted(found)


def outcome_table(runs: Sequence[Run], absent: Sequence[Missing] = ()) -> str:
    """The table; one line where all is finished, and one for all runs that ended for the same reason.

    Args:
        absent: what of the sweep has not begun. It counts among the runs.
    """
    rows = unfinished(runs)
    num_finished = sum(run.status == "finished" for run in runs)
    lines = [f"finished: {num_finished} of {len(runs) + sum(each.number for each in absent)} runs"]
    if not rows and not absent:
        return lines[0]
    alike = defaultdict(list)
    for row in rows:
        alike[row.what, row.why].append(row)
    called = {key: same[0].run if len(same) == 1 else _count(len(same)) for key, same in alike.items()}
    indent, width = (
        max(map(len, texts), default=0) for texts in ([row.what for row in rows], called.values())
    )
    for (what, why), same in alike.items():
        lines.append(f"  {what:<{indent}}  {called[what, why]:<{width}}  {why}")
        more = f" and {len(same) - MOST_NAMED} more" if len(same) > MOST_NAMED else ""
        names = f"{', '.join(row.run for row in same[:MOST_NAMED])}{more}" if len(same) > 1 else ""
        log = f"log: {same[0].log}" if same[0].log != "–" else ""
        lines += [f"  {'':<{indent}}  {line}" for line in (names, log) if line]
    lines += [f"  missing  {each.note}" for each in absent]
    return "\n".join([*lines, "The same command does only what is left."])


def touched(runs: Sequence[Run], before: Mapping[Path, int]) -> list[Run]:
    """The runs that a command met: each says so in the time of its run.json.

    Args:
        before: those times when it began, see `stamps`. They tell it apart from a command that ended just
            before, whatever the clocks of disks and machines say.
    """
    found = []
    for run in runs:
        summary = summary_of(run.path)
        with suppress(OSError):
            if summary.stat().st_mtime_ns != before.get(summary.resolve()):
                found.append(run)
    return found


def without_earlier_failures(runs: Sequence[Run], asked: Sequence[Run]) -> list[Run]:
    """The runs, less those that failed before and were not asked for now."""
    now = {run.path for run in asked}
    return [run for run in runs if run.status != "failed" or run.path in now]


def failed_before(number: int, folder: str) -> list[str]:
    """Say in a line how many runs failed before, and how to be rid of them.

    Args:
        folder: theirs, as a shell takes it.
    """
    runs = f"{_count(number)} of other commands {'has' if number == 1 else 'have'} failed"
    return [f"{runs}: cl-bench clean {folder} lists and removes such runs"] if number else []


def work_done(runs: Sequence[Run], since: float) -> str:
    """How much of what was asked for was finished before a time; empty where nothing was."""
    finished = [run for run in runs if run.status == "finished"]
    before = sum(_ended(run) < since for run in finished)
    if not before:
        return ""
    number, now = len(runs), len(runs) - before
    if not now:
        which = "it was" if number == 1 else "all were"
        return f"{_count(number)}: {which} finished before, nothing was run (resume=false runs again)"
    return f"{_count(number)}: {before} finished before, {now} run now"


def provenance_notes(runs: Sequence[Run]) -> list[str]:
    """Which runs are of other code or data than now, or than their method's newest, and what to do."""
    groups = defaultdict(list)
    for run in runs:
        if run.other:
            groups[run.study, run.method, run.benchmark, run.other].append(run.seed)
    return [
        f"{study}: {method} on {benchmark}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}: "
        f"{other}. resume=stale runs again what has changed, resume=keep takes it as it is."
        for (study, method, benchmark, other), seeds in groups.items()
    ]


def _ended(run: Run) -> float:
    try:
        return datetime.fromisoformat(str(run.about.get("finished"))).timestamp()
    except ValueError:
        return 0.0


def _count(number: int) -> str:
    return f"{number} run{'s' * (number != 1)}"


def last_line(error: str) -> str:
    """The last line of an error, which is its reason; shortened, in characters that a terminal shows."""
    lines = error.strip().splitlines() or ["no reason was recorded"]
    last = one_line(lines[-1])
    return last if len(last) <= 300 else last[:300] + "..."
