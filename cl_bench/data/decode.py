"""Image files -> one uint8 array."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from cl_bench.data.image_data import DataError, one_line

# Named, since Pillow can also open formats that start other programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
GREYSCALE = ("1", "L", "LA")
DEEPER = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of more than 8 bits a channel


def decode(images: Sequence[tuple[str, bytes | str]], *, size: int | None, title: str) -> Tensor:
    """Decode (name for errors, file) pairs to uint8 [N, C, H, W]: C is 1 if all are greyscale, else 3 (RGB).

    size: width and height, in pixels, that every image is resized to (bilinear, the aspect is lost);
    None: all must be of the first one's size. Transparency is dropped. DataError names an unusable image.
    """
    array: np.ndarray | None = None  # [N, channels, height, width]
    for index, (name, file) in enumerate(tqdm(images, desc=title, unit="image", disable=None)):
        expected = None if array is None or size is not None else array.shape[2:]
        pixels = _pixels(name, file, size=size, expected=expected, first=images[0][0])
        if array is None:
            array = _empty((len(images), *pixels.shape), title)
        if pixels.shape[0] > array.shape[1]:  # the first colour image after grey ones
            array = array.repeat(3, axis=1)
        array[index] = pixels  # a grey image fills all three channels
    if array is None:
        raise DataError(f"{title} must find at least one image, got none; add images")
    return torch.from_numpy(array)


def _pixels(
    name: str, file: bytes | str, *, size: int | None, expected: tuple[int, ...] | None, first: str
) -> np.ndarray:
    """One image, uint8 [1 or 3, height, width]; `expected` is the (height, width) that it must have."""
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
            if expected is not None and (image.height, image.width) != expected:
                raise DataError(
                    f"{name} must be of the size of {first}, {expected[1]}x{expected[0]}, "
                    f"got {image.width}x{image.height}; give size=<pixels> to resize all images"
                )
            if image.mode in DEEPER:
                raise DataError(f"{name} must have 8 bits a channel, got mode {image.mode}; convert it")
            mode = "L" if image.mode in GREYSCALE else "RGB"
            converted = image if image.mode == mode else image.convert(mode)
            if size is not None:
                converted = converted.resize((size, size), Image.Resampling.BILINEAR)
            pixels = np.asarray(converted)
    except DataError:
        raise
    except Exception as error:  # Pillow's formats raise any kind on a damaged file
        raise DataError(
            f"{name} must be a whole image, got {one_line(error)}; replace or remove it"
        ) from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _empty(shape: tuple[int, ...], title: str) -> np.ndarray:
    try:
        return np.empty(shape, dtype=np.uint8)
    except (MemoryError, ValueError) as error:
        raise DataError(
            f"{title}: all images must fit into memory, got {shape[0]:,} of {shape[1:]}; give a smaller size"
        ) from error
