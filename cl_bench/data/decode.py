"""Image files -> one uint8 array."""

import io
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from cl_bench.data.image_data import DataError, one_line
from cl_bench.data.memory import check_fits
from cl_bench.records.atomic import read_whole

# Named, since Pillow can also open formats that start other programs.
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
GREYSCALE = ("1", "L", "LA")
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of 16 bits of grey
DEEPER = ("I", "F")  # of 32 bits; Pillow has 16 bits of grey in PPM files, and in PNG of old, as I
FILM = ("GIF", "PNG", "TIFF", "WEBP")  # a JPEG's further images are small or half a stereo pair
MOST_BYTES = 2**28  # of one file
MOST_PIXELS = 89_478_485  # of one image: from there on Pillow speaks of a bomb
ANY_PIXELS = 2**31  # of all images, of whatever size their files are
PIXELS_PER_BYTE = 100  # of more than that: pixels that a byte of their files may stand for; a JPEG's has 4
ORIENTATION = 0x0112  # of EXIF: which way up the camera was held
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

TRANSPARENT = "with transparency, shown on white"
TURNED = "turned upright, as EXIF orientation says"
SIXTEEN = "of 16 bits a channel, read with 8"
FIRST_FRAME = "of several frames, of which the first is read"


class Decoded(NamedTuple):
    """All images, uint8 [N, C, H, W], and how many of them were of which kind that is worth telling."""

    images: Tensor
    told: Counter[str]


def decode(
    images: Sequence[tuple[str, bytes | str | Image.Image]], *, size: int | None, title: str
) -> Decoded:
    """Decode (name for errors, file) pairs to uint8 [N, C, H, W]: C is 1 if all are greyscale, else 3 (RGB).

    A file is its bytes, its path, or an image that Pillow has opened.

    Images are turned upright by their EXIF orientation, transparency is laid on white, and 16 bits a
    channel become 8. The first of several frames is taken. The counts tell of it.

    Args:
        images: in the order of the result.
        size: width and height, in pixels, to which every image is resized (bilinear, the aspect is lost);
            None: all must be of the first one's size.
        title: of the progress bar and of errors that name no image.

    Raises:
        DataError: for an unusable image, which it names.
    """
    array: np.ndarray | None = None  # [N, channels, height, width]
    counts: Counter[str] = Counter()
    claimed, first = _Claimed(), ""
    for index, (name, file) in enumerate(tqdm(images, desc=title, unit="image", disable=None)):
        first = first or name
        expected = None if array is None or size is not None else array.shape[2:]
        pixels, about = _pixels(name, file, size=size, expected=expected, first=first, claimed=claimed)
        counts.update(about)
        if array is None:
            array = _empty((len(images), *pixels.shape), title)
        if pixels.shape[0] > array.shape[1]:  # the first colour image after grey ones
            check_fits(3 * array.size, what=f"{title}: images", remedy="give a smaller size")
            array = array.repeat(3, axis=1)
        array[index] = pixels  # a grey image fills all three channels
    if array is None:
        raise DataError(f"cannot read {title}: there is no image; add images")
    return Decoded(torch.from_numpy(array), counts)


class _Claimed:
    """How many pixels the images say that they have. It is asked before any is decoded."""

    def __init__(self) -> None:
        self._pixels = self._bytes = 0

    def add(self, name: str, size: tuple[int, ...], num_bytes: int) -> None:
        pixels = math.prod(size)
        self._pixels += pixels
        self._bytes += num_bytes
        if pixels > MOST_PIXELS:
            raise DataError(
                f"{name} must have at most {MOST_PIXELS:,} pixels, got {pixels:,}; make it smaller"
            )
        most = max(ANY_PIXELS, PIXELS_PER_BYTE * self._bytes)
        if self._pixels > most:
            raise DataError(
                f"{name} and those before it must have at most {most:,} pixels ({PIXELS_PER_BYTE} for each "
                f"byte of their files, or {ANY_PIXELS:,}), got {self._pixels:,}; make them smaller"
            )


