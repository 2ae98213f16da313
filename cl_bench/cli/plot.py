"""`cl-bench plot KIND DIR...`: one kind of figure."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence

from cl_bench.records.errors import AnalysisError
from cl_bench.records.row_files import RecordsError
from cl_bench.records.text import lines_of, one_line
from cl_bench.report.figure_kinds import KINDS
from cl_bench.report.plot import plot


def main(arguments: Sequence[str]) -> int:
    """Draw a figure. The exit status is 0; 1 where nothing can be drawn; 2 for a wrong command line."""
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 2
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        made = plot(options.kind, *options.folders, output=options.output, width=options.width)
    except (AnalysisError, RecordsError, OSError) as error:
        print(f"cl-bench: {lines_of(error)}", file=sys.stderr)
        return 2 if options.kind not in KINDS else 1
    for note in made.notes:
        print(f"note: {note}")
    for path in made.paths:
        print(one_line(path))
    return 0


def _parser() -> ArgumentParser:
    longest = max(map(len, KINDS))
    listed = [f"  {name:<{longest}}  {(make.__doc__ or '').splitlines()[0]}" for name, make in KINDS.items()]
    parser = ArgumentParser(
        prog="cl-bench plot",
        description="One kind of figure of the runs below DIR, one a benchmark; several DIRs are compared.",
        epilog="\n".join(["kinds of figures:", *listed]),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", metavar="KIND", help="one of the kinds below")
    parser.add_argument("folders", metavar="DIR", nargs="+", help="a results folder, a study or a run")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="ends in .png, .svg or .pdf, or is written as .png and .svg; or a folder "
        "(default: DIR/figures, or with several DIRs the present folder); another figure is never replaced",
    )
    parser.add_argument(
        "--width",
        type=float,
        metavar="INCHES",
        help="of the figure (default: 7.2, a page's text; 3.3 is a column of two)",
    )
    return parser
