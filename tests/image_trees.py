"""Trees of images in folders and archives, for tests."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import torch

from cl_bench.data import ImageData, image_folder

Tree = Callable[..., Path]
MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz"}


def build(path: Path, size: int | None = None) -> ImageData:
    return image_folder(path=str(path), root=None, size=size)


def pack(folder: Path, archive: Path, top: str = "") -> Path:
    suffix = next(
        suffix for suffix in (".tar", ".tar.gz", ".tgz", ".tar.xz") if archive.name.endswith(suffix)
    )
    with tarfile.open(archive, MODES[suffix]) as file:
        for path in sorted(folder.rglob("*"), reverse=True):  # not in the order of reading
            file.add(path, f"{top}{path.relative_to(folder).as_posix()}", recursive=False)
    return archive


def same(first: ImageData, second: ImageData) -> bool:
    tensors = ("train_images", "train_labels", "test_images", "test_labels")
    return first.class_names == second.class_names and all(
        torch.equal(getattr(first, name), getattr(second, name)) for name in tensors
    )
