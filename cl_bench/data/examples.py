"""Examples of somebody else's data set, one by one, (Pillow image, class) -> images and labels."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.data.decode import decode
from cl_bench.data.image_data import DataError, ImageData, one_line


class _Examples(Sequence[tuple[str, Any]]):
    """The images, with names for errors; labels are kept as they come by, so that each is decoded once."""

    def __init__(self, count: int, at: Callable[[int], tuple[Any, Any]], what: str) -> None:
        self._at, self._what, self._count = at, what, count
        self.labels: list[Any] = []

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("examples are read one after another")

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for index in range(self._count):
            name = f"{self._what}: image {index}"
            try:
                image, label = self._at(index)
            except Exception as error:  # it is somebody else's code
                raise DataError(f"{name} cannot be read: {one_line(error)}; get the data set anew") from error
            self.labels.append(label)
            yield name, image


Part = tuple[int, Callable[[int], tuple[Any, Any]]]  # how many it has; a position -> an image and its class


def data_of_examples(
    parts: Sequence[Part], *, name: str, class_names: Sequence[str] | None, size: int | None, source: str
) -> ImageData:
    """Read a data set example by example; without a second part there are no test images.

    Args:
        class_names: see `numbered`.
        size: as in `decode`.

    Raises:
        DataError: for an image or a label that cannot be read.
    """
    images, labels, notes = _read(parts, what=name, size=size)
    numbers, names = numbered(labels, class_names, what=name)
    num_train = parts[0][0]
    return ImageData(
        name=name,
        train_images=images[:num_train],
        train_labels=numbers[:num_train],
        test_images=images[num_train:],
        test_labels=numbers[num_train:],
        class_names=names,
        source=source,
        notes=notes,
        channels_last=False,
    )


def _read(parts: Sequence[Part], *, what: str, size: int | None) -> tuple[Tensor, list[Any], tuple[str, ...]]:
    """Read all examples of several parts in one go, so that images have one shape.

    Args:
        what: the data set, for errors.

    Returns:
        Images, uint8 [N, C, H, W]; classes as they are given; notes.

    Raises:
        DataError: that names the image, by its position.
    """
    starts = [sum(count for count, _ in parts[:index]) for index in range(len(parts) + 1)]

    def at(index: int) -> tuple[Any, Any]:
        part = next(number for number in range(len(parts)) if index < starts[number + 1])
        return parts[part][1](index - starts[part])

    examples = _Examples(starts[-1], at, what)
    decoded = decode(examples, size=size, title=what)
    notes = tuple(
        f"{what}: {count:,} of {starts[-1]:,} images: {kind}" for kind, count in decoded.told.items()
    )
    return decoded.images, examples.labels, notes


def numbered(
    labels: Sequence[Any], names: Sequence[str] | None, *, what: str
) -> tuple[Tensor, tuple[str, ...]]:
    """Number the classes: whole numbers stay as they are, names are numbered in sorted order.

    Args:
        names: of the classes, where the data set tells; otherwise numbers are called by themselves.

    Raises:
        DataError: for labels that are neither.
    """
    if all(isinstance(label, str) for label in labels):
        own = tuple(sorted(set(labels))) if names is None else tuple(names)
        place = {name: index for index, name in enumerate(own)}
        if unknown := sorted(set(labels) - set(own)):
            raise DataError(f"labels of {what} must be in its class names, got {unknown[0]!r}")
        return torch.tensor([place[label] for label in labels], dtype=torch.int64), own
    try:
        numbers = torch.tensor([int(label) for label in labels], dtype=torch.int64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"labels of {what} must be whole numbers or names, got {labels[0]!r}; name another column"
        ) from error
    if names is None or len(names) <= int(numbers.max()):
        names = [str(number) for number in range(int(numbers.max()) + 1)]
    return numbers, tuple(map(str, names))
