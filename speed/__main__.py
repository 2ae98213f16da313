"""`python -m speed`, the command; see its --help."""

import sys
import warnings

from cl_bench.runner.assembly import NOISE


def main() -> int:
    # Avalanche and torch speak of things that nothing here uses, the first of them when imported
    warnings.filterwarnings("ignore", message=NOISE)
    from speed.measuring import measure

    return measure()


sys.exit(main())
