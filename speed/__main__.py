"""`python -m speed`, the command; see its --help."""

import sys
import warnings


def main() -> int:
    # Avalanche and torch speak of things that nothing here uses, the first of them when imported
    warnings.filterwarnings(
        "ignore", message="no QP solver found|No loggers specified|grad and param do not obey"
    )
    from speed.measuring import measure

    return measure()


sys.exit(main())
