"""Data sets that come with a library: nothing to download, nothing to cache."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cl_bench.data.image_data import ImageData, checked

LEVELS = 16  # scikit-learn's pixels are 0..16
EVERY = 5  # one image in five is a test image


def digits(*, with_test: bool = True) -> ImageData:
    """The 1,797 handwritten digits of scikit-learn, uint8 [N, 1, 8, 8]; 0..16 there is scaled to 0..255.

    They are the test part of UCI's optical digits. The split, 1,442 + 355, is fixed and stratified: in the
    data's own order, every fifth image of each class is a test image.
    """
    content = _digits_table()
    pixels = content[:, :-1].reshape(-1, 1, 8, 8)
    images = pixels.mul(255 / LEVELS).round().to(torch.uint8)
    labels = content[:, -1].long()
    rank = torch.empty_like(labels)  # rank[i]: how many images of the same class come before image i
    for label in labels.unique():
        members = labels == label
        rank[members] = torch.arange(int(members.sum()))
    test = rank % EVERY == EVERY - 1
    data = checked(
        ImageData(
            name="digits",
            train_images=images[~test],
            train_labels=labels[~test],
            test_images=images[test],
            test_labels=labels[test],
            class_names=tuple(map(str, range(10))),
            source="scikit-learn's load_digits",
            files=(),
            channels_last=False,
        )
    )
    return data if with_test else data.without_test()


def _digits_table() -> Tensor:
    """Read the table of digits, float64 [1797, 65]: a row an image, 64 pixels and the label.

    It is read from scikit-learn's own file: importing the library takes a quarter of the time of a short run.
    """
    library = find_spec("sklearn")
    for place in library.submodule_search_locations or () if library else ():
        path = Path(place, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return torch.from_numpy(np.loadtxt(path, delimiter=","))
    from sklearn.datasets import load_digits

    content = load_digits()
    return torch.from_numpy(np.column_stack([content.data, content.target]))
