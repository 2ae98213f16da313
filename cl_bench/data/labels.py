"""Labels as people have them -> int64 [N], and class names -> text."""

from collections import Counter
from typing import Any

import numpy as np

from cl_bench.data.image_data import DataError


def names_of_classes(names: Any, *, of: str) -> tuple[str, ...]:
    """Return the class names as text, each once. DataError for none, or for what is no sequence of names."""
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise DataError(
            f"class_names of {of} must be a sequence of names, got {names!r:.80}; give one for each class"
        )
    texts = tuple(str(name) for name in names)
    if not texts:
        raise DataError(f"class_names of {of} must name every class, got none")
    if len(set(texts)) < len(texts):
        twice, times = Counter(texts).most_common(1)[0]
        raise DataError(f"class_names of {of} must differ, got {twice!r} {times} times; rename one")
    return texts


def as_labels(labels: np.ndarray, *, class_names: tuple[str, ...], what: str) -> np.ndarray:
    """Convert labels to indices into `class_names`, int64 [N].

    Whole numbers of any type, truth values of two classes, [N, 1], one-hot rows [N, num_classes] and the
    classes' own names are converted.

    Raises:
        DataError: for anything else, and for a number that is no class. Labels 1..num_classes are refused.
            Nobody can tell here whether they count from 1 or a class is missing (SVHN's 10 is the digit 0).
    """
    num_classes = len(class_names)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        labels = _of_one_hot(labels, num_classes, what)
    if labels.ndim != 1:
        raise DataError(f"{what} must be [N], a class for each image, got {list(labels.shape)}; reshape them")
    if labels.dtype.kind == "U":
        return _of_names(labels, class_names, what)
    if labels.dtype.kind == "f":
        whole = np.isfinite(labels) & (labels == np.rint(labels))
        if not whole.all():
            raise DataError(f"{what} must be whole numbers, got {labels[~whole][0]:g}; give class indices")
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise _out_of_range(labels, num_classes, what)
    return labels.astype(np.int64, copy=False)


def _of_one_hot(rows: np.ndarray, num_classes: int, what: str) -> np.ndarray:
    if rows.dtype.kind == "U" or rows.shape[1] != num_classes:
        raise DataError(
            f"{what} must be [N], or one-hot [N, {num_classes}], got {list(rows.shape)}; give class indices"
        )
    if not (((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all()):
        raise DataError(f"{what} must have a single 1 in each row, got other rows; give class indices")
    return rows.argmax(1)


def _of_names(labels: np.ndarray, class_names: tuple[str, ...], what: str) -> np.ndarray:
    number = {name: index for index, name in enumerate(class_names)}
    unknown = sorted(set(labels.tolist()) - set(class_names))
    if unknown:
        raise DataError(
            f"{what} must be in class_names, got {unknown[0]!r} ({len(unknown)} such); add or rename"
        )
    return np.array([number[name] for name in labels.tolist()], dtype=np.int64)


def _out_of_range(labels: np.ndarray, num_classes: int, what: str) -> DataError:
    lowest, highest = labels.min(), labels.max()
    if lowest < 0:
        advice = "remove the images without a class, or number them"
    elif lowest >= 1 and highest == num_classes:
        advice = (
            "if they count from 1, subtract 1 (in train and test); if not, name every class in class_names"
        )
    else:
        advice = "name every class in class_names, or correct the labels"
    return DataError(
        f"{what} must be in 0..{num_classes - 1}, for {num_classes} class_names, "
        f"got {lowest:g}..{highest:g}; {advice}"
    )
