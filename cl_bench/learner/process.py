"""What a process that trains should be set to."""

import ctypes
import os
import sys

import torch

from cl_bench.deferred import is_compiler_read

KEEP_BYTES = 2**30
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def prepare_process(*, threads: int, precision: str, deterministic: bool = True) -> None:
    """Set torch's threads and arithmetic, and let the C library keep freed memory for the next step.

    `tf32` lets float32 matrix products and convolutions on a GPU use TensorFloat-32. `deterministic` has
    torch take algorithms that give the same bits each time; an operation that has none on a GPU warns, and is
    done all the same.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
    if is_compiler_read():
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
    else:  # the same, but for the compiler, which is told when it is read
        torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # sharp relaxations are full of denormal numbers, which are slow
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"  # torch's default is true, for convolutions alone
    _keep_freed_memory()


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
