"""Batches of resident tensors."""

import pytest
import torch

from cl_bench.learner.batches import ResidentBatches, batches_of, merged

CPU = torch.device("cpu")


def numbered(num_examples=10, *, batch_size=4, seed=0, heads=None):
    """Examples that carry their number as pixel and as label."""
    numbers = torch.arange(num_examples)
    return ResidentBatches(
        numbers.to(torch.uint8).view(-1, 1, 1, 1),
        numbers,
        torch.zeros(num_examples, dtype=torch.int64) if heads is None else torch.tensor(heads),
        to_float=lambda pixels: pixels.float() / 2,
        batch_size=batch_size,
        generator=None if seed is None else torch.Generator().manual_seed(seed),
    )


def passed(batches):
    """The labels of one pass, in order."""
    return torch.cat([labels for _, labels, _ in batches]).tolist()


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("batch_size", [1, 4, 5, 10, 64])
def test_a_pass_covers_each_example_once(batch_size, seed):
    batches = numbered(batch_size=batch_size, seed=seed)
    for _ in range(2):
        sizes = [len(labels) for _, labels, _ in batches]
        assert len(batches) == len(sizes)
        assert sizes == [min(batch_size, 10 - start) for start in range(0, 10, batch_size)]
        assert sorted(passed(batches)) == list(range(10))


def test_a_last_single_example_joins_the_batch_before_in_training():
    """Batch normalisation cannot take a batch of one; in testing it uses running statistics."""
    batches = numbered(batch_size=3)
    assert [len(labels) for _, labels, _ in batches] == [3, 3, 4]
    assert len(batches) == 3
    assert sorted(passed(batches)) == list(range(10))
    assert [len(labels) for _, labels, _ in numbered(batch_size=3, seed=None)] == [3, 3, 3, 1]
    assert [len(labels) for _, labels, _ in numbered(1, batch_size=3)] == [1]
    assert [len(labels) for _, labels, _ in numbered(2, batch_size=1)] == [1, 1]


def test_images_stay_with_their_labels_and_become_floats():
    for images, labels, task in numbered():
        assert images.dtype == torch.float32
        assert images.flatten().equal(labels / 2)
        assert task == 0


def test_without_a_generator_the_order_is_kept():
    assert passed(numbered(seed=None)) == list(range(10))


def test_the_order_is_the_generators_and_new_in_each_pass():
    first, same, other = numbered(100), numbered(100), numbered(100, seed=1)
    passes = [passed(first) for _ in range(2)]
    assert passes == [passed(same) for _ in range(2)]
    assert passes[0] != passes[1]
    assert passes[0] != passed(other)


def test_batches_draw_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    passed(numbered())
    assert torch.get_rng_state().equal(before)


def test_one_task_is_an_int_and_mixed_tasks_are_a_tensor_for_each_example():
    same = numbered(4, heads=[2, 2, 2, 2])
    assert [(type(task), task) for _, _, task in same] == [(int, 2)]
    heads = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    for _, labels, task in numbered(heads=heads):
        assert isinstance(task, torch.Tensor)
        assert task.tolist() == [heads[label] for label in labels.tolist()]


def test_only_and_without_part_the_examples():
    batches = numbered(heads=[0] * 5 + [1] * 5)
    positions = torch.tensor([7, 2, 3])
    chosen, rest = batches.only(positions), batches.without(positions)
    assert (chosen.num_examples, rest.num_examples, batches.num_examples) == (3, 7, 10)
    assert sorted(passed(chosen)) == [2, 3, 7]
    assert sorted(passed(rest)) == [0, 1, 4, 5, 6, 8, 9]
    for images, labels, task in chosen:
        assert images.flatten().equal(labels / 2)
        assert task.equal((labels >= 5).long())
    assert sorted(passed(batches)) == list(range(10))  # itself unchanged


def test_at_gives_the_examples_asked_for_in_their_order():
    images, labels, task = numbered().at(torch.tensor([5, 1]))
    assert labels.tolist() == [5, 1]
    assert images.flatten().tolist() == [2.5, 0.5]
    assert task == 0


def test_merged_parts_hold_all_examples_with_their_heads():
    first, second = numbered(5, heads=[0] * 5, batch_size=3), numbered(9, heads=[1] * 9)
    both = merged([first, second])
    assert both.num_examples == 14
    assert both.batch_size == 3
    assert both.generator is first.generator
    seen = [
        (label, head)
        for _, labels, task in both
        for label, head in zip(labels.tolist(), task.tolist(), strict=True)
    ]
    assert sorted(seen) == sorted([(label, 0) for label in range(5)] + [(label, 1) for label in range(9)])
    assert isinstance(next(iter(merged([first, first])))[2], int)


def test_batches_of_a_task_equal_its_images(stream):
    for task in (*stream.train, *stream.test):
        batches = batches_of([task], batch_size=7, device=CPU)
        images, labels, heads = zip(*batches, strict=True)
        assert torch.cat(images).equal(task.images(CPU))
        assert torch.cat(labels).equal(task.labels)
        assert set(heads) == {task.head}


def test_batches_of_several_tasks_mix_them_with_their_heads(stream):
    batches = batches_of(
        stream.train, batch_size=1000, device=CPU, generator=torch.Generator().manual_seed(0)
    )
    images, labels, heads = next(iter(batches))
    for task in stream.train:
        mine = heads == task.head
        found = {
            (tuple(image.flatten().tolist()), int(label))
            for image, label in zip(images[mine], labels[mine], strict=True)
        }
        wanted = {(tuple(image.flatten().tolist()), label) for image, label in task}
        assert found == wanted
    first_half = heads[: len(heads) // 2]
    assert 0 < int(first_half.sum()) < len(first_half)  # shuffled across tasks


class Appending(ResidentBatches):
    """As a user may write it: an old example of the other head at the end of each batch."""

    def at(self, positions):
        old = super().at(torch.tensor([9]))
        return [torch.cat(pair) for pair in zip(super().at(positions), old, strict=True)]


class InAnOrderOfItsOwn(ResidentBatches):
    def __iter__(self):
        yield from (self.at(torch.tensor([first, 9])) for first in range(3))


@pytest.mark.parametrize("seed", [None, 0])
def test_heads_on_the_host_are_those_of_the_batch_that_was_served(seed):
    batches = numbered(heads=[0] * 5 + [1] * 5, seed=seed)
    for _, _, tasks in batches:
        assert batches.is_newest(tasks)
        assert batches.heads_of_newest().equal(tasks)
        assert not batches.is_newest(tasks.clone())


@pytest.mark.parametrize("kind", [Appending, InAnOrderOfItsOwn])
@pytest.mark.parametrize("seed", [None, 0])
def test_heads_of_a_batch_that_a_subclass_has_made_are_its_own(kind, seed):
    batches = numbered(heads=[0] * 9 + [1], seed=seed)
    batches.__class__ = kind
    served = list(map(batches.is_newest, (tasks for _, _, tasks in batches)))
    assert served
    assert not any(served)
