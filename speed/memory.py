"""How much memory tensors take while a work is done."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from speed.clock import Work

MIB = 2**20


def peak_extra_bytes(work: Work, device: torch.device) -> int:
    """Return the most bytes that tensors on `device` took at once during the work, beyond those before it.

    On a CPU every allocation of torch is followed: the memory of the process would show what the C library
    keeps for later, too.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with _quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    assert profiler.profiler is not None
    events = profiler.profiler.kineto_results.events()
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in events
        if event.name() == "[memory]" and event.device_type() == DeviceType.CPU
    )
    total = peak = 0
    for _, change in changes:
        total += change
        peak = max(peak, total)
    return peak


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what torch's profiler writes to the error stream about itself."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a descriptor is wanted)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
