"""The builders that conf/benchmark/dataset/ names: find a data set, read it once, cache it.

Without `with_test` none of them gives, or reads from the cache, a test image.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cl_bench.data.cache import stored
from cl_bench.data.cifar import CIFAR10_BATCHES, CIFAR100_BATCHES, SHAPE, look_for_batches
from cl_bench.data.folders import ARCHIVES, folder_source, is_archive
from cl_bench.data.idx import look_for_idx
from cl_bench.data.idx_sets import (
    EMNIST_LETTERS_FILES,
    FASHION_MNIST_FILES,
    KMNIST_FILES,
    MNIST_FILES,
    NOTMNIST_FILES,
    IdxFiles,
)
from cl_bench.data.image_data import DataError, ImageData, followed_by
from cl_bench.data.locate import Look, Source, expanded, find, is_file, is_folder

# Krizhevsky's order, which is also the sorted order: a tree of images gets the same numbers.
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_SIZES = (50_000, 10_000)


def mnist(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """MNIST: 60,000 + 10,000 images, uint8 [N, 1, 28, 28], 10 classes; from the four idx files, plain or .gz.

    They are looked for in `root`, $CL_BENCH_DATA and the cache folder, then downloaded if `download`.
    Raises DataError.
    """
    return _of_idx(MNIST_FILES, root=root, download=download, with_test=with_test)


def fashion_mnist(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 + 10,000 images, uint8 [N, 1, 28, 28], 10 kinds of clothes.

    Files are as those of `mnist`, in `fashion_mnist/`. Raises DataError.
    """
    return _of_idx(FASHION_MNIST_FILES, root=root, download=download, with_test=with_test)


