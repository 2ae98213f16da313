"""Data sets of Hugging Face's library `datasets`: from the hub, from `save_to_disk`, parquet, image folders.

A data set never brings code that is run: scripts of theirs are refused by the library.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from cl_bench.data.cache import stored
from cl_bench.data.examples import data_of_examples, numbered
from cl_bench.data.image_data import DataError, ImageData, one_line
from cl_bench.data.locate import Source, cache_folder, expanded, is_file, is_folder, places

SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves, of several parts and of one
TESTS = ("test", "validation", "valid", "val")  # parts that hold test images, the best first


def huggingface(
    *,
    path: str,
    subset: str | None,
    image: str | None,
    label: str | None,
    train_part: str | None,
    test_part: str | None,
    size: int | None,
    root: str | None,
    download: bool,
    with_test: bool = True,
) -> ImageData:
    """Read a data set with Hugging Face's `datasets`: images as uint8 [N, C, H, W], or arrays as they are.

    It needs the package datasets, as of the extra `huggingface`.

    Args:
        path: a folder that `save_to_disk` wrote, or one of parquet files or images. It is absolute or within
            `root`, $CL_BENCH_DATA or the cache folder. Otherwise it is the name of a set on the hub, such as
            ylecun/mnist, which is downloaded if `download`.
        subset: the configuration, of a data set that has several.
        image: the column of images, arrays or features; None: the one column of images.
        label: the column of classes; None: the one column of class labels.
        train_part, test_part: names of its splits, or what the library takes for one: train[:80%]. None:
            train; and test, or else validation.
        size: resizes all images to size x size pixels; None: they must be equal already.

    Raises:
        DataError: for what cannot be found or read, with what there is.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be positive, got {size=}")
    library = _library()
    known, where = _loaded(library, path, subset, root=root, download=download)
    names = (train_part or "train", test_part or _test_part(known, path))
    parts = [_part(known, name, path) for name in names]
    image = image or _only(parts[0], library.Image, "image", path)
    label = label or _only(parts[0], library.ClassLabel, "label", path)
    for column in (image, label):
        _check_column(parts[0], column, path)
    title = path.rstrip("/").rpartition("/")[2]
    files = tuple(sorted({file["filename"] for part in parts for file in part.cache_files}))

    def read() -> ImageData:
        return _images(parts, image, label, title=title, size=size)

    if not isinstance(parts[0].features[image], library.Image):
        if size is not None:
            raise ValueError(f"only images are resized, got {size=} and {image} of {path}; set size=null")
        data = _arrays(parts, image, label, title=title)._replace(files=files or None)
        return data if with_test else data._replace(test_images=data.test_images[:0], test_labels=[])  # type: ignore[arg-type]
    if not files:
        data = read()
        return data if with_test else data.without_test()
    about = [1, library.__version__, where, subset, names, image, label, size]
    source = Source(name="huggingface", files=files, reader=f"datasets {about}", read=read)
    return stored(source, with_test=with_test)


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"cannot read a data set of Hugging Face: {one_line(error)}; install it with "
            "`pip install datasets`"
        ) from error
    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    return datasets


def _loaded(
    library: Any, path: str, subset: str | None, *, root: str | None, download: bool
) -> tuple[Mapping[str, Any], str]:
    """Return the parts by name, and where they were found."""
    candidates = [place / expanded(path) for place in places(root)]
    folder = next(filter(is_folder, candidates), None)
    cache = str(cache_folder() / "huggingface")
    try:
        if folder is not None and any(is_file(folder / name) for name in SAVED):
            found = library.load_from_disk(str(folder))
            return (found if isinstance(found, Mapping) else {"train": found}), str(folder)
        if folder is not None:
            return library.load_dataset(str(folder), subset, cache_dir=cache), str(folder)
        if expanded(path).is_absolute() or path.startswith("."):
            raise DataError(f"cannot find {path}: looked in {', '.join(map(str, candidates))}; correct path")
        with nullcontext() if download else _offline(library):
            return library.load_dataset(path, subset, cache_dir=cache), path
    except DataError:
        raise
    except Exception as error:  # the library and the hub raise many kinds
        looked = ", ".join(map(str, candidates))
        hub = "on the hub" if download else "among what was downloaded"
        which = f"in {folder}" if folder is not None else f"{hub}, nor in {looked}"
        raise DataError(
            f"cannot read {path} {which}: {one_line(error)}; check path, subset and "
            + ("the network" if download else "data.download, which is false")
        ) from error


