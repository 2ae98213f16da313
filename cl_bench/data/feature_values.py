"""Features as people have them (rows of a table, outputs of a network) -> float32 [N, C, H, W]."""

from collections.abc import Iterator

import numpy as np

from cl_bench.data.image_data import DataError
from cl_bench.data.pixels import channels_first

EXACT = 2**24  # whole numbers up to it are floats of 32 bits, each one
CHUNK = 2**24  # values that are looked at together


def as_features(array: np.ndarray, *, what: str, channels_last: bool | None) -> np.ndarray:
    """Return the numbers as they are, float32 [N, C, H, W]; rows [N, D] become [N, D, 1, 1].

    An array that is so already is returned itself.

    Raises:
        DataError: for what is no number, and for a shape that has no single reading. Nan and infinite values
            are told with their count and first place.
    """
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} must be numbers, got {array.dtype}; encode text as numbers first")
    if array.ndim not in (2, 3, 4):
        raise DataError(
            f"{what} must be rows [N, D] or features [N, C, H, W], got {list(array.shape)}; reshape them"
        )
    rows = array[:, :, None, None] if array.ndim == 2 else array
    laid_out = channels_first(rows, what=what, channels_last=False if array.ndim == 2 else channels_last)
    if laid_out.size and array.dtype.kind == "f":
        _check_finite(array, what=what)
    with np.errstate(over="ignore"):
        floats = laid_out.astype(np.float32, copy=False)
    if array.dtype.itemsize > 4 and floats.size and not np.isfinite([floats.min(), floats.max()]).all():
        raise DataError(
            f"{what} must fit into floats of 32 bits, got values up to {np.abs(array).max():.3g}; scale them"
        )
    return array if floats is laid_out and laid_out is rows and rows is array else floats


def rounded_numbers(*arrays: np.ndarray) -> list[str]:
    """Tell that whole numbers, such as those of an index, are too large for floats of 32 bits."""
    whole = [array for array in arrays if array.dtype.kind in "iu" and array.size]
    if all(max(-int(array.min()), int(array.max())) <= EXACT for array in whole):
        return []
    return [
        f"whole numbers above {EXACT:,} were rounded to floats of 32 bits: is one of the columns an index?"
    ]


def _check_finite(array: np.ndarray, *, what: str) -> None:
    if np.isfinite([array.min(), array.max()]).all():  # nan spreads to both
        return
    count, first = 0, None
    for start, part in _chunks(array):
        bad = ~np.isfinite(part)
        count += int(bad.sum())
        if first is None and bad.any():
            row, *place = np.argwhere(bad)[0].tolist()
            first = [start + row, *place]
    raise DataError(
        f"{what} must be finite, got {count:,} {'value' if count == 1 else 'values'} that are nan or "
        f"infinite, the first at {first}; replace or remove them"
    )


def _chunks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    step = max(1, CHUNK // max(1, array[:1].size))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]
