"""One table of how a sweep ended: what finished, what failed and why, what is missing."""

from collections.abc import Sequence
from typing import NamedTuple

from cl_bench.analysis.folders import Run
from cl_bench.running.lock import is_held


class Outcome(NamedTuple):
    """A run that has not finished, and its log."""

    what: str  # failed, killed, running, broken
    run: str
    why: str
    log: str


def unfinished(runs: Sequence[Run]) -> list[Outcome]:
    """Each run that is not finished. Whoever was killed could not say so: nobody holds its folder."""
    found = []
    for run in runs:
        if run.status == "finished":
            continue
        what, why = run.status, _last_line(run.error)
        if run.status == "running":
            after = max((record.after_task for record in run.records), default=None)
            why = (
                "before its first record"
                if after is None
                else f"tested up to task {after} of {run.num_tasks}"
            )
            what = "running" if is_held(run.path) else "killed"
        log = run.path / "run.log"
        found.append(Outcome(what, run.name, why, str(log) if log.exists() else "–"))
    return sorted(found)


def outcome_table(runs: Sequence[Run], absent: Sequence[str] = ()) -> str:
    """The table; one line where all is finished.

    Args:
        absent: what of the sweep has not begun, in words.
    """
    rows = unfinished(runs)
    num_finished = sum(run.status == "finished" for run in runs)
    lines = [f"finished: {num_finished} of {len(runs)} runs"]
    if not rows and not absent:
        return lines[0]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for row in rows:
        lines.append(f"  {row.what:<{widths[0]}}  {row.run:<{widths[1]}}  {row.why}")
        lines += [f"  {'':<{widths[0]}}  log: {row.log}"] if row.log != "–" else []
    lines += [f"  missing  {note}" for note in absent]
    return "\n".join([*lines, "The same command does only what is left."])


def _last_line(error: str) -> str:
    lines = error.strip().splitlines() or ["no reason was recorded"]
    return lines[-1] if len(lines[-1]) <= 300 else lines[-1][:300] + "..."
