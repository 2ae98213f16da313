"""The one door for data: what a builder returns is converted to what the suite reads, or refused."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cl_bench.data.as_arrays import as_array, as_tensor
from cl_bench.data.feature_values import as_features, rounded_numbers
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
        found, images, notes = _images(found, {part: f"{part}_images of {name}" for part in parts})
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
        **{**images, **labels},
    )
    remedy = "correct the file" if by.startswith("cl_bench.data.") else "correct its builder"
    return checked(data if with_test else data.without_test(), with_test=with_test, remedy=remedy)


def _images(found: ImageData, parts: dict[str, str]) -> tuple[ImageData, dict[str, Tensor], list[str]]:
    """Convert each part to uint8 or, of features, float32 [N, C, H, W], and say what was done.

    Args:
        parts: a title of each, for errors.

    Returns:
        What was found, with its kind told: images or features.
    """
    given = {f"{part}_images": getattr(found, f"{part}_images") for part in parts}
    if found.channels_last is False and not found.features and all(map(_is_right, given.values())):
        return found._replace(features=False), given, []
    titles = dict(zip(given, parts.values(), strict=True))
    arrays = {field: as_array(given[field], what=title) for field, title in titles.items()}
    if _are_features(found, arrays, name=str(found.name)):
        converted = {
            field: _as_feature_tensor(
                given[field], array, what=titles[field], channels_last=found.channels_last
            )
            for field, array in arrays.items()
        }
        return found._replace(features=True), converted, rounded_numbers(*arrays.values())
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
    return found._replace(features=False), images, list(dict.fromkeys(notes))


def _are_features(found: ImageData, arrays: dict[str, np.ndarray], *, name: str) -> bool:
    """Whether the numbers are kept as they are: as the user says, or as [N, D] says."""
    if found.features is None:
        return all(array.ndim == 2 for array in arrays.values())
    if not isinstance(found.features, bool):
        raise DataError(f"features of {name} must be true, false or null, got {found.features!r}")
    return found.features


def _as_feature_tensor(given: Any, array: np.ndarray, *, what: str, channels_last: bool | None) -> Tensor:
    """Convert features; what is right already stays the same tensor, which costs no memory."""
    values = as_features(array, what=what, channels_last=channels_last)
    is_plain = isinstance(given, Tensor) and given.device.type == "cpu" and not given.requires_grad
    same = is_plain and values is array
    return given if same else as_tensor(values)


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
