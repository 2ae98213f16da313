"""Batches of a task and a memory: how they are composed, and what an epoch shows."""

from collections import Counter

import pytest
import torch

from cl_bench.learner.batches import ResidentBatches, StackedBatches
from cl_bench.learner.memory import Memory
from cl_bench.learner.mixed_batches import Passes, RehearsalBatches, RoomBatches

OLD = 100  # what the labels of the memory's examples begin with


def task(num_examples=20, *, batch_size=8, seed=0, head=1):
    numbers = torch.arange(num_examples)
    return ResidentBatches(
        numbers.to(torch.uint8).view(-1, 1, 1, 1),
        numbers,
        torch.full((num_examples,), head),
        to_float=lambda pixels: pixels.float() / 2,
        batch_size=batch_size,
        generator=torch.Generator().manual_seed(seed),
    )


def memory(size=6, *, head=0):
    held = Memory(size, buffer="reservoir", generator=torch.Generator().manual_seed(1))
    numbers = torch.arange(OLD, OLD + size)
    held.offer(
        pixels=numbers.to(torch.uint8).view(-1, 1, 1, 1), labels=numbers, heads=torch.full((size,), head)
    )
    return held


def rehearsing(share, *, size=6, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed + 50)
    return RehearsalBatches(task(seed=seed, **settings), memory(size), share=share, generator=generator)


def old_in(batch):
    return int((batch[1] >= OLD).sum())


@pytest.mark.parametrize(
    ("share", "batch_size", "expected"),
    [
        (0.5, 8, [(8, 4), (8, 4), (4, 2)]),
        (0.25, 8, [(8, 2), (8, 2), (4, 1)]),
        (0.5, 3, [(3, 2)] * 6 + [(2, 1)]),
        (0.99, 8, [(8, 7), (8, 7), (4, 3)]),
        (0.0, 8, [(8, 0), (8, 0), (4, 0)]),
        (1, 8, [(8, 8), (8, 8), (4, 4)]),
        (0.5, 19, [(20, 10)]),  # a last single example joins the batch before
    ],
)
def test_batches_are_as_many_and_as_large_as_without_a_memory(share, batch_size, expected):
    batches = rehearsing(share, batch_size=batch_size)
    for _ in range(3):
        assert [(len(batch[1]), old_in(batch)) for batch in batches] == expected
    assert len(batches) == len(expected) == len(task(batch_size=batch_size))
    assert batches.num_examples == 20


def test_every_example_keeps_its_pixels_and_its_head():
    for images, labels, heads in rehearsing(0.5):
        assert images.flatten().equal(labels / 2)
        assert heads.equal((labels < OLD).long())


def test_two_half_epochs_show_each_example_of_the_task_once_and_the_memory_evenly():
    batches = rehearsing(0.5, size=5)
    seen = Counter(label for _ in range(2) for _, labels, _ in batches for label in labels.tolist())
    assert {label: seen[label] for label in range(20)} == dict.fromkeys(range(20), 1)
    assert {label: seen[label] for label in range(OLD, OLD + 5)} == dict.fromkeys(range(OLD, OLD + 5), 4)


def test_with_nothing_rehearsed_batches_are_the_tasks_own():
    with_memory, alone = rehearsing(0.0), task()
    for _ in range(3):
        for mine, own in zip(with_memory, alone, strict=True):
            assert mine[1].equal(own[1])


def test_a_memory_of_one_example_fills_its_share():
    assert [old_in(batch) for batch in rehearsing(0.5, size=1)] == [4, 4, 2]


def test_room_is_left_in_every_batch_and_two_examples_at_least():
    batches = RoomBatches(task(), share=0.75)
    assert [len(batch[1]) for batch in batches] == [2, 2, 2]
    assert len(batches) == 3
    smaller = RoomBatches(task(18), share=0.75)
    assert [len(batch[1]) for batch in smaller] == [2, 2, 2]
    half = RoomBatches(task(), share=0.5)
    seen = Counter(label for _ in range(2) for _, labels, _ in half for label in labels.tolist())
    assert seen == dict.fromkeys(range(20), 1)


def test_stacked_each_seeds_part_is_the_batch_it_has_alone():
    stacked = StackedBatches([rehearsing(0.5, seed=seed) for seed in range(3)])
    alone = [rehearsing(0.5, seed=seed) for seed in range(3)]
    assert len(stacked) == len(alone[0])
    for _ in range(2):
        for together, *parts in zip(stacked, *alone, strict=True):
            for index in range(3):
                assert together[index].equal(torch.cat([part[index] for part in parts]))
            assert stacked.labels[stacked.newest].equal(together[1])


def test_passes_go_on_where_they_stopped():
    passes = Passes(5, torch.Generator().manual_seed(0))
    taken = torch.cat([passes.take(count) for count in (3, 0, 4, 13, 5)])
    for one in taken.split(5):
        assert sorted(one.tolist()) == list(range(5))
