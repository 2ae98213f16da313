"""Verbs with an argparse parser."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

from cl_bench.records.text import lines_of


def with_options(parser: ArgumentParser, arguments: Sequence[str], work: Callable[[Namespace], int]) -> int:
    """The exit status of the work; 2 for a wrong command line, 1 and one line where something went wrong."""
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return work(options)
    except (ValueError, ArithmeticError, OSError, RuntimeError) as error:
        print(f"cl-bench: {lines_of(error)}", file=sys.stderr)
        return 1