@contextmanager
def _offline(library: Any) -> Iterator[None]:
    """Let the library read only what it downloaded before: it reads its own switch once, at its import."""
    from huggingface_hub import constants

    switches: tuple[Any, ...] = (constants, library.config)
    before = [each.HF_HUB_OFFLINE for each in switches]
    for each in switches:
        each.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for each, value in zip(switches, before, strict=True):
            each.HF_HUB_OFFLINE = value


def _test_part(known: Mapping[str, Any], path: str) -> str:
    found = next((name for name in TESTS if name in known), None)
    if found is None:
        raise DataError(
            f"{path} has no test images of its own, but {', '.join(known)}: set test_part, such as "
            "train_part=train[:80%] test_part=train[80%:]"
        )
    return found


def _part(known: Mapping[str, Any], name: str, path: str) -> Any:
    """Return a part by its name, or a slice of one as the library writes it: train[:80%]."""
    whole, bracket, rest = name.partition("[")
    if whole not in known:
        raise DataError(f"{path} must have the part {whole}, got {', '.join(known)}; name one of these")
    part = known[whole]
    if not bracket:
        return part
    first, colon, last = rest.removesuffix("]").partition(":")
    try:
        if not colon or not rest.endswith("]"):
            raise ValueError
        start, stop = _place(first, len(part), 0), _place(last, len(part), len(part))
    except ValueError as error:
        raise DataError(
            f"a part must be written as train, train[:80%] or train[:1000], got {name}"
        ) from error
    return part.select(range(*slice(start, stop).indices(len(part))))


def _place(text: str, size: int, default: int) -> int:
    if not text:
        return default
    return round(float(text.removesuffix("%")) / 100 * size) if text.endswith("%") else int(text)


def _only(part: Any, kind: type, setting: str, path: str) -> str:
    found = [name for name, feature in part.features.items() if isinstance(feature, kind)]
    if len(found) != 1:
        raise DataError(
            f"{path} has {len(found) or 'no'} columns of kind {kind.__name__}: set {setting} to one of "
            f"{', '.join(part.column_names)}"
        )
    return found[0]


def _check_column(part: Any, column: str, path: str) -> None:
    if column not in part.column_names:
        near = get_close_matches(column, part.column_names, n=1)
        hint = f". Did you mean {near[0]}?" if near else ""
        raise DataError(f"{path} must have the column {column}, got {', '.join(part.column_names)}{hint}")


def _names(part: Any, label: str) -> list[str] | None:
    names = getattr(part.features[label], "names", None)
    return None if names is None else list(names)


def _images(parts: Sequence[Any], image: str, label: str, *, title: str, size: int | None) -> ImageData:
    def at(part: Any, index: int) -> tuple[Any, Any]:
        row = part[index]
        return row[image], row[label]

    return data_of_examples(
        [(len(part), partial(at, part)) for part in parts],
        name=title,
        class_names=_names(parts[0], label),
        size=size,
        source=f"Hugging Face's {title}",
    )


def _arrays(parts: Sequence[Any], image: str, label: str, *, title: str) -> ImageData:
    """Take arrays and features as they are: whoever reads the data set converts or refuses them."""
    labels = [value for part in parts for value in part[label]]
    numbers, class_names = numbered(labels, _names(parts[0], label), what=title)
    arrays = []
    for part in parts:
        column = part.with_format("numpy")[image]
        try:
            arrays.append(np.stack(list(column)))
        except ValueError as error:
            raise DataError(f"{image} of {title} must have one shape: {one_line(error)}") from error
    num_train = len(parts[0])
    return ImageData(
        name=title,
        train_images=arrays[0],  # type: ignore[arg-type]
        train_labels=numbers[:num_train],
        test_images=arrays[1],  # type: ignore[arg-type]
        test_labels=numbers[num_train:],
        class_names=class_names,
        source=f"Hugging Face's {title}",
    )
