"""`cl-bench`, also as `python -m cl_bench`."""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import IOBase
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
    for file in _open_files():
        with suppress(OSError, ValueError):
            file.flush()
    os._exit(status)


def _open_files() -> Iterator[IOBase]:
    """All files of Python: of one that a plugin never closes, the last lines wait in memory."""
    for each in gc.get_objects():
        if issubclass(type(each), IOBase) and not each.closed:
            yield each


if __name__ == "__main__":
    program()
