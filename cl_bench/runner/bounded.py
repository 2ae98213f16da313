"""A bound on the memory that this process may ask for: an error where the system would kill it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS, MEMORY = Path("/proc/self/status"), Path("/proc/meminfo")
GPU = Path("/dev/nvidiactl")  # whose driver maps far more into a process than it uses
SPARED = 2**28  # bytes, for all else that the machine does


@contextmanager
def within_memory() -> Iterator[None]:
    """Refuse what does not fit into the memory that is free now.

    It has no effect where the system does not tell, or has a GPU.

    Raises:
        ValueError: where more was asked for.
    """
    memory = None if GPU.exists() else _used_and_free()
    if memory is None:
        yield
        return
    import resource

    used, free = memory
    most, (before, hard) = used + free - SPARED, resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise ValueError(
                f"cannot do this run: it needs more memory than the {free / 1e9:,.1f} GB that are free"
            ) from error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def _used_and_free() -> tuple[int, int] | None:
    """Return the bytes of data that this process has, and the free ones; None where nobody tells."""
    try:
        return _bytes(STATUS, "VmData:"), _bytes(MEMORY, "MemAvailable:")
    except (OSError, ValueError, StopIteration):
        return None


def _bytes(path: Path, name: str) -> int:
    lines = path.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
