"""What a process that trains should be set to."""

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cl_bench.deferred import is_compiler_read
from cl_bench.learner.seeds import global_generators_restored

KEEP_BYTES = 2**30
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def prepare_process(*, threads: int, precision: str, deterministic: bool = True) -> None:
    """Set torch's threads and arithmetic, and let the C library keep freed memory for the next step.

    `tf32` lets float32 matrix products and convolutions on a GPU use TensorFloat-32. `deterministic` has
    torch take algorithms that give the same bits each time; an operation that has none on a GPU warns, and is
    done all the same.
    """
    if deterministic:
        os.environ.setdefault(WORKSPACE, ":4096:8")  # cuBLAS reads it when it starts
    _set_determinism(1 if deterministic else 0)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # sharp relaxations are full of denormal numbers, which are slow
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"  # torch's default is true, for convolutions alone
    _keep_freed_memory()


def _set_determinism(level: int) -> None:
    """Have torch take algorithms that give the same bits: 0 for no matter, 1 or a warning, 2 or an error."""
    if is_compiler_read():
        torch.use_deterministic_algorithms(level > 0, warn_only=level < 2)
    else:  # the same, but for the compiler, which is told when it is read
        torch.set_deterministic_debug_mode(level)


@contextmanager
def process_restored() -> Iterator[None]:
    """Put back afterwards what a run sets of its process, as whoever calls one from Python expects.

    That is what `prepare_process` sets, the filters of warnings, and the global generators. What the C
    library keeps of freed memory can be read nowhere, and stays.
    """
    threads, level = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    precision, tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    flushes, workspace = _flushes_denormal(), os.environ.get(WORKSPACE)
    try:
        with warnings.catch_warnings(), global_generators_restored():
            yield
    finally:
        torch.set_num_threads(threads)
        _set_determinism(level)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = tf32
        torch.set_flush_denormal(flushes)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def _flushes_denormal() -> bool:
    """Whether the processor takes numbers below the smallest normal one for 0; torch sets it, and has no name
    for asking.
    """
    smallest = sys.float_info.min
    return smallest / 2 == 0


def _keep_freed_memory() -> None:
    """Let the C library keep the memory of tensors that every step allocates again.

    By default glibc gives large ones back to the system each time. Taking their pages again costs faults:
    20,000 of them, and a third of the time, in a step of the small CNN.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)
            mallopt(M_MMAP_THRESHOLD, KEEP_BYTES)
