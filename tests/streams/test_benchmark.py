"""TaskStream -> Avalanche benchmark: what Avalanche's own strategies see."""

import pytest
import torch
from torch.utils.data import DataLoader

from cl_bench.streams.benchmark import to_avalanche

CPU = torch.device("cpu")


@pytest.fixture
def stream(build, kind, scenario):
    return build(kind, scenario=scenario, validation_share=0.2)


@pytest.fixture
def benchmark(stream):
    return to_avalanche(stream)


def pairs(stream, benchmark):
    """(task, experience) of all parts."""
    for part in ("train", "validation", "test"):
        yield from zip(getattr(stream, part), benchmark.streams[part], strict=True)


def test_there_is_an_experience_for_each_task(stream, benchmark):
    assert set(benchmark.streams) == {"train", "validation", "test"}
    assert len(benchmark.train_stream) == len(benchmark.test_stream) == len(benchmark.validation_stream) == 3
    for task, experience in pairs(stream, benchmark):
        assert experience.task_data is task
    assert [experience.current_experience for experience in benchmark.train_stream] == [0, 1, 2]


def test_without_validation_there_is_no_validation_stream(build):
    assert set(to_avalanche(build("split")).streams) == {"train", "test"}


def test_classes_in_an_experience_are_those_of_its_labels(stream, benchmark):
    for task, experience in pairs(stream, benchmark):
        assert sorted(experience.classes_in_this_experience) == task.labels.unique().tolist()


def test_tasks_are_told_only_in_the_task_scenario(benchmark, scenario):
    for part in ("train", "validation", "test"):
        found = [experience.task_labels for experience in benchmark.streams[part]]
        assert found == ([[0], [1], [2]] if scenario == "task" else [[0], [0], [0]])


def test_a_data_set_gives_image_label_and_task(stream, benchmark):
    for task, experience in pairs(stream, benchmark):
        dataset = experience.dataset
        assert list(dataset.targets) == task.labels.tolist()
        assert len(dataset) == len(task)
        image, label, head = dataset[len(task) - 1]
        assert image.equal(task.images(CPU)[-1])
        assert (label, head) == (task.labels[-1], task.head)


def test_avalanche_reads_the_same_tensors_as_we_do(stream, benchmark):
    for task, experience in pairs(stream, benchmark):
        images, labels, heads = next(iter(DataLoader(experience.dataset, batch_size=1000)))
        assert images.equal(task.images(CPU))
        assert labels.equal(task.labels)
        assert heads.equal(torch.full((len(task),), task.head))


def test_the_class_scenario_of_a_split_brings_new_classes_in_each_task(build):
    experiences = list(to_avalanche(build("split", scenario="class")).train_stream)
    assert [experience.classes_in_this_experience for experience in experiences] == [
        {0, 1, 2, 3},
        {4, 5, 6},
        {7, 8, 9},
    ]
    assert sorted(experiences[1].previous_classes) == [0, 1, 2, 3]
    assert sorted(experiences[1].future_classes) == [7, 8, 9]


def test_without_test_images_there_is_no_test_stream(data, build):
    stream = build("permuted", data=data.without_test(), validation_share=0.5)
    assert stream.test == ()
    assert set(to_avalanche(stream).streams) == {"train", "validation"}
