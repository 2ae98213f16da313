"""What a terminal shows while something is going on: one line on standard error, cleared at its end.

A notebook shows it below its cell. Where standard error is neither, nothing is written.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

FIRST_ESTIMATE_SECONDS = 2.0  # of work, before the time left is told
NARROW = 60  # columns; below there is room for numbers, and none for a bar


class Bar:
    """A bar with the time left, which is told as soon as there is something to judge it by.

    Args:
        total: of the work, in any unit.
        label: before the bar; cut where it would take more than a quarter of the line.
        count: how far it is, in tqdm's words, such as `{n:.0f} of {total:.0f} runs`; empty for none.
        hidden: True for no bar; None: where there is nobody to look at one, see `is_looked_at`.

    Attributes:
        narrow: whether the terminal has room for a few numbers only.
    """

    def __init__(self, *, total: float, label: str, count: str = "", hidden: bool | None = None) -> None:
        self._began: tuple[float, float] | None = None  # when, and with how much done
        self._free = 0.0
        self._count = count
        self.narrow = _columns() < NARROW
        self._bar = tqdm(
            total=float(total),
            desc=_cut(label, _columns() // 4),
            disable=not is_looked_at() if hidden is None else hidden,
            leave=False,
            ncols=_room(),
            bar_format=self._format(""),
        )

    @property
    def hidden(self) -> bool:
        return bool(self._bar.disable)

    def show(self, done: float, note: str = "", *, free: float = 0.0) -> None:
        """Say how much of the total is done, and a note behind it. What is `free` of it was there before, and
        tells nothing of the time that the rest takes.
        """
        if self.hidden:
            return
        if self._began is None:
            self._began = time.monotonic(), done - free
        self._free = free
        self._bar.bar_format, self._bar.ncols = self._format(note), _room()
        self._bar.update(done - self._bar.n)
        if done >= self._bar.total:
            self._bar.refresh()  # it would not show that it is full, where the last update was a moment ago

    def refresh(self) -> None:
        """Show the newest note at once."""
        if not self.hidden:
            self._bar.refresh()

    def close(self) -> None:
        """Clear the line, with what was typed behind it."""
        hidden = self.hidden  # a closed bar says that it is
        self._bar.close()
        if not hidden:
            print("\033[K", end="", file=sys.stderr, flush=True)

    def _format(self, note: str) -> str:
        gauge, elapsed = ("", "") if self.narrow else ("|{bar}|", "{elapsed}")
        behind = [self._count, elapsed + self._left(), note.replace("{", "{{").replace("}", "}}")]
        return f"{{desc}}: {{percentage:3.0f}}%{gauge} " + ", ".join(filter(None, behind))

    def _left(self) -> str:
        if self._began is None:
            return ""
        since, before = self._began
        done, seconds = self._bar.n - before - self._free, time.monotonic() - since
        if done <= 0 or seconds < FIRST_ESTIMATE_SECONDS:
            return ""
        return "<" + tqdm.format_interval(seconds * (self._bar.total - self._bar.n) / done)


@contextmanager
def busy(what: str, *, hidden: bool = False) -> Iterator[None]:
    """Say on a terminal what is going on meanwhile."""
    if hidden or not is_looked_at():
        yield
        return
    print(f"\r{_cut(what, _columns() - 5)} ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def is_looked_at() -> bool:
    """Whether standard error is a terminal, or the output of a notebook's cell."""
    stream = sys.stderr
    is_notebook = type(stream).__module__.partition(".")[0] == "ipykernel"
    return is_notebook or (stream is not None and not stream.closed and stream.isatty())


def _room() -> int:
    """Columns of a bar: behind it the terminal must have room to echo ^C, or the line would break in two."""
    return max(_columns() - 3, 1)


def _columns() -> int:
    """Columns of the terminal behind standard error; 80 where it does not tell.

    Standard output may be a file.
    """
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):  # no terminal, closed, or somebody's own stream
        return 80


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
