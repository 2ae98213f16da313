"""`cl-bench report DIR`: tables, figures and a page of the runs below a folder."""

import sys
from collections.abc import Sequence

from cl_bench.records.errors import AnalysisError
from cl_bench.records.row_files import RecordsError
from cl_bench.records.text import one_line, reason
from cl_bench.report.build import report

NO_FIGURES = "--no-figures"
USAGE = """usage: cl-bench report DIR [--no-figures]

DIR is a results folder, a study or a run. With --no-figures tables and the page are written, and no figures;
cl-bench plot draws single ones."""


def main(arguments: Sequence[str]) -> int:
    """Write a report. The exit status is 0; 1 where there are no runs; 2 for a wrong command line."""
    folders = [each for each in arguments if each != NO_FIGURES]
    if len(folders) != 1 or folders[0].startswith("-"):
        print(USAGE)
        return 0 if folders in (["-h"], ["--help"]) else 2
    try:
        made = report(folders[0], figures=NO_FIGURES not in arguments)
    except (AnalysisError, RecordsError, OSError) as error:
        print(f"cl-bench: {reason(error)}", file=sys.stderr)
        return 1
    print(made.text)
    for note in made.notes:
        print(f"note: {note}")
    print()
    for path in made.paths:
        print(one_line(path))
    return 0
