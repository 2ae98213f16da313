"""Arrays as people have them (numpy, torch, lists, columns of tables) -> numpy."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cl_bench.data.image_data import DataError, one_line


def as_array(value: Any, *, what: str) -> np.ndarray:
    """Return `value` as an array in this machine's byte order, shared where it is one already.

    Raises:
        DataError: for what is no array of numbers, truth values or names; `what` names it in words.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise DataError(f"{what} must have no masked values, got {value.mask.sum():,}; fill them")
    try:
        if isinstance(value, list | tuple) and value and all(isinstance(each, Tensor) for each in value):
            value = torch.stack(list(value))
        array = _of_tensor(value) if isinstance(value, Tensor) else np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # unequal lengths, sparse or quantised tensors
        raise DataError(f"{what} must be one array, got {_kind(value)} ({one_line(error)})") from error
    if array.dtype.kind == "O" and array.ndim == 1 and all(isinstance(each, str) for each in array):
        array = array.astype(str)
    if array.dtype.kind not in "biufU" or array.ndim == 0:
        raise DataError(f"{what} must be an array of numbers, got {_kind(value)}; give numpy or torch arrays")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_tensor(array: np.ndarray) -> Tensor:
    """Return the array as a tensor that may be written to, without a copy where that is possible."""
    whole = np.ascontiguousarray(array)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())


def _of_tensor(value: Tensor) -> np.ndarray:
    dense = value.detach().cpu()
    return (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()


def _kind(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ if dtype is None else f"{type(value).__name__} of {dtype}"
