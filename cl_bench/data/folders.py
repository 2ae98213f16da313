"""Trees of images, `train/<class>/<image>` and `test/<class>/<image>`: in a folder or an archive."""

import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch

from cl_bench.data.archives import plain_files
from cl_bench.data.decode import decode
from cl_bench.data.image_data import DataError, ImageData, reading
from cl_bench.data.left_out import DEEPER, ELSEWHERE, NO_FILE, OUTSIDE, TWICE, LeftOut, is_quiet
from cl_bench.data.locate import Source, is_folder
from cl_bench.data.peculiar import listed

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz")
IMAGES = (
    ".apng",
    ".bmp",
    ".dib",
    ".gif",
    ".jfi",
    ".jfif",
    ".jif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
SPLITS = ("train", "test")
MAX_IMAGE_BYTES = 2**26  # of one file in an archive
MAX_ARCHIVE_BYTES = 2**33  # of all its images, compressed as they are: they are kept in memory until decoded

Key = tuple[str, str, str]  # split, class, file name


class Tree(NamedTuple):
    """The image files of a tree, as bytes or as paths, and what else there was."""

    images: Mapping[Key, bytes] | Mapping[Key, str]
    left_out: LeftOut


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that can be read here."""
    return path.name.lower().endswith(ARCHIVES)


def folder_source(path: Path, *, name: str, size: int | None) -> Source:
    """Return the tree in folder or archive `path`, not yet decoded. DataError if a folder holds none."""
    described = f"image folder {path.name}"
    reader = f"folders 2, size {size}"
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
        files=tuple(map(str, tree.images.values())),
        reader=f"{reader}, {tree.left_out.notes()}",  # notes are kept with the images
        read=lambda: read_tree(tree, path=path, name=name, size=size, described=described),
    )


def read_tree(tree: Tree, *, path: Path, name: str, size: int | None, described: str) -> ImageData:
    """Decode a tree; classes are numbered in the order of their sorted names, images are in sorted order.

    size: width and height, in pixels, to which every image is resized; None: they must be equal already.
    """
    class_names = _class_names(tree, path)
    keys = sorted(tree.images, key=lambda key: (SPLITS.index(key[0]), key[1:]))
    decoded = decode(
        [(f"{path}: {'/'.join(key)}", tree.images[key]) for key in keys],
        size=size,
        title=f"decoding {path.name}",
    )
    number = {class_name: index for index, class_name in enumerate(class_names)}
    labels = torch.tensor([number[key[1]] for key in keys], dtype=torch.int64)
    num_train = sum(key[0] == "train" for key in keys)
    images = decoded.images
    notes = [f"{count:,} of {len(keys):,} images: {what}" for what, count in decoded.told.items()]
    return ImageData(
        name=name,
        train_images=images[:num_train],
        train_labels=labels[:num_train],
        test_images=images[num_train:],
        test_labels=labels[num_train:],
        class_names=class_names,
        source=described,
        notes=tuple(f"{path.name}: {note}" for note in (*tree.left_out.notes(), *notes)),
        channels_last=False,
    )


def _class_names(tree: Tree, path: Path) -> tuple[str, ...]:
    """Return the sorted class names, which must be the same in both splits."""
    train, test = ({key[1] for key in tree.images if key[0] == split} for split in SPLITS)
    said = tree.left_out.said()
    if not train or not test:
        empty = [split for split, names in zip(SPLITS, (train, test), strict=True) if not names]
        beside = tree.left_out.beside
        there = f" (its folders are {listed(beside)}: move their images there)" if beside else ""
        raise DataError(
            f"{path} must hold images in train/<class>/ and test/<class>/, got none in "
            f"{' and '.join(empty)}; arrange it so{there}, with images ending in {', '.join(IMAGES)}{said}"
        )
    if differing := sorted(train ^ test):
        raise DataError(
            f"{path} must hold the same classes in train and test, got {differing[0]!r} only in "
            f"{'train' if differing[0] in train else 'test'} ({len(differing)} such); add or remove them"
            f"{said}"
        )
    return tuple(sorted(train))


def _others(folder: Path) -> list[str]:
    """Return the folders beside train and test."""
    return [
        entry.name
        for entry in _sorted(folder)
        if entry.is_dir() and entry.name not in SPLITS and not is_quiet((entry.name,))
    ]


def _listed(folder: Path) -> Tree:
    """List the paths of a folder's images, sorted. Links are followed to folders of classes and to images."""
    images: dict[Key, str] = {}
    left_out = LeftOut()
    with reading(folder):
        left_out.beside = _others(folder)
        for split in filter(lambda split: is_folder(folder / split), SPLITS):
            for entry in _sorted(folder / split):
                if not entry.is_dir():
                    _key((split, entry.name), left_out)
                elif not is_quiet((entry.name,)):
                    before = len(images)
                    for parts, path, is_plain in _files_of(entry, (split, entry.name)):
                        key = _key(parts, left_out)
                        if key and is_plain:
                            images[key] = path
                        elif key:
                            left_out.add(NO_FILE, *key)
                    if len(images) == before:
                        left_out.empty.append(f"{split}/{entry.name}")
    return Tree(images, left_out)


def _files_of(
    folder: os.DirEntry[str], parts: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Yield the files of a class, then those in folders below.

    Each comes with the parts of its path from the split on, the path, and whether it can be read: a pipe or a
    device would be waited for. A link to nothing is an error later.
    """
    below = []
    for entry in _sorted(folder):
        if entry.is_dir():
            below.append(entry)
        else:
            can_be_read = entry.is_file() or not Path(entry.path).exists()
            yield (*parts, entry.name), entry.path, can_be_read
    for top in below:
        for inside, _, names in os.walk(top.path):  # without following links, which may lead in circles
            deeper = Path(inside).relative_to(folder.path).parts
            yield from (((*parts, *deeper, name), f"{inside}/{name}", True) for name in sorted(names))


def _sorted(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    return sorted(os.scandir(folder), key=lambda entry: entry.name)


def _archived(archive: Path) -> Tree:
    """Return the images of an archive, as their files' bytes.

    The tree may lie in a folder of the archive (`cifar10/train/...`), but there may be only one tree.
    """
    images: dict[Key, bytes] = {}
    left_out = LeftOut()
    total = 0
    tops = set()

    def link(member: tarfile.TarInfo) -> None:
        parts = PurePosixPath(member.name).parts
        if _from_split(parts) and _is_image(parts) and not is_quiet(parts):
            left_out.add(NO_FILE, member.name)

    with reading(archive):
        for member, read in plain_files(archive, other=link):
            parts = PurePosixPath(member.name).parts
            inside = () if is_quiet(parts) else _from_split(parts)
            key = _key(inside, left_out) if inside else None
            if not inside and _is_image((member.name,)) and not is_quiet(parts):
                left_out.add(ELSEWHERE, member.name)
            if key is None:
                continue
            total += member.size
            if member.size > MAX_IMAGE_BYTES or total > MAX_ARCHIVE_BYTES:
                raise DataError(
                    f"{archive} must hold images of at most {MAX_IMAGE_BYTES:,} bytes each and "
                    f"{MAX_ARCHIVE_BYTES:,} in all, got {member.name} of {member.size:,} ({total:,} "
                    "with those before it); unpack it and give the folder's path"
                )
            tops.add(parts[:-3])
            if key in images:
                left_out.add(TWICE, member.name)
            images[key] = read()
    if len(tops) > 1:
        raise DataError(
            f"{archive} must hold one tree of train/ and test/, got {len(tops)}; "
            "unpack it and give one folder's path"
        )
    return Tree(images, left_out)


def _from_split(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the parts of an archived file's path from train or test on; none where it is in neither."""
    if len(parts) >= 3 and parts[-3] in SPLITS:
        return parts[-3:]
    first = next((place for place, part in enumerate(parts[:-1]) if part in SPLITS), len(parts))
    return parts[first:]


def _key(inside: tuple[str, ...], left_out: LeftOut) -> Key | None:
    """Return split, class and name of an image of the tree, else None; tell what else there is of one."""
    if is_quiet(inside):
        return None
    if len(inside) == 3 and _is_image(inside):
        split, class_name, name = inside
        return split, class_name, name
    if len(inside) == 3:
        left_out.add_other_kind(*inside)
    elif _is_image(inside):
        left_out.add(DEEPER if len(inside) > 3 else OUTSIDE, *inside)
    return None


def _is_image(parts: tuple[str, ...]) -> bool:
    """Whether a file is an image by the ending of its name."""
    return parts[-1].lower().endswith(IMAGES)
