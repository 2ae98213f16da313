"""The idx format (LeCun, Cortes, Burges), a header, then bytes: files of MNIST and others, .gz or plain."""

import gzip
import hashlib
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from cl_bench.data.idx_sets import FILES, IdxFiles
from cl_bench.data.image_data import DataError, ImageData, reading
from cl_bench.data.locate import Source, is_file

# the largest file of EMNIST's letters has 98 million bytes; a header that claims more is not believed
MAX_BYTES = 2**27
UNSIGNED_BYTE = 0x08  # the code of the only element type that these sets use
CHUNK = 2**20


def look_for_idx(place: Path, *, files: IdxFiles) -> Iterator[Source | DataError]:
    """Look for the four files, plain or .gz, in the set's folders within `place`."""
    for folder in (place / within for within in files.folders):
        variants = [(folder / name, folder / f"{name}.gz") for name in files.names]
        present = [_preferred(pair, name, files) for pair, name in zip(variants, files.names, strict=True)]
        paths = tuple(path for path in present if path is not None)
        if len(paths) == len(files.names):
            yield _source(place, folder, paths, files)
        elif paths:
            missing = [name for name, path in zip(files.names, present, strict=True) if path is None]
            yield DataError(
                f"{folder} must hold all of {', '.join(files.names)}, got no {', '.join(missing)}; add it"
            )


def _preferred(pair: tuple[Path, Path], name: str, files: IdxFiles) -> Path | None:
    """Return the plain file or the .gz, whichever has a checksum; the plain one if both have. None: neither
    is there."""
    packed_first = name in files.packed_md5 and name not in files.md5
    return next(filter(is_file, pair[::-1] if packed_first else pair), None)


def _source(place: Path, folder: Path, paths: tuple[Path, ...], files: IdxFiles) -> Source:
    where = folder.relative_to(place).as_posix() if folder != place else folder.name
    return Source(
        name=files.name,
        files=tuple(map(str, paths)),
        reader="idx 1",
        read=lambda: read_idx_files(paths, files=files, described=f"idx files {where}"),
    )


def read_idx_files(paths: tuple[Path, ...], *, files: IdxFiles, described: str) -> ImageData:
    """Read train images, train labels, test images, test labels from `paths`, in this order.

    Classes are counted from 0 and images are upright, whatever they are in the files.
    """
    arrays = [
        read_idx(path, num_dimensions=dimensions, md5=files.md5.get(name), packed=files.packed_md5.get(name))
        for path, name, dimensions in zip(paths, files.names, (3, 1, 3, 1), strict=True)
    ]
    unchecked = [
        path.name
        for path, name in zip(paths, files.names, strict=True)
        if name not in files.md5 and not (path.suffix == ".gz" and name in files.packed_md5)
    ]
    sizes = len(arrays[0]), len(arrays[2])
    if files.sizes not in (None, sizes):
        raise DataError(
            f"{paths[0].parent} must hold {_both(files.sizes)} images of {files.name}, got {_both(sizes)}; "
            "replace the files by the originals"
        )
    images = [each.transpose(-1, -2).contiguous() if files.transposed else each for each in arrays[::2]]
    labels = [each.long() - files.first_label for each in arrays[1::2]]
    return ImageData(
        name=files.name,
        train_images=images[0].unsqueeze(1),
        train_labels=labels[0],
        test_images=images[1].unsqueeze(1),
        test_labels=labels[1],
        class_names=files.class_names,
        source=described,
        notes=_on_checksums(files.name, unchecked),
        channels_last=False,
    )


def _on_checksums(name: str, unchecked: list[str]) -> tuple[str, ...]:
    if not unchecked:
        return ()
    return (
        f"{name}: no checksum is known of {', '.join(unchecked)}: their headers, lengths and labels were "
        "checked",
    )


def _both(sizes: tuple[int, int] | None) -> str:
    return " + ".join(f"{size:,}" for size in sizes or ())


def read_idx(path: Path, *, num_dimensions: int, md5: str | None, packed: str | None = None) -> Tensor:
    """Read the uint8 array of one idx file, plain or gzipped (by its name), of the shape in its header.

    Nothing is allocated before the header, the length of a plain file, and the bound on the length agree.

    Args:
        md5: of the decompressed file; None: it is not known.
        packed: of the .gz file, where `md5` is not known. Without both the file must be no file of another
            set.

    Raises:
        DataError: for a wrong header, length or checksum.
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
    _check_md5(path, content, md5=md5, packed=packed if zipped else None)
    return torch.frombuffer(content, dtype=torch.uint8, offset=len(header)).reshape(shape)


def _check_md5(path: Path, content: bytearray, *, md5: str | None, packed: str | None) -> None:
    found = _md5(content)
    if md5 is None and packed is None:
        owner = next((each.name for each in FILES if found in each.md5.values()), None)
        if owner is not None:
            raise DataError(f"{path} must be of another data set, got the file of {owner}; replace it")
        return
    if md5 is None:
        found, wanted, which = _md5(path.read_bytes()), packed, ""
    else:
        wanted, which = md5, " when decompressed" if path.suffix == ".gz" else ""
    if found != wanted:
        raise DataError(f"{path} must have md5 {wanted}{which}, got {found}; replace it by the original")


def _md5(content: bytes | bytearray) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


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
