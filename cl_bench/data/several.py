"""Several data sets as one, in one shape: what `benchmark=sequence` makes tasks of."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.data.accepted import converted
from cl_bench.data.image_data import DataError, ImageData
from cl_bench.data.memory import check_fits

PIECE = 10_000  # images that are resized at once: floats are four times the bytes


def several(
    *,
    datasets: Sequence[Any],
    parts: Sequence[Callable[..., ImageData]],
    size: int | None,
    root: str | None,
    download: bool,
    with_test: bool = True,
) -> ImageData:
    """Join data sets: the classes of each are numbered after those of the one before.

    All get one shape. Images are put into the middle of black ones of the largest height and width. With
    `size` each is resized to size x size pixels instead (bilinear, antialiased).
    If any of the sets is in colour, grey images get three equal channels.

    Args:
        datasets: as they are called in errors.
        parts: what builds each; it is given those of `root`, `download` and `with_test` that it takes.

    Raises:
        DataError: for sets that cannot have one shape, or what one of them raises.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be positive, got {size=}")
    shared = {"root": root, "download": download, "with_test": with_test}
    found = [_built(part, shared, f"datasets[{index}]={datasets[index]}") for index, part in enumerate(parts)]
    return joined(found, size=size)


def joined(sets: Sequence[ImageData], *, size: int | None) -> ImageData:
    """Join data sets that are there; see `several`.

    >>> from cl_bench.data import digits
    >>> both = joined([digits(), digits()._replace(name="again")], size=12)
    >>> both.groups, tuple(both.train_images.shape), both.class_names[10]
    ((10, 10), (2884, 1, 12, 12), 'again 0')
    """
    _check_kinds(sets, size)
    shape = _shape(sets, size)
    total = sum(len(each.train_images) + len(each.test_images) for each in sets)
    check_fits(
        total * shape[0] * shape[1] * shape[2], what=f"{total:,} images of {shape}", remedy="set a size"
    )
    names = [_name(each, index, sets) for index, each in enumerate(sets)]
    starts = [sum(len(each.class_names) for each in sets[:index]) for index in range(len(sets))]
    brought = [
        f"{name}: {'x'.join(map(str, each.train_images.shape[1:]))} images are "
        f"{'resized' if size else 'put'} to {'x'.join(map(str, shape))}"
        for name, each in zip(names, sets, strict=True)
        if tuple(each.train_images.shape[1:]) != shape
    ]
    unknown = any(each.files is None for each in sets)
    return ImageData(
        name="_".join(names),
        train_images=torch.cat([_in_shape(each.train_images, shape, size) for each in sets]),
        train_labels=torch.cat([each.train_labels + at for each, at in zip(sets, starts, strict=True)]),
        test_images=torch.cat([_in_shape(each.test_images, shape, size) for each in sets]),
        test_labels=torch.cat([each.test_labels + at for each, at in zip(sets, starts, strict=True)]),
        class_names=tuple(
            f"{name} {of}" for name, each in zip(names, sets, strict=True) for of in each.class_names
        ),
        source="; ".join(each.source for each in sets),
        files=None if unknown else tuple(file for each in sets for file in each.files or ()),
        notes=(*(note for each in sets for note in each.notes), *brought),
        channels_last=False,
        features=sets[0].features,
        groups=tuple(len(each.class_names) for each in sets),
    )


def _check_kinds(sets: Sequence[ImageData], size: int | None) -> None:
    """Refuse features beside images, and features of several shapes: they have no black, and no size."""
    if not any(each.features for each in sets):
        return
    shapes = {tuple(each.train_images.shape[1:]) for each in sets}
    if size is not None or len(shapes) > 1 or not all(each.features for each in sets):
        got = ", ".join(
            f"{'features' if each.features else 'images'} {tuple(each.train_images.shape[1:])} in {each.name}"
            for each in sets
        )
        raise DataError(
            f"data sets of features that follow each other must have one shape, and size=null, got {got} "
            f"with {size=}; take sets of one kind"
        )


def _built(part: Callable[..., ImageData], shared: dict[str, Any], what: str) -> ImageData:
    taken = inspect.signature(part).parameters
    open_to_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
    given = getattr(part, "keywords", {})
    extra = {key: each for key, each in shared.items() if key not in given and (key in taken or open_to_all)}
    with_test = shared["with_test"]
    return converted(part(**extra), by=what, with_test=with_test)


def _name(data: ImageData, index: int, sets: Sequence[ImageData]) -> str:
    """The name of one of the sets; with its number where two have the same."""
    alike = sum(each.name == data.name for each in sets) > 1
    return f"{data.name}_{index + 1}" if alike else data.name


def _shape(sets: Sequence[ImageData], size: int | None) -> tuple[int, int, int]:
    """The shape of all images: channels, height, width."""
    shapes = {each.name: tuple(each.train_images.shape[1:]) for each in sets}
    channels = sorted({shape[0] for shape in shapes.values()})
    if len(channels) > 1 and channels != [1, 3]:
        raise DataError(
            f"data sets that follow each other must have 1 or 3 channels, or equally many, got "
            f"{', '.join(f'{shape[0]} in {name}' for name, shape in shapes.items())}; leave one out"
        )
    height, width = (max(shape[side] for shape in shapes.values()) for side in (1, 2))
    return channels[-1], size or height, size or width


def _in_shape(images: Tensor, shape: tuple[int, int, int], size: int | None) -> Tensor:
    channels, height, width = shape
    if size is not None and images.shape[2:] != (size, size) and len(images):
        images = torch.cat([_resized(piece, size) for piece in images.split(PIECE)])
    elif size is None:
        down, right = height - images.shape[2], width - images.shape[3]
        images = nn.functional.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))
    else:
        images = images.reshape(-1, images.shape[1], height, width)
    return images if images.shape[1] == channels else images.expand(-1, channels, -1, -1)


def _resized(images: Tensor, size: int) -> Tensor:
    floats = nn.functional.interpolate(
        images.float(), (size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return floats.round().clamp(0, 255).to(torch.uint8)
