"""Signals to stop (Ctrl-C, SIGTERM, a cluster's warning) wait for the end of a step and a checkpoint.

Then they take their usual course. Between tasks they do so at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from cl_bench.deferred import deferred
from cl_bench.runner.stopped import Stopped

with deferred():
    from avalanche.core import SupervisedPlugin

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)  # the last is how submitit warns of a time limit


class Stopping(SupervisedPlugin):
    """A plugin that holds a signal back while a strategy takes steps; a second one is not held back."""

    def __init__(self) -> None:
        super().__init__()
        self._in_steps = False
        self._pending: tuple[int, FrameType | None] | None = None
        self._previous: dict[int, Any] = {}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals meanwhile; only a main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        try:
            for signum in SIGNALS:
                self._previous[signum] = signal.signal(signum, self._handle)
            yield
        finally:
            for number, previous in self._previous.items():
                signal.signal(number, previous)
        if self._pending is not None:  # it came with the last step
            signal.raise_signal(self._pending[0])

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._in_steps = True

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._in_steps = False

    @property
    def asked(self) -> bool:
        """Whether a signal is held back."""
        return self._pending is not None

    def stop(self) -> None:
        """Let a signal that was held back take its course, which may be to continue."""
        if self._pending is not None:
            (signum, frame), self._pending = self._pending, None
            self._take_course(signum, frame)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._in_steps and self._pending is None:
            self._pending = signum, frame
        else:
            self._take_course(signum, frame)

    def _take_course(self, signum: int, frame: FrameType | None) -> None:
        previous = self._previous[signum]
        if callable(previous):
            previous(signum, frame)
        elif signum == signal.SIGTERM and previous == signal.SIG_DFL:
            raise Stopped(signum)  # the run says so in its folder, and other runs of the process end as well
        elif previous == signal.SIG_DFL:
            signal.signal(signum, previous)
            signal.raise_signal(signum)
