"""Commands at a terminal: a child with a pseudo-terminal, and what its screen shows at every moment."""

import gc
import os
import pty
import signal
import struct
import sys
import termios
import traceback
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from functools import cache
from importlib import import_module
from pathlib import Path

import pexpect
import pexpect.fdpexpect
import pyte

from cl_bench.cli.main import main

ROWS = 50
READ = 16  # characters at a time: the screen is looked at after each
TAKES_SECONDS = (
    *("avalanche.training", "pandas", "sklearn.datasets", "plotly.graph_objects", "cl_bench.strategies"),
    *("cl_bench.cli.run", "cl_bench.config.build", "cl_bench.runner.verify", "cl_bench.tuning.tune"),
    *("cl_bench.learner.process", "cl_bench.report.build", "cl_bench.figures", "cl_bench.testing"),
)
PATIENCE = 300  # seconds; a process of its own imports Avalanche, on a machine that may be busy


class Terminal:
    """A child with standard input, output and error on a terminal; see `command` and `forked`.

    Attributes:
        written: all that came, with its control sequences.
        screen: what a reader sees.
        most_lines: of the screen that had something on them, at any moment.
    """

    def __init__(self, child: pexpect.spawnbase.SpawnBase, *, columns: int, wait: Callable[[], int]) -> None:
        self._child, self._wait = child, wait
        self.written, self.most_lines = "", 0
        self.screen = pyte.HistoryScreen(columns, ROWS, history=10_000)
        self._stream = pyte.Stream(self.screen)

    def until(self, text: str) -> "Terminal":
        """Read on until a text was written.

        Raises:
            AssertionError: where it never is.
        """
        while text not in self.written:
            assert self._read(), f"{text!r} was never written: {self.written[-2000:]}"
        return self

    def press(self, key: str) -> "Terminal":
        """`c` is Ctrl-C."""
        self._child.send(chr(ord(key) - ord("a") + 1))
        return self

    def end(self) -> int:
        """Wait for the end, and return the status as a shell has it."""
        while self._read():
            pass
        return self._wait()

    @property
    def lines(self) -> list[str]:
        """What is to be read in the end, without empty lines."""
        above = ["".join(line[column].data for column in sorted(line)) for line in self.screen.history.top]
        return [line.rstrip() for line in [*above, *self.screen.display] if line.strip()]

    def _read(self) -> bool:
        try:
            part = self._child.read_nonblocking(READ, timeout=PATIENCE)
        except (pexpect.EOF, OSError):
            return False
        self.written += part
        self._stream.feed(part)
        self.most_lines = max(self.most_lines, sum(map(_shows, self.screen.buffer.values())))
        return True


def command(
    arguments: Sequence[str] | str,
    *,
    cwd: Path,
    columns: int = 100,
    env: Mapping[str, str] | None = None,
    program: Sequence[str] = (sys.executable, "-m", "cl_bench"),
) -> Terminal:
    """`cl-bench`, or another program, with these arguments in a new process."""
    first, *rest = [*program, *([arguments] if isinstance(arguments, str) else arguments)]
    child = pexpect.spawn(
        first,
        rest,
        dimensions=(ROWS, columns),
        cwd=str(cwd),
        env={**_environment(), **(env or {})},
        encoding="utf-8",
        codec_errors="replace",
        timeout=PATIENCE,
        preexec_fn=_listen_to_ctrl_c,
    )

    def wait() -> int:
        child.close()
        return child.exitstatus if child.signalstatus is None else 128 + child.signalstatus

    return Terminal(child, columns=columns, wait=wait)


def forked(arguments: Sequence[str], *, columns: int = 100) -> Terminal:
    """The same in a fork of this process, which has imported all that this one has."""
    import_all()
    number, descriptor = pty.fork()
    if number == 0:
        _be_the_command(arguments, columns)
    child = pexpect.fdpexpect.fdspawn(descriptor, encoding="utf-8", codec_errors="replace", timeout=PATIENCE)

    def wait() -> int:
        _, status = os.waitpid(number, 0)
        child.close()
        return os.waitstatus_to_exitcode(status)

    return Terminal(child, columns=columns, wait=wait)


def status_of(arguments: Sequence[str]) -> int:
    """In the place of `main`: at a terminal, where nothing may be left of a bar, and no traceback shown."""
    terminal = forked(arguments)
    status = terminal.end()
    assert "Traceback" not in terminal.written, terminal.written
    left = [line for line in terminal.lines if "%|" in line or "loading torch" in line]
    assert not left, left
    return status


def _shows(line: Mapping[int, pyte.screens.Char]) -> bool:
    """Whether there is anything to see on a line; `display`, asked for at each read, is far slower."""
    return any(cell.data.strip() for cell in line.values())


@cache
def import_all() -> None:
    """Import what takes seconds, so that no fork does it again, nor copies it in a collection of garbage."""
    for name in TAKES_SECONDS:
        import_module(name)
    gc.collect()
    gc.freeze()


def _be_the_command(arguments: Sequence[str], columns: int) -> None:
    status = 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        os.environ.update(_environment())
        sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
        status = main(arguments)
    except SystemExit as left:  # Hydra's --help
        status = left.code if isinstance(left.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _listen_to_ctrl_c() -> None:
    """What is started in the background, as a script or a test may be, ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _environment() -> dict[str, str]:
    without = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**without, "TERM": "xterm-256color"}
