"""A random choice of the training images: the last thing that is drawn, so nothing else depends on it."""

import pytest
import torch

from cl_bench.streams.parts import draw_parts

CPU = torch.device("cpu")
SEEDED = {"permuted": {}, "rotated": {}, "split": {"class_order": "seeded"}}


def used(tasks):
    """Which of the shared images any task uses, sorted."""
    return torch.cat([task.indices for task in tasks]).unique()


def same_tasks(first, second):
    for one, other in zip(first, second, strict=True):
        assert one.pixels(CPU).equal(other.pixels(CPU))
        assert one.labels.equal(other.labels)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_so_many_different_images_are_trained_on(build, kind, scenario, share):
    stream = build(kind, scenario=scenario, validation_share=share, num_train=30)
    for task in stream.train:
        assert task.indices.equal(task.indices.sort().values)
        assert len(task.indices.unique()) == len(task) == len(task.labels) == len(task.pixels(CPU))
    assert len(used(stream.train)) == 30
    if kind == "split":
        assert sum(len(task) for task in stream.train) == 30
    else:
        assert all(task.indices is stream.train[0].indices for task in stream.train)


def test_the_choice_is_random_and_the_generators(build, kind):
    first, same, other = (used(build(kind, seed=seed, num_train=30).train) for seed in (0, 0, 1))
    assert first.equal(same)
    assert not first.equal(other)
    assert not first.equal(torch.arange(30))


def test_images_keep_their_labels(build, kind, scenario):
    whole, some = (build(kind, scenario=scenario, num_train=number) for number in (60, 30))
    for every, few in zip(whole.train, some.train, strict=True):
        labels = dict(zip(every.indices.tolist(), every.labels.tolist(), strict=True))
        assert few.labels.tolist() == [labels[number] for number in few.indices.tolist()]


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_views_validation_and_test_do_not_depend_on_it(build, kind, share):
    whole, some = (
        build(kind, validation_share=share, num_train=number, **SEEDED[kind]) for number in (None, 40)
    )
    same_tasks(whole.test, some.test)
    same_tasks(whole.validation, some.validation)
    for every, few in zip(whole.train, some.train, strict=True):
        numbers = torch.arange(60) if every.indices is None else every.indices
        kept = torch.isin(numbers, few.indices)
        assert every.pixels(CPU)[kept].equal(few.pixels(CPU))
        assert every.labels[kept].equal(few.labels)


def test_training_never_takes_validation_images(build, kind):
    stream = build(kind, validation_share=0.5, num_train=30)
    assert used([*stream.train, *stream.validation]).equal(torch.arange(60))
    fewer = build(kind, validation_share=0.5, num_train=20)
    assert not torch.isin(used(fewer.train), used(fewer.validation)).any()


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_all_that_validation_leaves_is_the_same_as_null(build, kind, share):
    left = 60 if share == 0 else 48
    same_tasks(
        build(kind, validation_share=share).train,
        build(kind, validation_share=share, num_train=left).train,
    )


def test_null_draws_nothing(build, kind):
    """Streams of a seed stay what they were before the setting existed."""
    generator, expected = (torch.Generator().manual_seed(0) for _ in range(2))
    build(kind, generator=generator, validation_share=0.2, **SEEDED[kind])
    if kind == "permuted":
        for _ in range(3):
            torch.randperm(48, generator=expected)
    if kind == "split":
        torch.randperm(10, generator=expected)
    torch.randperm(60, generator=expected)  # the validation images
    assert generator.get_state().equal(expected.get_state())


def test_a_larger_choice_holds_the_smaller_one(build, kind):
    small, large = (used(build(kind, num_train=number).train) for number in (25, 40))
    assert torch.isin(small, large).all()


def test_every_image_is_chosen_equally_often():
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(20)
    for _ in range(2000):
        parts = draw_parts(20, validation_share=0.25, num_train=5, generator=generator)
        counts[parts.train] += 1
    torch.testing.assert_close(counts / 2000, torch.full((20,), 0.25), rtol=0, atol=0.05)


@pytest.mark.parametrize("num_train", [0, -1, 2.5, "many", True, 49, float("nan")])
def test_a_wrong_number_is_an_error_that_names_it(build, kind, num_train):
    rule = r"num_train must be (a whole number, at least 1|null or at most the 48 images .*), got num_train="
    with pytest.raises(ValueError, match=rule):
        build(kind, validation_share=0.2, num_train=num_train)


def test_a_split_leaves_no_task_without_images(build):
    with pytest.raises(ValueError, match=r"num_train must leave each of 3 tasks .*, got num_train=2"):
        build("split", num_train=2)
    assert [len(task) for task in build("permuted", num_train=2).train] == [2, 2, 2]
