"""`cl-bench cost RUN...`: what the predictions of methods take, counted; and their energy by a table."""

import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.cli.cost_tables import Method, rows_of, text
from cl_bench.cli.options import with_options
from cl_bench.records.text import lines_of, one_line, reason

if TYPE_CHECKING:
    from cl_bench.records.runs import Run

ABOUT = """Count what the prediction of one example takes, for each method of the runs below the folders:
multiply-adds by torch's flop counter, additions where weights are -1 and +1, and binary operations where
inputs are binary, too. Beside them stand the bits that are read and kept, the weights that flip in a task,
and an estimate of the energy by a published table. The network is built again; nothing is trained or
timed."""


def main(arguments: Sequence[str]) -> int:
    """Print what runs cost. The exit status is 0; 1 where one cannot be counted; 2 for a wrong command."""
    parser = ArgumentParser(prog="cl-bench cost", description=ABOUT)
    parser.add_argument("folders", metavar="RUN", nargs="+", help="a run, a study or a results folder")
    parser.add_argument(
        "--trust", action="store_true", help="build classes, too, that no installed package names"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write the first table, too; ends in .csv"
    )
    return with_options(parser, arguments, _cost)


def _cost(options: Namespace) -> int:
    from cl_bench.runner.assembly import NOISE

    if options.output is not None and options.output.suffix != ".csv":
        raise ValueError(f"the file of a table must end in .csv, got {options.output}; rename it")
    warnings.filterwarnings("ignore", message=NOISE)
    found, failed = _methods(options.folders, trust=options.trust)
    for line in failed:
        print(f"cl-bench: {line}", file=sys.stderr)
    if found:
        print(text(found))
    if found and options.output is not None:
        import pandas as pd

        from cl_bench.records.atomic import write_whole
        from cl_bench.report.spreadsheet import csv

        rows = [row for method in found for row in rows_of(method)]
        print(f"\n{one_line(write_whole(options.output, csv(pd.DataFrame(rows))))}")
    return 1 if failed else 0


def _methods(folders: Sequence[str], *, trust: bool) -> tuple[list[Method], list[str]]:
    """The methods, and a line for each run or method of which nothing can be said."""
    from cl_bench.analysis.labels import with_methods
    from cl_bench.records.runs import read_runs
    from cl_bench.runner.cost import cost_of

    groups: dict[tuple[str, str, str], list[Run]] = {}
    failed = []
    for run in with_methods(read_runs(*folders))[0]:
        if run.status == "broken":
            failed.append(f"{run.name}: {lines_of(run.error)}")
        else:
            groups.setdefault((run.study, run.benchmark, run.method or run.strategy), []).append(run)
    methods = []
    for names, runs in groups.items():
        try:
            methods.append(Method(*names, runs, cost_of(runs[0].path, trust=trust)))
        except (ValueError, OSError, RuntimeError) as error:
            failed.append(reason(error))
    return methods, failed
