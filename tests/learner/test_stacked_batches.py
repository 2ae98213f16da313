"""Each seed's part of a stacked batch is the batch that it would have alone."""

from functools import partial

import pytest
import torch

from cl_bench.learner.batches import ResidentBatches, StackedBatches, batches_of
from cl_bench.streams.augmentation import CropFlip

CPU = torch.device("cpu")
SEEDS = (3, 0, 8)


def part(seed, *, num_examples=10, batch_size=4, shuffled=True, augmented=False, mixed=False):
    """Images and labels of this seed's own, with its own order and its own augmentation."""
    own = torch.Generator().manual_seed(100 + seed)
    augment = CropFlip(padding=1, flip=True) if augmented else None
    return ResidentBatches(
        torch.randint(256, (num_examples, 1, 4, 4), generator=own, dtype=torch.uint8),
        torch.randint(5, (num_examples,), generator=own),
        torch.randint(3, (num_examples,), generator=own) if mixed else torch.full((num_examples,), 2),
        to_float=lambda pixels: pixels.float() / 255,
        batch_size=batch_size,
        generator=torch.Generator().manual_seed(seed) if shuffled else None,
        augment=partial(augment, generator=torch.Generator().manual_seed(50 + seed)) if augment else None,
    )


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 5, 10, 64])  # of 10: with 3, one example is left over
def test_every_batch_holds_the_seeds_own_batches_one_after_another(batch_size, shuffled, augmented, mixed):
    settings = {"batch_size": batch_size, "shuffled": shuffled, "augmented": augmented, "mixed": mixed}
    alone = [part(seed, **settings) for seed in SEEDS]
    stacked = StackedBatches([part(seed, **settings) for seed in SEEDS])
    assert (len(stacked), stacked.num_examples) == (len(alone[0]), 10)
    passes = []
    for _ in range(2):
        found = list(stacked)
        passes.append(torch.cat([images for images, _, _ in found]))
        for (images, labels, task), *own in zip(found, *alone, strict=True):
            assert images.equal(torch.cat([batch[0] for batch in own]))
            assert labels.equal(torch.cat([batch[1] for batch in own]))
            if mixed:
                assert task.equal(torch.cat([batch[2] for batch in own]))
            else:
                assert (type(task), task) == (int, 2)
    assert passes[0].equal(passes[1]) == (not shuffled and not augmented), "each pass draws anew"


def test_a_seed_has_the_same_batches_whatever_its_neighbours():
    pair = list(StackedBatches([part(3, augmented=True), part(0, augmented=True)]))
    three = list(StackedBatches([part(seed, augmented=True) for seed in (8, 0, 5)]))
    for (two_images, _, _), (three_images, _, _) in zip(pair, three, strict=True):
        assert two_images.chunk(2)[1].equal(three_images.chunk(3)[1])


def test_stacked_batches_draw_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    for _ in StackedBatches([part(seed, augmented=True) for seed in SEEDS]):
        pass
    assert torch.get_rng_state().equal(before)


def test_a_streams_tasks_are_augmented_in_training_batches_only(augmented_stream):
    (task, *_) = augmented_stream.train
    plain = batches_of([task], batch_size=len(task), device=CPU)
    drawn = [
        batches_of([task], batch_size=len(task), device=CPU, augmentation=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    images, same, again, other = (next(iter(batches))[0] for batches in (plain, *drawn))
    assert images.equal(task.images(CPU))
    assert same.equal(again)
    assert not same.equal(images)
    assert not same.equal(other)
    (test_task, *_) = augmented_stream.test
    tested = batches_of([test_task], batch_size=99, device=CPU, augmentation=torch.Generator())
    assert next(iter(tested))[0].equal(test_task.images(CPU))
