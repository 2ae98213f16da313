"""What every builder returns, the error it raises, and the check that both kinds of array fit together."""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.records.text import one_line as printable

# What opening, decompressing or walking a damaged file raises. zlib.error and the like are no OSErrors.
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, MemoryError)


class DataError(ValueError):
    """A data set cannot be read. One line: the file, what was expected of it, what it was, and what to do.

    Names in it may be a stranger's: they are shown, never obeyed.
    """

    def __init__(self, message: object) -> None:
        super().__init__(printable(message))


class ImageData(NamedTuple):
    """One data set in memory. Images are raw pixels, 0..255, neither scaled nor normalised.

    Features are numbers of any range, float32 in the place of bytes: rows of D columns are [N, D, 1, 1].
    A builder may return other arrays than those below: see `accepted`, which every run's data go through.
    """

    name: str
    train_images: Tensor  # uint8 [num_train, channels, height, width]
    train_labels: Tensor  # int64 [num_train], index into class_names
    test_images: Tensor  # uint8 [num_test, channels, height, width]
    test_labels: Tensor  # int64 [num_test]
    class_names: tuple[str, ...]
    source: str  # in words, what was read: "image folder cifar10-jpeg.tar.xz"
    files: tuple[str, ...] | None = None  # all that were read, absolute paths; None: nobody knows
    notes: tuple[str, ...] = ()  # in sentences, what is odd about it: every run on it says them
    channels_last: bool | None = None  # of images that are not [N, C, H, W] yet; None: told by their shape
    features: bool | None = None  # numbers kept as they are, and no images; None: [N, D] are features alone
    groups: tuple[int, ...] = ()  # of several data sets as one: how many classes each has, one after another

    @property
    def dtype(self) -> torch.dtype:
        """What converted images are: bytes, or floats of 32 bits for features."""
        return torch.float32 if self.features else torch.uint8

    def without_test(self) -> "ImageData":
        """Drop the test images without looking at one: tuning must not see them."""
        return self._replace(
            test_images=torch.empty((0, *self.train_images.shape[1:]), dtype=self.dtype),
            test_labels=torch.empty(0, dtype=torch.int64),
        )


def followed_by(first: ImageData, second: ImageData, *, name: str, num_classes: int) -> ImageData:
    """Join `first` and the first `num_classes` classes of `second`, numbered after those of `first`."""
    if bool(first.features) != bool(second.features):
        raise DataError(
            f"{first.name} and {second.name} must both be images or both features, got one of each"
        )
    before = len(first.class_names)

    def both(images: str, labels: str) -> tuple[Tensor, Tensor]:
        classes = getattr(second, labels)
        taken = classes < num_classes
        return (
            torch.cat([getattr(first, images), getattr(second, images)[taken]]),
            torch.cat([getattr(first, labels), classes[taken] + before]),
        )

    return ImageData(
        name,
        *both("train_images", "train_labels"),
        *both("test_images", "test_labels"),
        (*first.class_names, *second.class_names[:num_classes]),
        f"{first.source}; {second.source}",
        files=None if first.files is None or second.files is None else (*first.files, *second.files),
        notes=(*first.notes, *second.notes),
        channels_last=False,
        features=first.features,
    )


def one_line(error: BaseException) -> str:
    """Shorten the message of an error to one line; give its kind where it has no message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn whatever an unreadable or damaged `path` raises into a DataError that names it."""
    try:
        yield
    except UNREADABLE as error:
        raise DataError(
            f"{path} must be readable to its end, got {one_line(error)}; replace it by a whole, readable copy"
        ) from error


def checked(data: ImageData, *, with_test: bool = True, remedy: str = "replace the files") -> ImageData:
    """Return `data` if its arrays have the stated shapes and kinds and agree; raise DataError otherwise."""
    parts = [("train", data.train_images, data.train_labels)]
    if with_test:
        parts.append(("test", data.test_images, data.test_labels))
    for split, images, labels in parts:
        where = f"{data.name}, {split}, from {data.source}"
        kinds = images.dtype, labels.dtype
        if kinds != (data.dtype, torch.int64) or images.ndim != 4 or labels.ndim != 1:
            raise DataError(
                f"images must be {data.dtype} [N, C, H, W] and labels int64 [N] in {where}, got images "
                f"{images.dtype} {list(images.shape)}, labels {labels.dtype} {list(labels.shape)}; {remedy}"
            )
        if len(images) != len(labels) or len(images) == 0:
            raise DataError(
                f"there must be a label for each image, and at least one image, in {where}, got "
                f"{len(images)} images, {len(labels)} labels; {remedy}"
            )
        if images[0].numel() == 0:
            raise DataError(f"images must have pixels in {where}, got none in {list(images.shape)}; {remedy}")
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest >= len(data.class_names):
            raise DataError(
                f"labels must be in 0..{len(data.class_names) - 1} in {where}, got {lowest}..{highest}; "
                f"{remedy}"
            )
    if with_test and data.train_images.shape[1:] != data.test_images.shape[1:]:
        raise DataError(
            f"train and test images must have one shape in {data.name} from {data.source}, got "
            f"{list(data.train_images.shape[1:])} and {list(data.test_images.shape[1:])}; {remedy}"
        )
    return data
