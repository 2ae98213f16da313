"""Images as people have them -> uint8 [N, C, H, W]; refused where more than one reading is possible."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cl_bench.data.image_data import DataError

UNIT, BYTES = "[0, 1]", "0..255"
# what to set; features out of [0, 1] need the second setting, too
AS_FEATURES = (
    "as features: benchmark.dataset.features=true benchmark.pixels=standardised, or raw (in Python "
    "features=True)"
)
ROUNDING = 1e-6  # by so much floats may lie outside [0, 1]: a resize or a division leaves it
CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
CHUNK = 2**24  # values that are looked at together: a copy of all images as floats need not fit into memory


class Values(NamedTuple):
    """What the pixels of one part are."""

    unit: str  # UNIT or BYTES
    highest: float


def values_of(images: np.ndarray, *, what: str) -> Values:
    """Return the unit of the pixels.

    Truth values and floats in [0, 1] are UNIT; whole numbers in 0..255 are BYTES, whatever their type.

    Raises:
        DataError: for any other values: their unit cannot be told.
    """
    kind = images.dtype.kind
    if images.dtype == np.uint8:
        return Values(BYTES, float(images.max(initial=0)))
    if kind not in "biuf":
        raise DataError(f"{what} must be numbers, got {images.dtype}; decode the images first")
    if images.size == 0:
        return Values(BYTES, 0.0)
    lowest, highest = float(images.min()), float(images.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        bad = sum(int((~np.isfinite(part)).sum()) for part in _chunks(images))
        raise DataError(
            f"{what} must be finite, got {bad:,} pixels that are nan or infinite; replace or remove them"
        )
    if kind == "b":
        return Values(UNIT, highest)
    if kind == "f" and lowest >= -ROUNDING and highest <= 1 + ROUNDING:
        return Values(UNIT, highest)
    got = f"{images.dtype} from {lowest:.6g} to {highest:.6g}"
    rule = f"{what} must be whole numbers 0..255 or floats in [0, 1]"
    if lowest < 0 and kind == "f":
        raise DataError(
            f"{rule}, got {got}; give them as they were before they were standardised "
            f"(benchmark.pixels=standardised does that), or {AS_FEATURES}"
        )
    if lowest < 0 or highest > 255:
        raise DataError(
            f"{rule}, got {got}; scale them, such as 16 bits a channel by 255 / 65535, or keep them as they "
            f"are, {AS_FEATURES}"
        )
    if kind == "f" and not all((part == np.rint(part)).all() for part in _chunks(images)):
        raise DataError(
            f"{rule}, got {got} with fractions; round them, divide by what white is in them, or keep them as "
            f"they are, {AS_FEATURES}"
        )
    return Values(BYTES, highest)


def as_bytes(images: np.ndarray, values: Values) -> np.ndarray:
    """Return the images in 0..255, uint8: UNIT times 255, rounded; BYTES as they are."""
    if images.dtype == np.uint8:
        return images
    if values.unit == BYTES:
        return images.astype(np.uint8)
    as_uint8 = np.empty(images.shape, np.uint8)
    for part, into in zip(_chunks(images), _chunks(as_uint8), strict=True):
        into[...] = np.rint(part.astype(np.float32).clip(0, 1) * 255)
    return as_uint8


def check_one_unit(train: Values, test: Values | None = None, *, what: str) -> None:
    """Refuse training images in [0, 1] beside test images in 0..255, or the reverse."""
    if test is None:
        return
    pair = train.highest, test.highest
    if train.unit != test.unit or (1 in pair and max(pair) > 1):
        raise DataError(
            f"{what} must have one unit, got {train.unit} up to {pair[0]:g} and {test.unit} up to "
            f"{pair[1]:g}; scale both alike"
        )


def channels_first(images: np.ndarray, *, what: str, channels_last: bool | None) -> np.ndarray:
    """Return the images as [N, C, H, W]; [N, H, W] has one channel.

    Args:
        channels_last: whether the last axis is the channels; None: by the shape, where only one reading is
            a picture.

    Raises:
        DataError: for another number of axes, or a shape that can be read in two ways.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise DataError(
            f"{what} must be [N, C, H, W], [N, H, W] or [N, H, W, C], got {list(images.shape)}; reshape them"
        )
    if channels_last is None:
        channels_last = _channels_are_last(images.shape[1:], what=what)
    return images.transpose(0, 3, 1, 2) if channels_last else images


def _channels_are_last(shape: tuple[int, ...], *, what: str) -> bool:
    """Whether a picture of this shape has its channels in the last axis."""
    first, middle, last = shape
    square_first, square_last = middle == last, first == middle
    if first == 1 or (square_first and not square_last):
        return False
    if last in CHANNELS and first not in (2, *CHANNELS):
        return True
    looks_last = square_last or last < min(first, middle)
    if looks_last or not (first in (2, *CHANNELS) or first < min(middle, last)):
        raise DataError(
            f"{what} must tell where their channels are, got {[*shape]} for an image, which can be read as "
            "[C, H, W] and [H, W, C]; give ImageData(..., channels_last=True) or False"
        )
    return False


def _chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, CHUNK // max(1, array[:1].size))
    for start in range(0, len(array), step):
        yield array[start : start + step]
