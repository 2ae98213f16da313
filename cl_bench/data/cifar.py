"""CIFAR-10 and CIFAR-100 in their original form (Krizhevsky 2009): Python batches, as files or an archive."""

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cl_bench.data.archives import plain_files
from cl_bench.data.image_data import DataError, ImageData, reading
from cl_bench.data.locate import Source, is_file
from cl_bench.data.unpickle import unpickle
from cl_bench.records.atomic import read_whole

SHAPE = (3, 32, 32)  # red, green, blue planes, each row by row
MOST_MEMBERS = 1000  # of an archive; the originals have ten
MAX_BYTES = 2**28  # the largest batch, CIFAR-100's train, has 155 million


class Batches(NamedTuple):
    """The names, md5 and dictionary keys of one data set's batches. The tables are those of torchvision."""

    name: str
    folder: str  # of the files, on disk and in the archive
    archive: str
    train: Mapping[str, str]  # file name -> md5, in order
    test: Mapping[str, str]
    meta: Mapping[str, str]
    labels_key: str
    names_key: str

    @property
    def md5(self) -> dict[str, str]:
        return {**self.train, **self.test, **self.meta}


CIFAR10_BATCHES = Batches(
    name="cifar10",
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    train={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    meta={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
    labels_key="labels",
    names_key="label_names",
)
CIFAR100_BATCHES = Batches(
    name="cifar100",
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    train={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    meta={"meta": "7973b15100ade9c7d40fb424638fde48"},
    labels_key="fine_labels",
    names_key="fine_label_names",
)


def look_for_batches(place: Path, *, batches: Batches) -> Iterator[Source | DataError]:
    """Look for the batch files' folder, or the original archive, in `place` or in `place`/<name>."""
    for parent in (place, place / batches.name):
        folder = parent / batches.folder
        paths = {name: folder / name for name in batches.md5}
        missing = [name for name, path in paths.items() if not is_file(path)]
        if not missing:
            yield _source(batches, tuple(paths.values()), batches.folder)
        elif len(missing) < len(paths):
            yield DataError(
                f"{folder} must hold all of {', '.join(paths)}, got no {', '.join(missing)}; add it"
            )
        if is_file(parent / batches.archive):
            yield _source(batches, (parent / batches.archive,), batches.archive)


def _source(batches: Batches, files: tuple[Path, ...], where: str) -> Source:
    described = f"python batches {where}"
    return Source(
        name=batches.name,
        files=tuple(map(str, files)),
        reader="cifar 1",
        read=lambda: read_batches(files, batches=batches, described=described),
    )


def read_batches(files: tuple[Path, ...], *, batches: Batches, described: str) -> ImageData:
    """Read the batch files, or the one archive that holds them. DataError on a missing or wrong file."""
    contents = (
        _archived(files[0], batches)
        if len(files) == 1
        else {path.name: (str(path), _content(path)) for path in files}
    )
    entries = {name: _entry(*contents[name], md5=md5) for name, md5 in batches.md5.items()}
    (meta,) = batches.meta
    names = entries[meta].get(batches.names_key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{contents[meta][0]} must list the class names under {batches.names_key!r}, "
            f"got {type(names).__name__}; replace it by the original"
        )
    arrays = {
        name: _arrays(entries[name], where=contents[name][0], labels_key=batches.labels_key)
        for name in (*batches.train, *batches.test)
    }
    return ImageData(
        name=batches.name,
        train_images=torch.cat([arrays[name][0] for name in batches.train]),
        train_labels=torch.cat([arrays[name][1] for name in batches.train]),
        test_images=torch.cat([arrays[name][0] for name in batches.test]),
        test_labels=torch.cat([arrays[name][1] for name in batches.test]),
        class_names=tuple(names),
        source=described,
        channels_last=False,
    )


def _content(path: Path) -> bytes:
    with reading(path):
        _check_size(str(path), path.stat().st_size)
        return read_whole(path, most=MAX_BYTES)


def _archived(archive: Path, batches: Batches) -> dict[str, tuple[str, bytes]]:
    """Map each file name to where it is, in words, and its bytes, read in memory in the archive's order."""
    wanted = {PurePosixPath(batches.folder, name): name for name in batches.md5}
    members = {}
    with reading(archive):
        for member, read in plain_files(archive, most_members=MOST_MEMBERS):
            name = wanted.get(PurePosixPath(member.name))
            if name is None:
                continue
            where = f"{archive}: {member.name}"
            _check_size(where, member.size)
            members[name] = (where, read())
    if missing := [name for name in batches.md5 if name not in members]:
        raise DataError(
            f"{archive} must hold {batches.folder}/ with all of {', '.join(batches.md5)}, "
            f"got no {', '.join(missing)}; replace it by the original"
        )
    return members


def _check_size(where: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DataError(
            f"{where} must be of at most {MAX_BYTES:,} bytes, got {size:,}; replace it by the original"
        )


def _entry(where: str, content: bytes, *, md5: str) -> dict[str, Any]:
    """Read the dictionary in one batch file. The md5 is checked before anything is unpickled."""
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise DataError(
            f"{where} must have md5 {md5}, got {actual} ({len(content):,} bytes); replace it by the original"
        )
    try:
        entry = unpickle(content)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{where} must be a plain pickle of arrays, got {error}; replace it by the original"
        ) from error
    if not isinstance(entry, dict):
        raise DataError(
            f"{where} must hold a dictionary, got {type(entry).__name__}; replace it by the original"
        )
    return entry


def _arrays(entry: dict[str, Any], *, where: str, labels_key: str) -> tuple[Tensor, Tensor]:
    """Return the images, uint8 [n, 3, 32, 32], and labels, int64 [n], of one batch."""
    images, labels = entry.get("data"), entry.get(labels_key)
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[1:] != (np.prod(SHAPE),)
    ):
        got = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{where} must hold 'data', uint8 [n, 3072], got {got}; replace it by the original")
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise DataError(
            f"{where} must hold {labels_key!r}, a list of whole numbers, got {type(labels).__name__}; "
            "replace it by the original"
        )
    if len(labels) != len(images):
        raise DataError(
            f"{where} must hold a label for each image, got {len(images)} images, {len(labels)} labels; "
            "replace it by the original"
        )
    return torch.tensor(images).reshape(-1, *SHAPE), torch.tensor(labels, dtype=torch.int64)
