"""Names of what chance decides about the order of a stream: two streams that share a name share that."""

import hashlib
from collections.abc import Iterable

from torch import Tensor


def name_of_permutation(order: Tensor) -> str:
    """Of int64 [n], a permutation of 0 to n - 1."""
    return f"permutation {hashlib.sha256(order.numpy().tobytes()).hexdigest()[:16]}"


def name_of_class_order(groups: Iterable[Iterable[int]]) -> str:
    """Of the classes of each task; their order within a task makes no other stream."""
    return "class order " + " | ".join(" ".join(map(str, sorted(group))) for group in groups)
