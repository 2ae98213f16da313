"""`cl-bench plot KIND DIR...`: one kind of figure."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any

from cl_bench.analysis.intervals import INTERVALS
from cl_bench.records.errors import AnalysisError
from cl_bench.records.row_files import RecordsError
from cl_bench.records.text import one_line, reason
from cl_bench.report.figure_kinds import KINDS
from cl_bench.report.figure_options import tasks_of
from cl_bench.report.plot import plot

_PLACES = ("kind", "folders", "output")
_CHOICES: dict[str, dict[str, Any]] = {
    "methods": {
        "action": "append",
        "metavar": "A,B*",
        "help": "names, strategies (all their variants) or patterns, in this order (default: all)",
    },
    "labels": {
        "action": "append",
        "metavar": "NAME=LABEL",
        "help": 'what a method or strategy is called: "bayesbinn=BayesBiNN (ours)"; may be given again',
    },
    "benchmarks": {
        "action": "append",
        "metavar": "A,B*",
        "help": "names or patterns: those drawn, or in a figure over benchmarks (default: all)",
    },
    "metric": {
        "metavar": "NAME",
        "help": "what is drawn: a metric of summary.csv; for forgetting and heatmap a column of records.csv, "
        "such as nll; for a comparison two, as in learning_accuracy,forgetting; over benchmarks also "
        "normalised_accuracy (finetune 0, joint 1)",
    },
    "cost": {
        "metavar": "A,B",
        "help": "of pareto, a panel each: stored_bits, deployed_bits, predicting_bits, gradient_evaluations, "
        "training_seconds",
    },
    "tasks": {"type": tasks_of, "metavar": "1,5,mean", "help": "the panels (default: all, or some of many)"},
    "against": {"metavar": "NAME", "help": "of improvement: the method that is compared with each other one"},
    "interval": {
        "choices": [*INTERVALS],
        "help": "over seeds: Student's t (95 %%, the default), standard error, quartiles around the median",
    },
    "ylim": {
        "nargs": 2,
        "type": float,
        "metavar": ("LOW", "HIGH"),
        "help": "ends of the vertical axis, or of a heatmap's colours, as drawn (percent)",
    },
    "title": {"metavar": "TEXT", "help": "in the place of the benchmark's name"},
    "width": {
        "type": float,
        "metavar": "INCHES",
        "help": "of the figure (default: 7.2, a page's text; 3.3 is a column of two)",
    },
    "height": {"type": float, "metavar": "INCHES", "help": "of the figure (default: what its panels need)"},
}


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
        chosen = {name: getattr(options, name) for name in vars(options) if name not in _PLACES}
        made = plot(options.kind, *options.folders, output=options.output, **chosen)
    except (AnalysisError, RecordsError, OSError) as error:
        print(f"cl-bench: {reason(error)}", file=sys.stderr)
        return 2 if options.kind not in KINDS else 1
    for note in made.notes:
        print(f"note: {note}")
    several = len(set(made.titles)) > 1
    for path, title in zip(made.paths, made.titles, strict=True):
        print(f"{one_line(path)}  ({one_line(title)})" if several else one_line(path))
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
    look = parser.add_argument_group("what is shown, and how")
    for name, settings in _CHOICES.items():
        look.add_argument(f"--{name}", **settings)
    look.add_argument("--no-title", dest="title", action="store_const", const="", help="as papers want it")
    return parser
