"""Split streams: each class in one task, numbered as the scenario says."""

from itertools import chain

import pytest
import torch

CPU = torch.device("cpu")


def classes_of(tasks, labels):
    """The original classes of each task, from the original labels."""
    return [labels[task.indices].unique().tolist() for task in tasks]


@pytest.mark.parametrize("num_tasks", [1, 2, 3, 4, 5, 7, 10])
def test_every_class_and_every_example_is_in_exactly_one_task(build, data, num_tasks, scenario):
    stream = build("split", num_tasks=num_tasks, scenario=scenario)
    assert stream.num_tasks == num_tasks
    for tasks, labels in ((stream.train, data.train_labels), (stream.test, data.test_labels)):
        assert sorted(chain.from_iterable(classes_of(tasks, labels))) == list(range(10))
        assert torch.cat([task.indices for task in tasks]).sort().values.equal(torch.arange(len(labels)))


def test_an_uneven_split_loses_no_class(build, data):
    stream = build("split", num_tasks=3)
    assert classes_of(stream.train, data.train_labels) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert classes_of(stream.test, data.test_labels) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_each_example_keeps_its_own_image(build, data):
    for part, images in (("train", data.train_images), ("test", data.test_images)):
        for task in getattr(build("split"), part):
            assert task.pixels(CPU).equal(images[task.indices])


@pytest.mark.parametrize("class_order", ["fixed", [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]])
def test_labels_count_within_the_task_or_along_the_class_order(build, data, scenario, class_order):
    order = list(range(10)) if class_order == "fixed" else class_order
    groups = [order[:4], order[4:7], order[7:]]
    stream = build("split", scenario=scenario, class_order=class_order)
    for tasks, labels in ((stream.train, data.train_labels), (stream.test, data.test_labels)):
        for task, group in zip(tasks, groups, strict=True):
            among = order if scenario == "class" else group
            assert task.labels.tolist() == [among.index(label) for label in labels[task.indices].tolist()]


def test_heads_and_outputs_are_those_of_the_scenario(build, scenario):
    stream = build("split", scenario=scenario)
    assert stream.scenario == scenario
    assert stream.num_heads == {"task": 3, "domain": 1, "class": 1}[scenario]
    assert stream.num_classes == {"task": 4, "domain": 4, "class": 10}[scenario]
    assert [task.head for task in stream.train] == ([0, 1, 2] if scenario == "task" else [0, 0, 0])
    assert [task.head for task in stream.test] == [task.head for task in stream.train]
    assert max(int(task.labels.max()) for task in stream.train) == stream.num_classes - 1


def test_a_list_gives_the_order_of_classes(build, data):
    order = [9, 7, 5, 3, 1, 0, 2, 4, 6, 8]
    stream = build("split", num_tasks=5, class_order=order)
    found = classes_of(stream.train, data.train_labels)
    assert found == [sorted(order[start : start + 2]) for start in range(0, 10, 2)]


def test_a_seeded_order_depends_on_the_seed_alone(build, data):
    first, same, other = (
        classes_of(build("split", class_order="seeded", seed=seed).train, data.train_labels)
        for seed in (0, 0, 1)
    )
    assert first == same != other
    assert first != classes_of(build("split", class_order="fixed").train, data.train_labels)


@pytest.mark.parametrize(
    "order", ["random", [0, 1, 2], [0, 0, *range(2, 10)], [*range(1, 11)], [0, "a"], 3, None]
)
def test_an_order_that_is_no_order_of_all_classes_is_an_error(build, order):
    with pytest.raises(ValueError, match=r"class_order must be fixed, seeded or a list .* got class_order="):
        build("split", class_order=order)


def test_more_tasks_than_classes_are_an_error(build):
    with pytest.raises(ValueError, match="num_tasks must be at most 10, got num_tasks=11"):
        build("split", num_tasks=11)
