"""What a memory keeps: exact probabilities by enumeration, and the balance of groups."""

from collections import Counter
from itertools import combinations, permutations

import pytest
import torch

from cl_bench.posteriors import buffers

NONE = torch.empty(0, dtype=torch.int64)


class Model:
    """A memory of example numbers, filled by `place`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.numbers, self.groups = NONE, NONE
        self.keys = torch.empty(0, dtype=torch.float64)

    def offer(self, numbers, keys, groups):
        slots, positions = buffers.place(self.keys, self.groups, keys, groups, size=self.size)
        assert len(slots) == len(positions) == len(set(slots.tolist()))
        length = min(self.size, len(self.keys) + len(keys))
        for name, new in (("numbers", numbers), ("keys", keys), ("groups", groups)):
            old = getattr(self, name)
            rows = torch.cat([old, old.new_full((length - len(old),), -1)])
            rows[slots] = new[positions]
            assert (rows >= 0).all(), "slots are filled from the first on"
            setattr(self, name, rows)


def one_by_one(keys, size):
    """The sets of examples held after each example of a stream with these keys."""
    model, history = Model(size), []
    for number, key in enumerate(keys):
        model.offer(torch.tensor([number]), torch.tensor([float(key)]).double(), torch.tensor([0]))
        history.append(tuple(sorted(model.numbers.tolist())))
    return history


def algorithm_r(num_examples, size):
    """The probability of each history of sets, by enumeration of Vitter's algorithm R."""
    histories = {((),): 1.0}
    for number in range(num_examples):
        after = Counter()
        for history, probability in histories.items():
            held = history[-1]
            if number < size:
                after[(*history, (*held, number))] += probability
                continue
            for slot in range(number + 1):  # each with probability 1 / (number + 1)
                new = held
                if slot < size:
                    new = tuple(sorted((*held[:slot], *held[slot + 1 :], number)))
                after[(*history, new)] += probability / (number + 1)
        histories = after
    return {history[1:]: probability for history, probability in histories.items()}


@pytest.mark.parametrize(("num_examples", "size"), [(4, 2), (5, 2), (5, 3), (4, 1)])
def test_a_reservoir_has_the_law_of_algorithm_r_at_every_example(num_examples, size):
    """All orders of keys are equally probable: enumerate them."""
    orders = list(permutations(range(num_examples)))
    found = Counter(tuple(one_by_one(keys, size)) for keys in orders)
    expected = algorithm_r(num_examples, size)
    assert {history: count / len(orders) for history, count in found.items()} == pytest.approx(expected)
    last = Counter(tuple(one_by_one(keys, size))[-1] for keys in orders)
    subsets = list(combinations(range(num_examples), size))
    assert last == {subset: len(orders) / len(subsets) for subset in subsets}


def test_a_whole_batch_leaves_what_its_examples_leave_one_by_one():
    keys = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(50, dtype=torch.int64)
    model = Model(7)
    for part in torch.arange(50).split([3, 11, 1, 35]):
        model.offer(part, keys[part], zeros[part])
    assert tuple(sorted(model.numbers.tolist())) == one_by_one(keys.tolist(), 7)[-1]
    assert sorted(model.numbers.tolist()) == sorted(keys.argsort()[:7].tolist())


def test_examples_that_stay_keep_their_slots():
    generator = torch.Generator().manual_seed(1)
    model = Model(6)
    for start in range(0, 60, 10):
        before = model.numbers.clone()
        numbers = torch.arange(start, start + 10)
        keys = torch.rand(10, dtype=torch.float64, generator=generator)
        model.offer(numbers, keys, numbers % 3)
        for slot, number in enumerate(before.tolist()):
            if number in model.numbers.tolist():
                assert model.numbers[slot] == number


def test_ranks_count_lower_keys_in_the_same_group():
    generator = torch.Generator().manual_seed(0)
    keys = torch.rand(40, dtype=torch.float64, generator=generator)
    groups = torch.randint(5, (40,), generator=generator) * 2**32
    expected = [
        sum(bool(keys[other] < keys[number] and groups[other] == groups[number]) for other in range(40))
        for number in range(40)
    ]
    assert buffers.ranks(keys, groups).tolist() == expected


@pytest.mark.parametrize("size", [1, 7, 12, 30])
def test_groups_differ_by_one_at_most_while_they_have_examples(size):
    """And where they have too few, all of those are kept; the memory is as full as can be."""
    generator = torch.Generator().manual_seed(0)
    model, offered = Model(size), Counter()
    for step in range(12):
        numbers = torch.arange(9) + 9 * step
        groups = torch.randint(1 + step // 2, (9,), generator=generator)  # new ones come in time
        model.offer(numbers, torch.rand(9, dtype=torch.float64, generator=generator), groups)
        offered.update(groups.tolist())
        held = Counter(model.groups.tolist())
        assert sum(held.values()) == min(size, sum(offered.values()))
        most = max(held.values())
        for group, count in offered.items():
            assert held[group] >= min(count, most - 1)


def test_in_a_balanced_memory_examples_of_a_group_are_equally_probable():
    """Two groups, offered in unequal parts: by enumeration of all orders of keys."""
    groups = torch.tensor([0, 0, 0, 1, 0, 1])
    counts, orders = Counter(), list(permutations(range(6)))
    for keys in orders:
        model = Model(2)
        for part in torch.arange(6).split([2, 2, 2]):
            model.offer(part, torch.tensor(keys).double()[part], groups[part])
        assert sorted(model.groups.tolist()) == [0, 1]
        counts.update(model.numbers.tolist())
    assert counts == {number: len(orders) / (4 if groups[number] == 0 else 2) for number in range(6)}
