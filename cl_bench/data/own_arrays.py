"""Arrays of one's own as a data set."""

from collections.abc import Sequence
from typing import Any

from cl_bench.data.accepted import converted
from cl_bench.data.class_values import by_value
from cl_bench.data.image_data import ImageData
from cl_bench.data.test_part import check_test_share, drawn_test


def from_arrays(
    x: Any,
    y: Any,
    x_test: Any | None = None,
    y_test: Any | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    features: bool | None = None,
    channels_last: bool | None = None,
    test_share: float | None = None,
) -> ImageData:
    """Make a data set of NumPy or torch arrays, or lists.

    Args:
        x, x_test: images [N, C, H, W], [N, H, W, C] or [N, H, W], as bytes or as floats in [0, 1]; or
            features, kept as they are: rows [N, D], or arrays of any range with `features=True`.
        y, y_test: a class for each example: whole numbers, names, or one-hot rows.
        name: of the data set, in benchmarks and notes.
        class_names: a name for each class; labels are then indices into them, or names among them. None: the
            classes are the values that occur in `y`, sorted.
        features: whether numbers are kept as they are (True) or are images (False). None: rows [N, D] are
            features, and everything else is images.
        channels_last: whether the channels are the last axis; None: told by the shape, where it can be read
            in one way only.
        test_share: of each class, kept for the test where there is no test part: a choice that is the same in
            every run.

    Returns:
        The data set: images as uint8 [N, C, H, W], features as float32, rows as [N, D, 1, 1].

    Raises:
        DataError: for what can be read in more than one way or in none, for nan and infinite values, and for
            no test part.

    Example:
        >>> rows, labels = [[0.5, -1.0], [2.0, 3.5], [0.1, 0.2]], ["no", "yes", "no"]
        >>> data = from_arrays(rows, labels, rows, labels, name="answers")
        >>> data.train_images.shape, data.class_names
        (torch.Size([3, 2, 1, 1]), ('no', 'yes'))
    """
    has_test = x_test is not None or y_test is not None
    check_test_share(test_share, has_test=has_test, name=name)
    return made(
        x,
        y,
        x_test,
        y_test,
        name=name,
        class_names=class_names,
        features=features,
        channels_last=channels_last,
        test_share=test_share,
    )


def made(
    x: Any,
    y: Any,
    x_test: Any,
    y_test: Any,
    *,
    name: str,
    class_names: Sequence[str] | None,
    features: bool | None,
    channels_last: bool | None,
    test_share: float | None,
    with_test: bool = True,
) -> ImageData:
    """Make what `from_arrays` makes; without `with_test` it has no test part, and needs no test array."""
    notes: list[str] = []
    if class_names is None:
        y, y_test, class_names, notes = by_value(y, y_test, name=name)
    data = ImageData(
        name=name,
        train_images=x,
        train_labels=y,
        test_images=x_test,
        test_labels=y_test,
        class_names=class_names,  # type: ignore[arg-type]  # converted with the rest
        source="arrays",
        notes=tuple(notes),
        channels_last=channels_last,
        features=features,
    )
    if test_share is None:
        return converted(data, with_test=with_test)
    whole = converted(data, with_test=False)
    test = drawn_test(whole.train_labels, test_share)
    parted = whole._replace(
        train_images=whole.train_images[~test],
        train_labels=whole.train_labels[~test],
        test_images=whole.train_images[test],
        test_labels=whole.train_labels[test],
    )
    return parted if with_test else parted.without_test()
