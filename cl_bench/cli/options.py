"""What verbs with an argparse parser share."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

from cl_bench.records.text import reason


def with_options(parser: ArgumentParser, arguments: Sequence[str], work: Callable[[Namespace], int]) -> int:
    """Return the exit status of the work; 2 for a wrong command line, 1 and one line for an error."""
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return work(options)
    except (ValueError, ArithmeticError, OSError, RuntimeError) as error:
        print(f"cl-bench: {reason(error)}", file=sys.stderr)
        return 1
