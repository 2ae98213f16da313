"""The classes of labels that come without class names: the values that occur."""

from typing import Any

import numpy as np

from cl_bench.data.as_arrays import as_array
from cl_bench.data.image_data import DataError
from cl_bench.data.peculiar import listed


def by_value(
    train: Any, test: Any | None, *, name: str
) -> tuple[Any, Any | None, tuple[str, ...], list[str]]:
    """Number the classes by the sorted values of the training labels.

    One-hot rows [N, K] have the classes 0 to K - 1, and stay as they are.

    Returns:
        Both labels as indices, the class names, and a note where the values are not 0, 1, 2, ... already.

    Raises:
        DataError: for numbers with fractions, and for a test label that no training example has.
    """
    titles = f"train_labels of {name}", f"test_labels of {name}"
    found = _values(train, what=titles[0])
    if found.ndim == 2:
        return train, test, tuple(map(str, range(found.shape[1]))), []
    classes, indices = np.unique(found, return_inverse=True)
    class_names = tuple(map(str, classes.tolist()))
    notes = []
    if found.dtype.kind != "U" and not np.array_equal(classes, np.arange(len(classes))):
        places = listed([f"{text} is class {place}" for place, text in enumerate(class_names)])
        notes = [f"{name}: classes are numbered by the sorted values of the labels: {places}"]
    if test is None:
        return indices, None, class_names, notes
    tested = _values(test, what=titles[1])
    unknown = np.setdiff1d(tested, classes)
    if len(unknown) or tested.ndim != 1:
        got = listed([*map(str, unknown.tolist())]) or list(tested.shape)
        raise DataError(
            f"{titles[1]} must be classes of the training labels, got {got}; add training examples, or name "
            "every class in class_names"
        )
    return indices, np.searchsorted(classes, tested), class_names, notes


def _values(labels: Any, *, what: str) -> np.ndarray:
    """Labels [N], or one-hot rows [N, K]; truth values as 0 and 1."""
    array = as_array(labels, what=what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.ndim not in (1, 2):
        raise DataError(
            f"{what} must be [N], a class for each example, got {list(array.shape)}; reshape them"
        )
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.rint(array))
        if not whole.all():
            raise DataError(f"{what} must be whole numbers or names, got {array[~whole][0]:g}; give classes")
        array = array.astype(np.int64)
    return array
