"""The one door for data: what a builder returns is converted to what the suite reads, or refused."""

from typing import Any

import torch
from torch import Tensor

from cl_bench.data.arrays import as_array, as_tensor
from cl_bench.data.image_data import DataError, ImageData, checked
from cl_bench.data.labels import as_labels, names_of_classes
from cl_bench.data.peculiar import peculiarities
from cl_bench.data.pixels import UNIT, as_bytes, channels_first, check_one_unit, values_of


def accepted(found: Any, *, by: str, with_test: bool = True) -> ImageData:
    """Convert and check what the builder named `by` returned; notes tell what is odd about it.

    Without `with_test` the test images are not looked at, and none are returned.

    Raises:
        DataError: where it is no data set, or can be read in more than one way.
    """
    data = converted(found, by=by, with_test=with_test)
    return data._replace(notes=tuple(dict.fromkeys([*data.notes, *peculiarities(data)])))


def converted(found: Any, *, by: str = "a data set builder", with_test: bool = True) -> ImageData:
    """Convert what a builder returned, without looking at what the images show. Right data cost nothing."""
    if not isinstance(found, ImageData):
        got = "nothing (None)" if found is None else f"a {type(found).__name__}"
        raise DataError(f"{by} must return a cl_bench.data.ImageData, got {got}")
    name, parts = str(found.name), ("train", "test") if with_test else ("train",)
    class_names = names_of_classes(found.class_names, of=name)
    try:
        images, notes = _images(found, {part: f"{part}_images of {name}" for part in parts})
        labels = {
            f"{part}_labels": _labels(
                getattr(found, f"{part}_labels"), class_names, f"{part}_labels of {name}"
            )
            for part in parts
        }
    except MemoryError as error:
        raise DataError(f"{name} must fit into memory, got {error}; give fewer or smaller images") from error
    given = (found.notes,) if isinstance(found.notes, str) else found.notes or ()
    data = found._replace(
        name=name,
        class_names=class_names,
        source=str(found.source),
        notes=(*map(str, given), *(f"{name}: {note}" for note in notes)),
        channels_last=False,
        **{**images, **labels},  # type: ignore[arg-type]  # all are tensors
    )
    return checked(
        data if with_test else data.without_test(), with_test=with_test, remedy="correct its builder"
    )


def _images(found: ImageData, parts: dict[str, str]) -> tuple[dict[str, Tensor], list[str]]:
    """Convert a field to uint8 [N, C, H, W], and say what was done; `parts`: a title of each, for errors."""
    given = {f"{part}_images": getattr(found, f"{part}_images") for part in parts}
    if found.channels_last is False and all(map(_is_right, given.values())):
        return given, []
    titles = dict(zip(given, parts.values(), strict=True))
    arrays = {field: as_array(given[field], what=title) for field, title in titles.items()}
    values = {field: values_of(arrays[field], what=title) for field, title in titles.items()}
    check_one_unit(*values.values(), what=" and ".join(titles.values()))
    images, notes = {}, []
    for field, array in arrays.items():
        laid_out = channels_first(array, what=titles[field], channels_last=found.channels_last)
        if array.ndim == 4 and laid_out is not array and found.channels_last is None:
            notes.append("images [N, H, W, C] were read with their channels last")
        as_it_is = laid_out is array and _is_right(given[field])
        images[field] = given[field] if as_it_is else as_tensor(as_bytes(laid_out, values[field]))
    first = next(iter(arrays))
    if values[first].unit == UNIT and arrays[first].dtype.kind == "f":
        notes.append("images in [0, 1] were read as bytes: times 255, rounded")
    return images, list(dict.fromkeys(notes))


def _is_right(images: Any) -> bool:
    return (
        isinstance(images, Tensor)
        and images.dtype == torch.uint8
        and images.ndim == 4
        and images.layout == torch.strided
        and images.device.type == "cpu"
    )


def _labels(labels: Any, class_names: tuple[str, ...], what: str) -> Tensor:
    return as_tensor(as_labels(as_array(labels, what=what), class_names=class_names, what=what))
