"""Trees of images, `train/<class>/<image>` and `test/<class>/<image>`: in a folder or an archive."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import torch

from cl_bench.data.archives import plain_files
from cl_bench.data.decode import decode
from cl_bench.data.image_data import DataError, ImageData, reading
from cl_bench.data.places import Source, is_folder

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz")
IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLITS = ("train", "test")
MAX_IMAGE_BYTES = 2**26  # of one file in an archive
MAX_ARCHIVE_BYTES = 2**33  # of all its images, compressed as they are: they are kept in memory until decoded

Key = tuple[str, str, str]  # split, class, file name


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that can be read here."""
    return path.name.lower().endswith(ARCHIVES)


def folder_source(path: Path, *, name: str, size: int | None) -> Source:
    """The tree in folder or archive `path`, not yet decoded. DataError if a folder holds no such tree."""
    described = f"image folder {path.name}"
    reader = f"folders 1, size {size}"
    if is_archive(path):
        return Source(
            name=name,
            files=(str(path),),
            reader=reader,
            read=lambda: read_tree(_archived(path), path=path, name=name, size=size, described=described),
        )
    tree = _listed(path)
    _class_names(tree, path)
    return Source(
        name=name,
        files=tuple(tree.values()),
        reader=reader,
        read=lambda: read_tree(tree, path=path, name=name, size=size, described=described),
    )


def read_tree(
    tree: Mapping[Key, bytes] | Mapping[Key, str], *, path: Path, name: str, size: int | None, described: str
) -> ImageData:
    """Decode a tree; classes are numbered in the order of their sorted names, images are in sorted order.

    size: width and height, in pixels, that every image is resized to; None: they must be equal already.
    """
    class_names = _class_names(tree, path)
    keys = sorted(tree, key=lambda key: (SPLITS.index(key[0]), key[1:]))
    images = decode(
        [(f"{path}: {'/'.join(key)}", tree[key]) for key in keys], size=size, title=f"decoding {path.name}"
    )
    number = {class_name: index for index, class_name in enumerate(class_names)}
    labels = torch.tensor([number[key[1]] for key in keys], dtype=torch.int64)
    num_train = sum(key[0] == "train" for key in keys)
    return ImageData(
        name=name,
        train_images=images[:num_train],
        train_labels=labels[:num_train],
        test_images=images[num_train:],
        test_labels=labels[num_train:],
        class_names=class_names,
        source=described,
    )


def _class_names(tree: Mapping[Key, bytes] | Mapping[Key, str], path: Path) -> tuple[str, ...]:
    """The sorted class names, which must be the same in both splits."""
    train, test = ({key[1] for key in tree if key[0] == split} for split in SPLITS)
    if not train or not test:
        empty = [split for split, names in zip(SPLITS, (train, test), strict=True) if not names]
        raise DataError(
            f"{path} must hold images in train/<class>/ and test/<class>/, got none in "
            f"{' and '.join(empty)}; arrange it so (images end in {', '.join(IMAGES)})"
        )
    if differing := sorted(train ^ test):
        raise DataError(
            f"{path} must hold the same classes in train and test, got {differing[0]!r} only in "
            f"{'train' if differing[0] in train else 'test'} ({len(differing)} such); add or remove them"
        )
    return tuple(sorted(train))


def _listed(folder: Path) -> dict[Key, str]:
    """The paths of a folder's images, sorted; without hidden files and what is no image by its name."""
    tree = {}
    with reading(folder):
        for split in SPLITS:
            if not is_folder(folder / split):
                continue
            for class_name in sorted(entry.name for entry in os.scandir(folder / split) if entry.is_dir()):
                inside = folder / split / class_name
                for file_name in sorted(entry.name for entry in os.scandir(inside) if not entry.is_dir()):
                    if _is_image((class_name, file_name)):
                        tree[split, class_name, file_name] = f"{inside}/{file_name}"
    return tree


def _archived(archive: Path) -> dict[Key, bytes]:
    """The images of an archive, as their files' bytes.

    The tree may lie in a folder of the archive (`cifar10/train/...`), but there may be only one tree.
    """
    tree: dict[Key, bytes] = {}
    total = 0
    tops = set()
    with reading(archive):
        for member, read in plain_files(archive):
            parts = PurePosixPath(member.name).parts
            if len(parts) < 3 or parts[-3] not in SPLITS or not _is_image(parts):
                continue
            total += member.size
            if member.size > MAX_IMAGE_BYTES or total > MAX_ARCHIVE_BYTES:
                raise DataError(
                    f"{archive} must hold images of at most {MAX_IMAGE_BYTES:,} bytes each and "
                    f"{MAX_ARCHIVE_BYTES:,} in all, got {member.name} of {member.size:,} ({total:,} "
                    "with those before it); unpack it and give the folder's path"
                )
            tops.add(parts[:-3])
            tree[parts[-3], parts[-2], parts[-1]] = read()
    if len(tops) > 1:
        raise DataError(
            f"{archive} must hold one tree of train/ and test/, got {len(tops)}; "
            "unpack it and give one folder's path"
        )
    return tree


def _is_image(parts: tuple[str, ...]) -> bool:
    """Whether this is an image by its name, with no hidden part (nor a `..`) on the way to it."""
    return parts[-1].lower().endswith(IMAGES) and not any(part.startswith(".") for part in parts)
