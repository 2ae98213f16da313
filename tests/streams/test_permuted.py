"""Permuted streams: each task is one bijection of pixel places, the same for every image."""

import tracemalloc

import pytest
import torch

from cl_bench.streams.benchmark import to_avalanche

CPU = torch.device("cpu")


def order_of(task):
    """The task's permutation, read off an image whose values are 0, 1, 2, ..."""
    return task.pixels(CPU)[0].flatten().long()


def test_a_permutation_only_rearranges_pixels(build):
    for task in build("permuted").train:
        assert order_of(task).sort().values.equal(torch.arange(48))


def test_a_permutation_is_the_same_for_every_image_of_training_validation_and_test(build, data):
    stream = build("permuted", validation_share=0.2)
    for train, validation, test in zip(stream.train, stream.validation, stream.test, strict=True):
        order = order_of(test)
        assert not order.equal(torch.arange(48))
        assert test.pixels(CPU).flatten(1).equal(data.test_images.flatten(1)[:, order])
        for part in (train, validation):
            assert part.pixels(CPU).flatten(1).equal(data.train_images[part.indices].flatten(1)[:, order])


def test_different_tasks_have_different_permutations(build):
    orders = [tuple(order_of(task).tolist()) for task in build("permuted", num_tasks=20).train]
    assert len(set(orders)) == 20


def test_the_first_task_is_as_it_was_when_permute_first_is_false(build, data):
    stream = build("permuted", permute_first=False)
    assert stream.train[0].pixels(CPU).equal(data.train_images)
    assert stream.test[0].pixels(CPU).equal(data.test_images)
    assert not order_of(stream.train[1]).equal(torch.arange(48))


def test_leaving_the_first_task_alone_does_not_change_the_others(build):
    with_first, without_first = (build("permuted", permute_first=first) for first in (True, False))
    for one, other in zip(with_first.train[1:], without_first.train[1:], strict=True):
        assert order_of(one).equal(order_of(other))


def test_the_same_seed_gives_the_same_permutations_and_another_seed_others(build):
    first, same, other = (
        [order_of(task).tolist() for task in build("permuted", seed=seed).train] for seed in (0, 0, 1)
    )
    assert first == same
    assert all(one != another for one, another in zip(first, other, strict=True))


def test_labels_stay_but_in_the_class_scenario_every_task_has_its_own(build, data, scenario):
    stream = build("permuted", scenario=scenario)
    for number, task in enumerate(stream.train):
        assert task.labels.equal(data.train_labels + (10 * number if scenario == "class" else 0))
    assert stream.num_classes == {"task": 10, "domain": 10, "class": 30}[scenario]
    assert stream.num_heads == {"task": 3, "domain": 1, "class": 1}[scenario]
    assert [task.head for task in stream.test] == ([0, 1, 2] if scenario == "task" else [0, 0, 0])


def test_a_thousand_tasks_hold_one_copy_of_the_pixels_and_labels(build, data):
    stream = build("permuted", num_tasks=1000, validation_share=0.1)
    for tasks, images in ((stream.train, data.train_images), (stream.test, data.test_images)):
        assert {task.shared.images.data_ptr() for task in tasks} == {images.data_ptr()}
        assert len({task.labels.data_ptr() for task in tasks}) == 1
    assert len({task.indices.data_ptr() for task in stream.train}) == 1


def test_a_thousand_tasks_stay_one_copy_in_avalanche(build, make_data):
    """A list of labels made anew for each task would be 8 bytes an example and task."""
    num_train = 10_000
    stream = build("permuted", num_tasks=1000, data=make_data(num_train=num_train, shape=(1, 2, 2)))
    tracemalloc.start()
    try:
        benchmark = to_avalanche(stream)
        for experience in benchmark.streams["train"]:
            assert len(experience.dataset) == num_train
            assert experience.dataset.targets[0] == 0
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    per_task = held / 2000  # training and test
    assert per_task < 8 * num_train / 2, f"{per_task:.0f} bytes a task"
    first, *_, last = benchmark.streams["train"]
    assert first.dataset.targets.data is last.dataset.targets.data


def test_a_task_gives_each_device_its_pixels_once(build):
    stream = build("permuted")
    assert stream.train[0].shared is stream.train[2].shared
    assert stream.train[0].shared.on(CPU) is stream.train[0].shared.images


@pytest.mark.parametrize("num_tasks", [0, -1, 2.5, "3", True])
def test_a_wrong_number_of_tasks_is_an_error_that_names_it(build, kind, num_tasks):
    with pytest.raises(ValueError, match=r"num_tasks must be .* at least 1, got num_tasks="):
        build(kind, num_tasks=num_tasks)


def test_padding_is_black_and_permuted_with_the_rest(build, data):
    stream = build("permuted", padding=2, permute_first=False)
    assert stream.input_shape == (2, 8, 10)
    plain, moved = (task.pixels(CPU) for task in stream.train[:2])
    assert plain[:, :, 2:-2, 2:-2].equal(data.train_images)
    assert int(plain.sum()) == int(data.train_images.sum())
    assert moved.flatten(1).sort().values.equal(plain.flatten(1).sort().values)
    assert moved[:, :, 2:-2, 2:-2].any(dim=0).sum() < plain[:, :, 2:-2, 2:-2].any(dim=0).sum()


def test_every_stream_is_padded_the_same_way_and_refuses_what_is_no_number_of_pixels(build, kind):
    stream = build(kind, padding=1)
    assert stream.input_shape == (2, 6, 8)
    assert stream.test[0].pixels(CPU).shape[1:] == (2, 6, 8)
    for padding in (-1, 0.5, True):
        with pytest.raises(ValueError, match=f"padding must be .* got padding={padding}"):
            build(kind, padding=padding)
