"""`cl-bench`, also as `python -m cl_bench`."""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import IOBase
from typing import Any, NoReturn

from cl_bench.cli.main import main

MOST_TOOLS = 6  # of sys.monitoring


def program() -> NoReturn:
    """Run the command, and end its process.

    The process ends as Python's own do, but for one thing: memory goes back at once. To free all that torch
    holds, object by object, takes longer than a short run trains.
    """
    status = main()
    if _is_watched():
        sys.exit(status)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for file in (sys.stdout, sys.stderr, *_files()):
        with suppress(Exception):  # it may be closed, None, or of any other kind
            file.flush()
    os._exit(status)


def _is_watched() -> bool:
    """Whether a profiler or a debugger has something to say at the end."""
    monitoring = getattr(sys, "monitoring", None)  # of Python 3.12, which cProfile and others use
    tools = map(monitoring.get_tool, range(MOST_TOOLS)) if monitoring else ()
    return bool(sys.getprofile() or sys.gettrace() or any(tools))


def _files() -> Iterator[Any]:
    """Yield all files of Python: of one that a plugin never closes, the last lines wait in memory."""
    kind: Any = IOBase.__base__  # of every file, and asked in a third of the time: it is no abstract class
    return (each for each in gc.get_objects() if issubclass(type(each), kind))


if __name__ == "__main__":
    program()