def kmnist(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """Kuzushiji-MNIST (Clanuwat et al. 2018): 60,000 + 10,000 images, uint8 [N, 1, 28, 28], 10 characters.

    Files are as those of `mnist`, in `kmnist/`. Checksums are published of the .gz files only. Raises
    DataError.
    """
    return _of_idx(KMNIST_FILES, root=root, download=download, with_test=with_test)


def emnist_letters(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """EMNIST letters (Cohen et al. 2017): 124,800 + 20,800 images, uint8 [N, 1, 28, 28], classes a to z.

    Files are as those of `mnist`, in `emnist_letters/`, without published checksums. In them classes count
    from 1 and images are transposed; here they count from 0 and are upright. Raises DataError.
    """
    return _of_idx(EMNIST_LETTERS_FILES, root=root, download=download, with_test=with_test)


def notmnist(*, root: str | None, with_test: bool = True) -> ImageData:
    """Letters A to J of many fonts, notMNIST (Bulatov 2011): uint8 [N, 1, 28, 28], 10 classes.

    Its idx files are as those of `mnist`, in `notmnist/`. Nobody publishes checksums, and torchvision has no
    download. Raises DataError.
    """
    return _of_idx(NOTMNIST_FILES, root=root, download=False, with_test=with_test)


def cifar10(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """CIFAR-10: 50,000 + 10,000 images, uint8 [N, 3, 32, 32], 10 classes.

    The original batches or their archive are preferred to a tree of images, `cifar10/train/<class>/`, or an
    archive of one in `cifar10/`. They are looked for in `root`, $CL_BENCH_DATA and the cache folder, then
    downloaded if `download`. Raises DataError.
    """
    data = _build(
        "cifar10",
        root=root,
        look=_look_for_cifar10,
        wanted=f"put {CIFAR10_BATCHES.folder}/ or {CIFAR10_BATCHES.archive} or trees cifar10/train/<class>/ "
        "and cifar10/test/<class>/ (or their .tar.xz in cifar10/) into one of them",
        fetch="CIFAR10" if download else None,
        with_test=with_test,
    )
    read = 1 + with_test  # of the two parts
    sizes, whole = (len(data.train_images), len(data.test_images))[:read], CIFAR10_SIZES[:read]
    if sizes == whole:
        return data
    got, wanted = (" + ".join(f"{size:,}" for size in each) for each in (sizes, whole))
    return data._replace(notes=(*data.notes, f"CIFAR-10 has {wanted} images, this {data.source} has {got}"))


def cifar100(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """CIFAR-100: 50,000 + 10,000 images, uint8 [N, 3, 32, 32], 100 fine classes.

    It is read from the original batches or their archive. They are looked for in `root`, $CL_BENCH_DATA and
    the cache folder, then downloaded if `download`. Raises DataError.
    """
    return _build(
        "cifar100",
        root=root,
        look=partial(look_for_batches, batches=CIFAR100_BATCHES),
        wanted=f"put {CIFAR100_BATCHES.folder}/ or {CIFAR100_BATCHES.archive} into one of them",
        fetch="CIFAR100" if download else None,
        with_test=with_test,
    )


def cifar10_100(*, root: str | None, download: bool, with_test: bool = True) -> ImageData:
    """CIFAR-10, then the first 50 classes of CIFAR-100: 75,000 + 15,000 images of 60 classes.

    The split of Zenke et al. (2017) needs it: CIFAR-10 whole as the first task, then 10 classes of CIFAR-100
    each. Both are looked for as by `cifar10` and `cifar100`. Raises DataError.
    """
    return followed_by(
        cifar10(root=root, download=download, with_test=with_test),
        cifar100(root=root, download=download, with_test=with_test),
        name="cifar10_100",
        num_classes=50,
    )


def image_folder(
    *, path: str, root: str | None, size: int | None = None, with_test: bool = True
) -> ImageData:
    """Read any tree of `train/<class>/<image>` and `test/<class>/<image>`: a folder, or an archive of one.

    `path` is absolute, or relative to `root`, $CL_BENCH_DATA, the cache folder or the current folder; an
    archive is a .tar, .tar.gz, .tgz or .tar.xz. Images are uint8 [N, 3, H, W], or [N, 1, H, W] if all are
    greyscale. `size` resizes them all to size x size pixels. They are turned upright by their EXIF
    orientation, transparency is shown on white, and 16 bits a channel become 8. Notes tell how many these
    were, what was left out, and why. Raises DataError.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be positive, got {size=}")
    wanted = expanded(path)
    if wanted.is_absolute() and not is_folder(wanted) and not is_file(wanted):
        raise DataError(f"path must be a folder or archive that exists, got {path}; correct it")

    def look(place: Path) -> Iterator[Source | DataError]:
        where = place / wanted  # `place` has no part in an absolute path
        if is_folder(where) or (is_file(where) and is_archive(where)):
            yield folder_source(where, name="image_folder", size=size)
        elif is_file(where):
            yield DataError(
                f"path must be a folder or an archive ({', '.join(ARCHIVES)}), got {where}; pack it as one"
            )

    return _build(
        "image_folder",
        root=root,
        look=look,
        wanted=f"put {path} into one of them, or correct path",
        fetch=None,
        with_test=with_test,
        here=True,
    )


def _of_idx(files: IdxFiles, *, root: str | None, download: bool, with_test: bool) -> ImageData:
    source = find(
        name=files.name,
        root=root,
        look=partial(look_for_idx, files=files),
        wanted=f"put {', '.join(files.names)} (plain or .gz) into {files.folders[0]} in one of them",
        fetch=files.folder if download else None,
        settings=files.settings,
    )
    return stored(source, with_test=with_test)


def _build(
    name: str,
    *,
    root: str | None,
    look: Look,
    wanted: str,
    fetch: str | None,
    with_test: bool,
    here: bool = False,
) -> ImageData:
    source = find(name=name, root=root, look=look, wanted=wanted, fetch=fetch, here=here)
    return stored(source, with_test=with_test)


def _look_for_cifar10(place: Path) -> Iterator[Source | DataError]:
    """Prefer the original: a tree of JPEGs is a copy that lost something."""
    yield from look_for_batches(place, batches=CIFAR10_BATCHES)
    folder = place / "cifar10"
    if is_folder(folder / "train") and is_folder(folder / "test"):
        yield _cifar10_tree(folder)
    elif is_folder(folder):
        original = CIFAR10_BATCHES.archive
        others = (path for path in folder.iterdir() if is_archive(path) and path.name != original)
        archives = sorted(filter(is_file, others))
        if len(archives) > 1:
            raise DataError(
                f"{folder} must hold one archive of images, got {', '.join(path.name for path in archives)}; "
                "remove the others"
            )
        yield from map(_cifar10_tree, archives)


def _cifar10_tree(path: Path) -> Source:
    """Read a tree of images that must be CIFAR-10 by its classes and by the shape of its images."""
    source = folder_source(path, name="cifar10", size=None)

    def read() -> ImageData:
        data = source.read()
        if data.class_names != CIFAR10_CLASSES or data.train_images.shape[1:] != SHAPE:
            raise DataError(
                f"{path} must hold the classes {', '.join(CIFAR10_CLASSES)} as 3x32x32 images, got "
                f"{', '.join(data.class_names[:12])} as {'x'.join(map(str, data.train_images.shape[1:]))}; "
                "use benchmark/dataset=image_folder for other images"
            )
        return data

    return source._replace(read=read)