def _pixels(
    name: str,
    file: bytes | str | Image.Image,
    *,
    size: int | None,
    expected: tuple[int, ...] | None,
    first: str,
    claimed: _Claimed,
) -> tuple[np.ndarray, list[str]]:
    """Decode one image to uint8 [1 or 3, height, width], and say what is worth telling of it.

    `expected` is the (height, width) that it must have.
    """
    try:
        with _opened(file, name, claimed) as image:
            if expected is not None and sorted(image.size) != sorted(expected):
                raise _of_another_size(name, image.size, expected, first)
            kinds = [SIXTEEN] if _has_sixteen_bits(image) else []
            if image.format in FILM and getattr(image, "is_animated", False):
                kinds.append(FIRST_FRAME)
            plain = _plain(image, name, kinds)
            if expected is not None and (plain.height, plain.width) != expected:
                raise _of_another_size(name, plain.size, expected, first)
            if size is not None:
                plain = plain.resize((size, size), Image.Resampling.BILINEAR)
            pixels = np.asarray(plain)
    except DataError:
        raise
    except Exception as error:  # Pillow's formats raise any kind on a damaged file
        raise DataError(
            f"{name} must be a whole image, got {one_line(error)}; replace or remove it"
        ) from error
    return (pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)), kinds


@contextmanager
def _opened(file: bytes | str | Image.Image, name: str, claimed: _Claimed) -> Iterator[Image.Image]:
    """Open an image whose size is believed before anything is decoded: a small file can claim any."""
    if isinstance(file, Image.Image):  # somebody else has opened it
        yield file
        return
    content = file if isinstance(file, bytes) else read_whole(file, most=MOST_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # an error says it below
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
    with opened as image:
        claimed.add(name, image.size, len(content))
        yield image


def _plain(image: Image.Image, name: str, kinds: list[str]) -> Image.Image:
    """Return the first frame in mode L or RGB, upright, on white; add to `kinds` what was done for it."""
    turn = UPRIGHT.get(_orientation(image))
    grey = image.mode in GREYSCALE
    plain: Image.Image
    if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM")):
        plain = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    elif image.mode in DEEPER:
        raise DataError(
            f"{name} must have 8 or 16 bits a channel, got mode {image.mode}, of no known range; convert it"
        )
    elif image.has_transparency_data:
        shown = image.convert("RGBA")
        if np.asarray(shown)[..., 3].min() < 255:
            kinds.append(TRANSPARENT)
            shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
        plain = shown.convert("L" if grey else "RGB")
    else:
        plain = image.convert("L" if grey else "RGB")
    if turn is not None:
        kinds.append(TURNED)
        plain = plain.transpose(turn)
    return plain


def _orientation(image: Image.Image) -> int:
    """Read the orientation from EXIF; 1, upright, where there is none that can be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF of a whole image raises any kind
        return 1


def _has_sixteen_bits(image: Image.Image) -> bool:
    """Whether a channel has more bits in the file than in what Pillow makes of it."""
    if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return True
    for tile in getattr(image, "tile", []):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if ";16" in str(arguments[0]) or (image.format == "PPM" and arguments[1:] and arguments[1] > 255):
            return True
    return False


def _of_another_size(name: str, size: tuple[int, ...], expected: tuple[int, ...], first: str) -> DataError:
    return DataError(
        f"{name} must be of the size of {first}, {expected[1]}x{expected[0]}, got {size[0]}x{size[1]}; "
        "give size=<pixels> to resize all images"
    )


def _empty(shape: tuple[int, ...], title: str) -> np.ndarray:
    what = f"{title}: {shape[0]:,} images of {shape[1:]}"
    check_fits(int(np.prod(shape, dtype=object)), what=what, remedy="give a smaller size")
    try:
        return np.empty(shape, dtype=np.uint8)
    except (MemoryError, ValueError) as error:
        raise DataError(f"{what} do not fit into memory; give a smaller size") from error
