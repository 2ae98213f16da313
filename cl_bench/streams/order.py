"""What chance decides about the order of a stream, and the name by which two orders are compared."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor


def name_of_permutation(order: Tensor) -> str:
    """Name a permutation of 0 to n - 1, int64 [n]."""
    return f"permutation {hashlib.sha256(order.numpy().tobytes()).hexdigest()[:16]}"


def repeated(orders: Sequence[Tensor]) -> list[str]:
    """Tell that some of the tasks' permutations are the same, as those of very few values must be."""
    names = [name_of_permutation(order) for order in orders]
    different = len(set(names))
    if different == len(names):
        return []
    size = len(orders[0])
    return [f"of {len(names)} tasks only {different} differ: an image has {size} values to permute"]


def name_of_class_order(groups: Iterable[Iterable[int]]) -> str:
    """Name the classes of each task; their order within a task makes no other stream."""
    return "class order " + " | ".join(" ".join(map(str, sorted(group))) for group in groups)


def relabelled_classes(seed: int, num_classes: int) -> list[int]:
    """Return the classes by their new labels, argsort(p): class y becomes p[y].

    p is the first permutation that NumPy draws after `numpy.random.seed(seed)`. The code of van de Ven and
    Tolias draws its orders so (github.com/GMvandeVen/continual-learning, data.py, `splitMNIST`). In a
    configuration: `class_order: ${relabelled_classes:${seed},10}`.
    """
    return np.random.RandomState(seed).permutation(num_classes).argsort().tolist()
