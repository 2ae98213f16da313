"""Endings of a run by the code of a strategy, plugin or data set: each ends that run alone."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from cl_bench.runner.stopped import Stopped


class RunEndedError(RuntimeError):
    """Code of a run ended it by something else than an error, such as sys.exit()."""


def described(error: BaseException) -> str:
    """Return the type and message of whatever was raised."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__}: its message cannot be shown"


def is_interruption(error: BaseException) -> bool:
    """Whether somebody stopped the process, by Ctrl-C or a signal."""
    return type(error) is KeyboardInterrupt or isinstance(error, Stopped)


@contextmanager
def ends_alone() -> Iterator[None]:
    """Let whatever is raised be an error of this run, and not the end of the process and its other runs.

    Ctrl-C and a signal to stop pass.

    Raises:
        RunEndedError: for sys.exit, os._exit, and whatever else is no Exception.
    """
    try:
        with _exit_raises():
            yield
    except Exception:
        raise
    except BaseException as error:
        if is_interruption(error):
            raise
        raise RunEndedError(f"the run was ended by {described(error)}, raised by code of the run") from error


@contextmanager
def _exit_raises() -> Iterator[None]:
    """Let os._exit of this thread raise an error meanwhile; that of a child process ends the child."""
    leave, process, thread = os._exit, os.getpid(), threading.get_ident()

    def refused(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) != (process, thread):
            leave(status)
        raise RunEndedError(f"the run was ended by os._exit({status}), called by code of the run")

    os._exit = refused
    try:
        yield
    finally:
        os._exit = leave
