"""What the fuzz tests share: mutants, how many, and the bounds that a reader must keep."""

import os
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("CL_BENCH_FUZZ", "100"))  # of each test
SECONDS, BYTES = 10, 2**27  # of the processor and of memory, that reading one small file may take

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize="CL_BENCH_FUZZ" not in os.environ,  # `make test` tries the same mutants each time
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

few = settings(fuzzed, max_examples=max(1, EXAMPLES // 4))  # where one takes a tenth of a second


@contextmanager
def bounded() -> Iterator[None]:
    """Fail where this takes too long or too much memory."""

    def late(*_: Any) -> None:
        raise KeyboardInterrupt(
            f"not done after {SECONDS} s"
        )  # no reader turns this into an error of its own

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    tracemalloc.start(1)
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@st.composite
def bytes_near(draw: st.DrawFn, original: bytes) -> bytes:
    """The original after a few cuts, insertions, repetitions and changes of bytes."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["change", "number", "cut", "remove", "insert", "repeat"])):
            case "change" if at < len(content):
                content[at] = draw(st.integers(0, 255))
            case "number":  # a length or a size, most likely
                content[at : at + 4] = draw(st.sampled_from([b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"]))
            case "cut":
                del content[at:]
            case "remove":
                del content[at : at + draw(st.integers(1, 16))]
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "repeat":
                content[at:at] = content[at : at + draw(st.integers(1, 64))]
    return bytes(content)
