"""Which examples of a data set without a test part are kept for the test."""

import hashlib

import torch
from torch import Tensor

from cl_bench.data.image_data import DataError

PURPOSE = "cl_bench: which examples are test examples"  # names the generator of this choice, in every run


def check_test_share(test_share: float | None, *, has_test: bool, name: str) -> None:
    """Refuse a data set without a test part, or with two.

    Raises:
        DataError: that says what to give.
    """
    if test_share is None and not has_test:
        raise DataError(
            f"{name} must have a test part, got none; give one, or test_share=0.2, which keeps a fifth of "
            "each class for the test"
        )
    if test_share is not None and has_test:
        raise DataError(f"{name} has a test part, got test_share={test_share} too; leave it out")
    if test_share is not None and not 0 < test_share < 1:
        raise DataError(f"test_share must lie between 0 and 1, got {test_share=}")


def drawn_test(labels: Tensor, share: float) -> Tensor:
    """Return which examples are test examples, bool [N]: a share of each class, int64 labels [N].

    A class of two examples or more has one in each part at least. The choice is random, and the same in every
    run whatever its seed: it belongs to the data.
    """
    seed = int.from_bytes(hashlib.sha256(PURPOSE.encode()).digest()[:7], "big")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = order[labels[order] == label]
        test[members[: number_of_test(len(members), share)]] = True
    return test


def number_of_test(num_examples: int, share: float) -> int:
    """Return how many of a class's examples are test examples; of two or more each part has one at least."""
    return min(max(1, round(share * num_examples)), num_examples - 1)
