"""`cl-bench`, also as `python -m cl_bench`."""

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from cl_bench.cli import main


def program() -> NoReturn:
    """The command, and the end of its process.

    The process ends as Python's own do, but for one thing: memory goes back at once. To free all that torch
    holds, object by object, takes longer than a short run trains.
    """
    status = main()
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    program()
