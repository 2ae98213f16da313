"""What to do when a device's memory is too small."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

ADVICE = (
    "lower training.test_batch_size (it changes no result) or training.batch_size (it does), train seeds one "
    "after another with training.stacked=false, or take training.precision=bfloat16"
)

# of RuntimeErrors: on a CPU, of CUDA itself, of cuBLAS and cuDNN
AS_PLAIN_ERRORS = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")


class DeviceMemoryError(RuntimeError):
    """The memory of a GPU, or of the machine, is too small; the message names the settings to change."""


def with_advice(work: Callable[Given, Result]) -> Callable[Given, Result]:
    """Wrap work so that it raises a DeviceMemoryError where it runs out of memory."""

    @wraps(work)
    def advised(*arguments: Given.args, **settings: Given.kwargs) -> Result:
        try:
            return work(*arguments, **settings)
        except (MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            reason = (" ".join(str(error).split()) or "MemoryError")[:200]
            raise DeviceMemoryError(f"out of memory: {ADVICE}, got: {reason}") from error

    return advised


def is_memory(error: Exception) -> bool:
    """Whether an error says that a memory is too small."""
    import torch

    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in AS_PLAIN_ERRORS)
