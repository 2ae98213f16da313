"""What is odd about a data set, in sentences. Nothing here stops a run; all of it may spoil its numbers."""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from cl_bench.data.image_data import ImageData

DARK = 64  # of 255: where no pixel is brighter, images were probably not scaled to bytes
NAMED = 5  # names that are listed before "and so many more"
SAMPLED = 16  # values of each image that a first comparison looks at


def peculiarities(data: ImageData) -> list[str]:
    """Return a sentence for each: absent classes, images that are all the same, test images in training."""
    odd = _odd_features(data) if data.features else _odd_images(data)
    return [*_absent_classes(data), *odd, *_shared(data)]


def listed(names: Sequence[object]) -> str:
    """List the names; where they are many, the first and how many more there are."""
    shown = ", ".join(map(str, names[:NAMED]))
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def shared_images(train: Tensor, test: Tensor) -> int:
    """Count the training images that also stand among the test images, value for value, bit for bit."""
    rows = [_bits(images) for images in (train, test)]
    some = np.unique(np.linspace(0, rows[0].shape[1] - 1, SAMPLED).astype(int))
    weights = np.random.default_rng(0).integers(1, 2**63, len(some), dtype=np.uint64)
    keys = [(each[:, some].astype(np.uint64) * weights).sum(1) for each in rows]
    candidates = [np.isin(mine, others) for mine, others in (keys, keys[::-1])]
    tested = {row.tobytes() for row in rows[1][candidates[1]]}
    return sum(row.tobytes() in tested for row in rows[0][candidates[0]])


def _bits(images: Tensor) -> np.ndarray:
    """The values of each image [N, ...] as whole numbers: bytes, or the bits of floats."""
    values = images.flatten(1).contiguous().numpy()
    return values if values.dtype == np.uint8 else values.view(np.uint32)


def _absent_classes(data: ImageData) -> list[str]:
    num_classes = len(data.class_names)
    notes = []
    for part, labels in (("training", data.train_labels), ("test", data.test_labels)):
        absent = (labels.bincount(minlength=num_classes) == 0).nonzero().flatten().tolist()
        if not absent or not len(labels):
            continue
        classes = "class" if len(absent) == 1 else "classes"
        names = listed([data.class_names[each] for each in absent])
        note = f"{data.name}: no {part} {_unit(data)} of {classes} {names}"
        if absent == [0] and num_classes > 2:
            note += f" (label 0; labels are {int(labels.min())}..{int(labels.max())}: do they count from 1?)"
        notes.append(note)
    return notes


def _odd_images(data: ImageData) -> list[str]:
    images = data.train_images
    highest = int(images.max()) if images.numel() else 0
    if len(images) > 1 and _all(images, lambda part: (part == images[0]).all()):
        colour = ", all black" if highest == 0 else ""
        return [f"{data.name}: all {len(images):,} training images are equal{colour}: nothing can be learned"]
    notes = []
    if images[0].numel() > images.shape[1] and _all(images, _is_flat):
        notes.append(f"{data.name}: each training image is one flat colour: are they decoded rightly?")
    if highest < DARK:
        notes.append(
            f"{data.name}: the brightest training pixel is {highest} of 255: should pixels be scaled?"
        )
    return notes


def _odd_features(data: ImageData) -> list[str]:
    """Tell that rows or columns do not vary."""
    values = data.train_images.flatten(1)
    if len(values) < 2:
        return []
    constant = int((values == values[0]).all(dim=0).sum())
    if constant == values.shape[1]:
        return [f"{data.name}: all {len(values):,} training examples are equal: nothing can be learned"]
    if not constant:
        return []
    one = "is one number" if constant == 1 else "are one number each"
    return [f"{data.name}: {constant:,} of {values.shape[1]:,} features {one} in all training examples"]


def _unit(data: ImageData) -> str:
    return "example" if data.features else "image"


def _is_flat(images: Tensor) -> Tensor:
    """Whether each channel of each image has a single value."""
    return (images == images[..., :1, :1]).all()


def _all(images: Tensor, test: Callable[[Tensor], Tensor]) -> bool:
    """Whether the test holds for all images; it begins with a few, which decide it for usual data."""
    return bool(test(images[:16])) and all(bool(test(part)) for part in images.split(4096))


def _shared(data: ImageData) -> list[str]:
    if not len(data.test_images):
        return []
    shared = shared_images(data.train_images, data.test_images)
    if not shared:
        return []
    verb = "is" if shared == 1 else "are"
    total = len(data.train_images)
    what = f"{_unit(data)}s"
    return [f"{data.name}: {shared:,} of {total:,} training {what} {verb} also among the test {what}"]
