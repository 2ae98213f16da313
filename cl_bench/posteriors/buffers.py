"""Which examples of a stream a memory of fixed size keeps.

Every example gets a random key when it comes, and the memory keeps those with the lowest keys. So at any time
each example so far is in it with the same probability. It is the reservoir of Vitter, "Random Sampling with a
Reservoir", ACM TOMS 1985. Example by example the memory follows the law of his algorithm R. The n-th example
gets in with probability size / n, and takes the place of each one held with the same probability. With keys a
batch of any size is one operation, and a memory that is balanced needs no other rule.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Placement(NamedTuple):
    """The places of new examples in a memory; whatever was in these slots is forgotten.

    Attributes:
        slots: places in the memory, int64 [k].
        positions: the new example that each of them gets, int64 [k].

    >>> memory, new = torch.tensor([10, 11, 12]), torch.tensor([20, 21])
    >>> placement = buffers.Placement(
    ...     slots=torch.tensor([1]), positions=torch.tensor([0])
    ... )
    >>> memory[placement.slots] = new[placement.positions]
    >>> memory
    tensor([10, 20, 12])
    """

    slots: Tensor
    positions: Tensor


def ranks(keys: Tensor, groups: Tensor) -> Tensor:
    """The rank of each example's key in its own group, from 0.

    Args:
        keys, groups: of each example, [N].

    Returns:
        int64 [N].

    >>> buffers.ranks(
    ...     keys=torch.tensor([0.5, 0.1, 0.9, 0.3]),
    ...     groups=torch.tensor([0, 0, 1, 1]),
    ... )
    tensor([1, 0, 1, 0])
    """
    by_key = keys.argsort(stable=True)
    order = by_key[groups[by_key].argsort(stable=True)]  # group by group, each in the order of keys
    sorted_groups = groups[order]
    first_of_group = torch.searchsorted(sorted_groups, sorted_groups)
    placed = torch.empty_like(order)
    placed[order] = torch.arange(len(order), device=order.device) - first_of_group
    return placed


def lowest(keys: Tensor, groups: Tensor, size: int) -> Tensor:
    """Positions of the examples that a memory keeps: equally many of each group, as far as it has them.

    Groups take turns, each with its lowest key left; the last turn, where it is not for all, goes to the
    lowest keys. With one group these are the lowest keys of all. With random keys the kept ones are a random
    sample of each group (see the top of this file).

    Args:
        keys, groups: of each example, [N].

    Returns:
        int64 [min(size, N)].

    >>> keys = torch.tensor([0.1, 0.2, 0.3, 0.9])
    >>> groups = torch.tensor([0, 0, 0, 1])
    >>> buffers.lowest(keys, groups, size=2)  # one of each group
    tensor([0, 3])
    >>> buffers.lowest(keys, torch.zeros(4), size=2)
    tensor([0, 1])
    """
    by_key = keys.argsort(stable=True)
    return by_key[ranks(keys, groups)[by_key].argsort(stable=True)][:size]


def place(keys: Tensor, groups: Tensor, new_keys: Tensor, new_groups: Tensor, *, size: int) -> Placement:
    """The slots of a memory that new examples get, if their keys are low enough.

    Slots are filled from the first on. Then the examples that `lowest` does not keep make room.

    Args:
        keys, groups: of the examples in the memory, [m], m <= size.
        new_keys, new_groups: of the examples that come, [n].

    >>> one_group = torch.zeros(2)
    >>> memory, new = torch.tensor([0.5, 0.6]), torch.tensor([0.1, 0.9])
    >>> # there is room for one
    >>> buffers.place(memory, one_group, new, one_group, size=3)
    Placement(slots=tensor([2]), positions=tensor([0]))
    >>> # the highest key, 0.6, makes room
    >>> buffers.place(memory, one_group, new, one_group, size=2)
    Placement(slots=tensor([1]), positions=tensor([0]))
    """
    num_held = len(keys)
    kept = lowest(torch.cat([keys, new_keys]), torch.cat([groups, new_groups]), size)
    positions = kept[kept >= num_held] - num_held
    free = torch.ones(size, dtype=torch.bool)
    free[kept[kept < num_held]] = False
    return Placement(free.nonzero().squeeze(1)[: len(positions)], positions)
