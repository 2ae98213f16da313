"""Which examples of a stream a memory of fixed size keeps.

Every example gets a random key when it comes, and the memory keeps those with the lowest keys: at any time
each example so far is in it with the same probability, as in a reservoir (Vitter, "Random Sampling with a
Reservoir", ACM TOMS 1985). The memory follows the law of his algorithm R, example by example: the n-th one
gets in with probability size / n, and takes the place of each one held with the same probability. With keys a
batch of any size is one operation, and a memory that is balanced needs no other rule.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Placement(NamedTuple):
    """The new examples at `positions` go to `slots` of the memory; whatever was there is forgotten."""

    slots: Tensor  # int64 [k], of the memory
    positions: Tensor  # int64 [k], of the new examples


def ranks(keys: Tensor, groups: Tensor) -> Tensor:
    """Each example's place by its key in its own group, from 0; int64 [N]."""
    by_key = keys.argsort(stable=True)
    order = by_key[groups[by_key].argsort(stable=True)]  # group by group, each in the order of keys
    sorted_groups = groups[order]
    first_of_group = torch.searchsorted(sorted_groups, sorted_groups)
    placed = torch.empty_like(order)
    placed[order] = torch.arange(len(order), device=order.device) - first_of_group
    return placed


def lowest(keys: Tensor, groups: Tensor, size: int) -> Tensor:
    """The `size` examples to keep, or all: equally many of each group, as far as it has them.

    Groups take turns, each with its lowest key left; the last turn, where it is not for all, goes to the
    lowest keys. With one group these are the lowest keys of all.

    Returns:
        Positions, int64 [min(size, N)].
    """
    by_key = keys.argsort(stable=True)
    return by_key[ranks(keys, groups)[by_key].argsort(stable=True)][:size]


def place(keys: Tensor, groups: Tensor, new_keys: Tensor, new_groups: Tensor, *, size: int) -> Placement:
    """Where new examples go in a memory whose slots are filled from the first on.

    Args:
        keys, groups: of the examples in the memory, [m], m <= size.
        new_keys, new_groups: of the examples that come, [n].
    """
    num_held = len(keys)
    kept = lowest(torch.cat([keys, new_keys]), torch.cat([groups, new_groups]), size)
    positions = kept[kept >= num_held] - num_held
    free = torch.ones(size, dtype=torch.bool)
    free[kept[kept < num_held]] = False
    return Placement(free.nonzero().squeeze(1)[: len(positions)], positions)
