"""The idx format (LeCun, Cortes, Burges), a header, then bytes: MNIST's files, plain or gzipped."""

import gzip
import hashlib
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import torch
from torch import Tensor

from cl_bench.data.image_data import DataError, ImageData, reading
from cl_bench.data.locate import Source, is_file

MAX_BYTES = 2**27  # MNIST's largest file has 47 million; a header that claims more is not believed
UNSIGNED_BYTE = 0x08  # the code of the only element type that MNIST uses
CHUNK = 2**20


class IdxFiles(NamedTuple):
    """The names and md5 (of the decompressed file) of one data set in the idx format."""

    train_images: str
    train_labels: str
    test_images: str
    test_labels: str
    md5: Mapping[str, str]
    num_classes: int

    @property
    def names(self) -> tuple[str, str, str, str]:
        return self.train_images, self.train_labels, self.test_images, self.test_labels


MNIST_FILES = IdxFiles(
    train_images="train-images-idx3-ubyte",
    train_labels="train-labels-idx1-ubyte",
    test_images="t10k-images-idx3-ubyte",
    test_labels="t10k-labels-idx1-ubyte",
    md5={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    num_classes=10,
)


def look_for_idx(place: Path, *, files: IdxFiles) -> Iterator[Source | DataError]:
    """Look for the four files, plain or .gz, in `mnist/MNIST/raw`, `MNIST/raw`, `mnist` or `place` itself."""
    for folder in (place / "mnist" / "MNIST" / "raw", place / "MNIST" / "raw", place / "mnist", place):
        variants = [(folder / name, folder / f"{name}.gz") for name in files.names]
        present = [next(filter(is_file, pair), None) for pair in variants]
        paths = tuple(path for path in present if path is not None)
        if len(paths) == len(files.names):
            yield _source(place, folder, paths, files)
        elif paths:
            missing = [name for name, path in zip(files.names, present, strict=True) if path is None]
            yield DataError(
                f"{folder} must hold all of {', '.join(files.names)}, got no {', '.join(missing)}; add it"
            )


def _source(place: Path, folder: Path, paths: tuple[Path, ...], files: IdxFiles) -> Source:
    where = folder.relative_to(place).as_posix() if folder != place else folder.name
    return Source(
        name="mnist",
        files=tuple(map(str, paths)),
        reader="idx 1",
        read=lambda: read_idx_files(paths, files=files, described=f"idx files {where}"),
    )


def read_idx_files(paths: tuple[Path, ...], *, files: IdxFiles, described: str) -> ImageData:
    """Read train images, train labels, test images, test labels from `paths`, in this order."""
    arrays = [
        read_idx(path, num_dimensions=num_dimensions, md5=files.md5[name])
        for path, name, num_dimensions in zip(paths, files.names, (3, 1, 3, 1), strict=True)
    ]
    return ImageData(
        name="mnist",
        train_images=arrays[0].unsqueeze(1),
        train_labels=arrays[1].long(),
        test_images=arrays[2].unsqueeze(1),
        test_labels=arrays[3].long(),
        class_names=tuple(str(digit) for digit in range(files.num_classes)),
        source=described,
        channels_last=False,
    )


def read_idx(path: Path, *, num_dimensions: int, md5: str) -> Tensor:
    """Read the uint8 array of one idx file, plain or gzipped (by its name), of the shape in its header.

    Nothing is allocated before the header, the length of a plain file, and the bound on the length agree.
    Raises DataError on a wrong header, length or md5 (of the decompressed file).
    """
    zipped = path.suffix == ".gz"
    with reading(path), cast(BinaryIO, gzip.open(path) if zipped else path.open("rb")) as file:
        header = file.read(4 + 4 * num_dimensions)
        shape = _shape(path, header, num_dimensions)
        expected = len(header) + math.prod(shape)
        if expected > MAX_BYTES:
            raise DataError(
                f"{path} must be of at most {MAX_BYTES:,} bytes, got a header that claims {expected:,}; "
                "replace it by the original"
            )
        if not zipped:
            _check_length(path, expected=expected, actual=path.stat().st_size)
        content = bytearray(header)
        while chunk := file.read(CHUNK):
            content += chunk
            if len(content) > expected:
                break
    _check_length(path, expected=expected, actual=len(content), more=len(content) > expected)
    actual_md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual_md5 != md5:
        raise DataError(
            f"{path} must have md5 {md5}{' when decompressed' if zipped else ''}, got {actual_md5}; "
            "replace it by the original"
        )
    return torch.frombuffer(content, dtype=torch.uint8, offset=len(header)).reshape(shape)


def _shape(path: Path, header: bytes, num_dimensions: int) -> tuple[int, ...]:
    """Read the sizes in the header: two zero bytes, the type, the number of dimensions, 4 bytes for each."""
    magic = bytes([0, 0, UNSIGNED_BYTE, num_dimensions])
    if len(header) < 4 + 4 * num_dimensions or header[:4] != magic:
        raise DataError(
            f"{path} must begin with the idx magic {magic.hex()} and {num_dimensions} dimensions, "
            f"got {header[:4].hex() or 'an empty file'} and {len(header)} header bytes; "
            "replace it by the original"
        )
    shape = struct.unpack(f">{num_dimensions}I", header[4:])
    if 0 in shape:
        raise DataError(
            f"{path} must hold at least one item, got dimensions {shape}; replace it by the original"
        )
    return shape


def _check_length(path: Path, *, expected: int, actual: int, more: bool = False) -> None:
    if actual != expected:
        got = f"more than {expected:,}" if more else f"{actual:,}"
        raise DataError(
            f"{path} must be of {expected:,} bytes, as its header says, got {got}; replace it by the original"
        )
