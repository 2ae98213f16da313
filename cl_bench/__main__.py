"""`python -m cl_bench` is `cl-bench`."""

import sys

from cl_bench.cli import main

sys.exit(main())
