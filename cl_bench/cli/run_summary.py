"""What `cl-bench run` says at its end."""

from collections.abc import Mapping
from pathlib import Path

from cl_bench.config.places import shell_word
from cl_bench.records.provenance import STALE
from cl_bench.records.text import one_line


def overall(folder: Path, *, since: float, before: Mapping[Path, int]) -> tuple[str, bool]:
    """Say how the runs in `folder` ended, and where to continue; and whether all is there that was asked for.

    That is: all that a command asked for at a time, of the present code and data.

    Args:
        since: when it began.
        before: when each run's summary had been written by then, see `stamps`.
    """
    from cl_bench.analysis import summary
    from cl_bench.analysis.foreign import read_foreign
    from cl_bench.analysis.missing_runs import missing
    from cl_bench.analysis.results import Results
    from cl_bench.records.errors import AnalysisError
    from cl_bench.records.runs import find_folders
    from cl_bench.report.notes import recorded_notes, repeated_notes, validation_notes
    from cl_bench.report.outcomes import (
        failed_before,
        outcome_table,
        provenance_notes,
        touched,
        without_earlier_failures,
        work_done,
    )
    from cl_bench.report.text_table import text_table

    try:
        find_folders(folder)
    except AnalysisError:  # nothing began: the error on the way there says it all
        return "", False
    results = Results.read(folder)
    runs = results.found
    asked = touched(runs, before)
    foreign = read_foreign(runs, damaged=results.damaged)
    lines = [] if results.frame.empty else [text_table(summary(results.frame, foreign=foreign))]
    alone = (folder / "run.json").exists()  # a single run has said its own notes
    notes = [
        *repeated_notes(runs),
        *provenance_notes(runs),
        *(validation_notes if alone else recorded_notes)(runs),
    ]
    lines += [f"note: {one_line(note)}" for note in notes]
    lines += filter(None, [work_done(asked, since)])
    absent = [] if alone else missing(runs)
    ours = without_earlier_failures(runs, asked)
    lines += [
        outcome_table(ours, absent),
        *failed_before(len(runs) - len(ours), shell_word(str(folder))),
        "",
        f"records: {one_line(folder)}",
        f"figures: cl-bench report {shell_word(str(folder))}",
    ]
    return "\n".join(lines), not absent and not any(run.about.get(STALE) for run in asked)
