"""The streams of several seeds side by side."""

import pytest
import torch

from cl_bench.streams.stacked import stack_streams

CPU = torch.device("cpu")
PARTS = ("train", "validation", "test")


@pytest.fixture
def streams(build):
    """Of three seeds: permuted streams have other pixels and other validation images."""
    return [build("permuted", seed=seed, validation_share=0.2) for seed in (0, 1, 2)]


@pytest.mark.parametrize("part", PARTS)
def test_a_stacked_task_holds_the_task_of_every_seed(streams, part):
    tasks = getattr(stack_streams(streams), part)
    assert len(tasks) == 3
    for number, task in enumerate(tasks):
        alone = [getattr(stream, part)[number] for stream in streams]
        assert all(mine is theirs for mine, theirs in zip(task.parts, alone, strict=True))
        assert task.head == alone[0].head
        assert len(task) == 3 * len(alone[0])
        assert task.labels.equal(torch.cat([each.labels for each in alone]))
        image, label = task[len(alone[0])]  # the second seed's first
        assert image.equal(alone[1].images(CPU)[0])
        assert label == alone[1].labels[0]


def test_what_a_network_needs_to_know_stays_as_it_is(streams):
    stacked = stack_streams(streams)
    for name in ("scenario", "input_shape", "num_classes", "num_heads", "num_tasks"):
        assert getattr(stacked, name) == getattr(streams[0], name)


def test_heads_are_those_of_the_tasks(build):
    streams = [build("split", seed=seed, scenario="task") for seed in (0, 1)]
    assert [task.head for task in stack_streams(streams).train] == [0, 1, 2]


@pytest.mark.parametrize("part", PARTS)
def test_tasks_of_different_sizes_are_an_error_that_names_them(streams, part):
    first, second, *_ = getattr(streams[1], part)
    second.labels = second.labels[1:]
    size = len(first)
    message = (
        rf"of one size, got \[{size - 1}, {size}\] {part} examples in task 2; set training\.stacked=false"
    )
    with pytest.raises(ValueError, match=message):
        stack_streams(streams)
