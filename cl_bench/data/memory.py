"""Check that an array can fit into this machine's memory, before it is made."""

import os

from cl_bench.data.image_data import DataError


def check_fits(num_bytes: int, *, what: str, remedy: str) -> None:
    """Refuse what is larger than all of the machine's memory: the system would end the process unsaid.

    Raises:
        DataError: with the memory that `what` needs and that there is, and what to do.
    """
    there = physical_memory()
    if there is not None and num_bytes > there:
        raise DataError(
            f"{what} must fit into memory, got {num_bytes / 1e9:,.0f} GB on a machine of "
            f"{there / 1e9:,.0f} GB; {remedy}"
        )


def physical_memory() -> int | None:
    """Return the bytes of memory in this machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has none of it
        return None
