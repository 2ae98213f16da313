"""What the tests of strangers' files share: a finished results folder, made without training."""

import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hostile.folders import write_base

from cl_bench.figures.parallel import Drawn
from cl_bench.report.build import Report, report

WAIT, SECONDS = 120, 20  # of the clock, and of the processor
BYTES = 2**30


class TooLateError(BaseException):
    """Something waits or works for long. No reader makes an error of its own of it."""


@pytest.fixture(scope="session")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    report(write_base(folder / "first"))  # imports what it needs, which is no part of what a test may take
    return write_base(folder / "results")


@pytest.fixture
def base(_base: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test, with the runs `folders.GOOD` and `folders.BAD`."""
    return Path(shutil.copytree(_base, tmp_path / "results"))


@pytest.fixture(autouse=True)
def _bounded(_base: Path) -> Iterator[None]:
    """Fails where something waits, works for long, or takes much memory more than there is in use."""

    def late(*_: Any) -> None:
        raise TooLateError

    signals = {each: signal.signal(each, late) for each in (signal.SIGALRM, signal.SIGPROF)}
    signal.alarm(WAIT)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    memory = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, memory[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, memory)
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_PROF, 0)
    for each, before in signals.items():
        signal.signal(each, before)


@pytest.fixture
def tables_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Report]:
    """`report` without figures, which take most of its time."""
    monkeypatch.setattr(
        "cl_bench.figures.parallel.started", lambda drawings, strict: nullcontext(lambda: Drawn([], []))
    )
    return report
