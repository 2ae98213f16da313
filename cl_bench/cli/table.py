"""`cl-bench table DIR...`: one table of several benchmarks, for a paper."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from cl_bench.cli.options import with_options
from cl_bench.records.text import one_line

ABOUT = """One table of the runs below the folders: methods in rows, benchmarks and metrics in columns.
Bold are the best, and what a paired t-test on 3 seeds or more does not tell from it. The caption says so,
and how many seeds and which settings there were."""


def main(arguments: Sequence[str]) -> int:
    """Print or write a table. The exit status is 0; 1 where there is none; 2 for a wrong command line."""
    return with_options(_parser(), arguments, _table)


def _table(options: Namespace) -> int:
    from cl_bench.report.paper_table import paper_table
    from cl_bench.report.table_formats import FORMATS, Words, format_of, write_table

    kind = format_of(options.output, options.format)
    made = paper_table(
        *options.folders,
        metrics=options.metrics,
        methods=options.methods,
        labels=options.labels,
        interval=options.interval,
        bold=options.bold,
    )
    text = FORMATS[kind](made, Words(options.label, options.caption))
    if options.output is None:
        print(text, end="")
    else:
        print(one_line(write_table(text, options.output)))
    return 0


def _parser() -> ArgumentParser:
    from cl_bench.report.bold import BOLD, TIES
    from cl_bench.report.paper_table import METRICS, SPREADS
    from cl_bench.report.table_formats import ENDINGS, FORMATS

    parser = ArgumentParser(prog="cl-bench table", description=ABOUT)
    parser.add_argument("folders", metavar="DIR", nargs="+", help="a results folder, a study or a run")
    parser.add_argument(
        "--metrics",
        default=METRICS,
        metavar="A,B",
        help=f"columns of summary.csv without _mean (default: {METRICS})",
    )
    parser.add_argument(
        "--methods",
        action="append",
        metavar="A,B*",
        help="names, strategies (all their variants) or patterns, in this order (default: all)",
    )
    parser.add_argument(
        "--labels",
        action="append",
        metavar="NAME=LABEL",
        help="what methods, benchmarks and metrics are called; may be given again",
    )
    parser.add_argument(
        "--interval",
        choices=list(SPREADS),
        default="t",
        help="what stands behind ±: Student's 95 %% interval, standard error or deviation (default: t)",
    )
    parser.add_argument(
        "--bold",
        choices=list(BOLD),
        default=TIES,
        help="the best and what a test does not tell from it, the best alone, or nothing (default: ties)",
    )
    parser.add_argument("--label", default="", metavar="NAME", help="what \\ref calls the table in LaTeX")
    parser.add_argument(
        "--caption",
        metavar="TEXT",
        help="instead of the sentences on the numbers, which become comments of the LaTeX file",
    )
    parser.add_argument("--format", choices=list(FORMATS), help="default: that of the file, or latex")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"ends in {', '.join(ENDINGS)} (default: it is printed); another file is never replaced",
    )
    return parser
