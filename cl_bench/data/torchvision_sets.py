"""The classification sets of torchvision: their parts, and how they are found, downloaded and read."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from cl_bench.data.cache import stored
from cl_bench.data.examples import data_of_examples
from cl_bench.data.image_data import UNREADABLE, DataError, ImageData, one_line
from cl_bench.data.locate import Source, cache_folder, is_folder, places
from cl_bench.data.test_part import number_of_test

# The argument that names a part, and its values for training and test images; for none a share is split off.
_TRAIN, _SPLIT = ("train", True, False), ("split", "train", "test")
PARTS: Mapping[str, tuple[str, Any, Any] | None] = {
    **dict.fromkeys(("CIFAR10", "CIFAR100", "EMNIST", "FashionMNIST"), _TRAIN),
    **dict.fromkeys(("KMNIST", "MNIST", "QMNIST", "USPS"), _TRAIN),
    **dict.fromkeys(("Country211", "DTD", "FER2013", "Flowers102", "Food101", "GTSRB"), _SPLIT),
    **dict.fromkeys(("LFWPeople", "PCAM", "RenderedSST2", "STL10", "SVHN", "StanfordCars"), _SPLIT),
    **dict.fromkeys(("CLEVRClassification", "ImageNet", "Imagenette"), ("split", "train", "val")),
    **dict.fromkeys(("FGVCAircraft", "OxfordIIITPet"), ("split", "trainval", "test")),
    "Places365": ("split", "train-standard", "val"),
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT", "SEMEION", "SUN397"), None),
}


def torchvision(
    *,
    set: str,
    settings: Mapping[str, Any],
    train_part: str | None,
    test_part: str | None,
    test_share: float | None,
    split_seed: int,
    size: int | None,
    root: str | None,
    download: bool,
    with_test: bool = True,
) -> ImageData:
    """Read any classification set of torchvision, uint8 [N, C, H, W].

    It is looked for within `root`, $CL_BENCH_DATA and the cache folder, first in a folder of the set's name,
    as it is or in small letters. What is found nowhere is downloaded if `download`.

    Args:
        set: the name of the class in `torchvision.datasets`, such as SVHN.
        settings: other arguments of that class, such as {split: letters} of EMNIST.
        train_part, test_part: which of its parts are read, where others than train and test are wanted: extra
            of SVHN. None: the usual ones.
        test_share: of a set without a test part, such as EuroSAT: the share of each class that becomes test
            images. None for sets that have one.
        split_seed: of the generator that draws these; the same whatever the run's seed is.
        size: resizes all images to size x size pixels; None: they must be equal already.

    Raises:
        DataError: for a set that there is not, or that is found nowhere, with what was tried.
        ValueError: that names the setting, its value and the rule.
    """
    parts = _parts_of(set, train_part, test_part, test_share)
    if size is not None and size < 1:
        raise ValueError(f"size must be positive, got {size=}")
    files, sets = _found(set, parts, dict(settings), root=root, download=download)
    drawn = None if test_share is None else (test_share, split_seed)

    def read() -> ImageData:
        data = _read(set, sets, size=size)
        return data if test_share is None else _split(data, test_share, split_seed)

    if not files:  # the set's files are not known among others
        data = read()
        return data if with_test else data.without_test()
    import torchvision as library

    return stored(
        Source(
            name=f"torchvision-{set}",
            files=files,
            reader=f"torchvision {library.__version__}, {[1, parts, sorted(settings.items()), size, drawn]}",
            read=read,
        ),
        with_test=with_test,
    )


def _parts_of(
    name: str, train_part: str | None, test_part: str | None, test_share: float | None
) -> list[dict[str, Any]]:
    """Return the arguments for each part that is read: training and test images, or all together."""
    if name not in PARTS:
        near = get_close_matches(name.lower(), [each.lower() for each in PARTS], n=1)
        hint = next((f" Did you mean {each}?" for each in PARTS if [each.lower()] == near), "")
        raise DataError(
            f"set must be a classification set of torchvision, got {name}; there are "
            f"{', '.join(sorted(PARTS))}.{hint}"
        )
    known = PARTS[name]
    if known is None:
        if test_share is None or not 0 < test_share < 1:
            raise ValueError(
                f"{name} has no test images of its own: test_share must be the share of them, above 0 and "
                f"below 1, got {test_share=}; set benchmark.dataset.test_share=0.2"
            )
        if train_part is not None or test_part is not None:
            raise ValueError(f"{name} has no parts, got {train_part=} and {test_part=}; leave them out")
        return [{}]
    if test_share is not None:
        raise ValueError(f"{name} has its own test images, got {test_share=}; leave test_share out")
    argument, train, test = known
    if argument == "train" and (train_part is not None or test_part is not None):
        raise ValueError(f"{name} has a training and a test part alone, got {train_part=} and {test_part=}")
    return [{argument: train_part or train}, {argument: test_part or test}]


def _found(
    name: str, parts: Sequence[dict[str, Any]], settings: dict[str, Any], *, root: str | None, download: bool
) -> tuple[tuple[str, ...], list[Any]]:
    """Return the files of the set, none where they lie among others, and its parts, not yet read."""
    import torchvision.datasets

    make = getattr(torchvision.datasets, name)
    can_download = "download" in _arguments(make)
    tried: list[str] = []
    for folder, is_its_own in _folders(name, root):
        try:
            sets = [make(str(folder), **settings, **part, **_off(make)) for part in parts]
        except TypeError as error:
            raise DataError(f"{name} cannot be made with settings={settings}: {one_line(error)}") from error
        except (*UNREADABLE, RuntimeError, ValueError, ImportError) as error:
            tried.append(f"{folder} ({one_line(error)[:80]})")
            continue
        own = folder if is_its_own else getattr(sets[0], "_base_folder", None)
        return _files(Path(own)) if own else (), sets
    looked = "; ".join(tried) or ", ".join(f"{place}/{name.lower()}" for place in places(root))
    advice = f"put it into {name.lower()} in one of {', '.join(map(str, places(root)))}"
    if not download or not can_download:
        why = "" if can_download else "; torchvision has no download of it"
        raise DataError(f"cannot find {name}: looked in {looked}{why}; {advice}")
    folder = cache_folder() / name.lower()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sets = [make(str(folder), **settings, **part, download=True) for part in parts]
    except Exception as error:  # each of its downloads raises its own kinds
        raise DataError(
            f"cannot download {name}, which is not on disk either (looked in {looked}): {one_line(error)}; "
            f"check the network, or {advice}"
        ) from error
    return _files(folder), sets


def _folders(name: str, root: str | None) -> Iterator[tuple[Path, bool]]:
    """The folders that may hold the set, and whether each is its own."""
    for place in places(root):
        own = [place / each for each in dict.fromkeys((name.lower(), name)) if is_folder(place / each)]
        yield from ((folder, True) for folder in own)
        if is_folder(place):
            yield place, False


def _arguments(make: Any) -> set[str]:
    """The names of the arguments of a class and of those that it hands them on to."""
    bases = [vars(each) for each in inspect.getmro(make)[:-1]]
    constructors = [names["__init__"] for names in bases if "__init__" in names]
    return {name for each in constructors for name in inspect.signature(each).parameters}


def _off(make: Any) -> dict[str, bool]:
    """SEMEION downloads unless it is told not to."""
    return {"download": False} if "download" in _arguments(make) else {}


def _files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(str(path) for path in folder.rglob("*") if path.is_file()))


def _read(name: str, sets: Sequence[Any], *, size: int | None) -> ImageData:
    """Read the parts; without a second one there are no test images."""
    return data_of_examples(
        [(len(each), each.__getitem__) for each in sets],
        name=name,
        class_names=_class_names(sets[0]),
        size=size,
        source=f"torchvision's {name}",
    )


def _class_names(dataset: Any) -> list[str] | None:
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    if not isinstance(names, list | tuple):
        return None
    texts = [" ".join(each) if isinstance(each, list | tuple) else str(each) for each in names]
    return texts if len({*texts}) == len(texts) else None


def _split(data: ImageData, share: float, seed: int) -> ImageData:
    """Draw a share of each class as test images; all others stay training images."""
    generator = torch.Generator().manual_seed(seed)
    labels = data.train_labels
    drawn = []
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        order = torch.randperm(len(members), generator=generator)
        drawn.append(members[order[: number_of_test(len(members), share)]])
    test = torch.zeros(len(labels), dtype=torch.bool)
    test[torch.cat(drawn)] = True
    note = f"{data.name}: {int(test.sum()):,} of {len(test):,} images were drawn as test images"
    return data._replace(
        train_images=data.train_images[~test],
        train_labels=labels[~test],
        test_images=data.train_images[test],
        test_labels=labels[test],
        notes=(*data.notes, note),
    )
