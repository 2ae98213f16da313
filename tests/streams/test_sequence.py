"""Several data sets one after another: tasks, heads, labels, and what is drawn for each set."""

import pytest
import torch

from cl_bench.data.several import joined
from cl_bench.streams import sequence, split
from tests.data.test_several import small

SETS = [
    small("a", shape=(1, 4, 4), num_classes=2, each=10),
    small("b", shape=(1, 4, 4), num_classes=3, each=20),
    small("c", shape=(1, 2, 2), num_classes=2, each=5),
]
DATA = joined(SETS, size=None)
SIZES = [20, 60, 10]


def built(**settings):
    defaults = {
        "data": DATA,
        "padding": 0,
        "scenario": "task",
        "pixels": "unit",
        "augmentation": "none",
        "validation_share": 0.0,
        "num_train": None,
        "blur": 0.0,
        "generator": torch.Generator().manual_seed(0),
    }
    return sequence(**{**defaults, **settings})


@pytest.mark.parametrize(
    ("scenario", "heads", "num_classes", "starts"),
    [("task", [0, 1, 2], 3, [0, 0, 0]), ("domain", [0] * 3, 3, [0, 0, 0]), ("class", [0] * 3, 7, [0, 2, 5])],
)
def test_each_set_is_a_task(scenario, heads, num_classes, starts):
    stream = built(scenario=scenario)
    assert stream.num_classes == num_classes
    assert stream.num_heads == len(set(heads))
    for part, pixels, of in (
        ("train", "train_images", "train_labels"),
        ("test", "test_images", "test_labels"),
    ):
        for number, task in enumerate(getattr(stream, part)):
            assert task.head == heads[number]
            assert torch.equal(task.labels, getattr(SETS[number], of) + starts[number])
            inner = task.pixels(torch.device("cpu"))
            if number < 2:
                assert torch.equal(inner, getattr(SETS[number], pixels))
            else:
                assert torch.equal(inner[:, :, 1:3, 1:3], getattr(SETS[number], pixels))


def test_it_is_the_split_into_the_data_sets():
    whole = split(
        data=DATA,
        padding=0,
        num_tasks=3,
        classes_per_task=[2, 3, 2],
        scenario="class",
        class_order="fixed",
        pixels="standardised",
        augmentation="none",
        validation_share=0.0,
        num_train=None,
        generator=torch.Generator(),
    )
    for mine, other in zip(built(scenario="class", pixels="standardised").train, whole.train, strict=True):
        assert torch.equal(mine.labels, other.labels)
        assert torch.equal(mine.images(torch.device("cpu")), other.images(torch.device("cpu")))


def test_validation_and_num_train_are_of_each_set():
    stream = built(validation_share=0.2, num_train=7)
    assert [len(task) for task in stream.validation] == [4, 12, 2]
    assert [len(task) for task in stream.train] == [7, 7, 7]
    for train, validation in zip(stream.train, stream.validation, strict=True):
        assert not set(train.indices.tolist()) & set(validation.indices.tolist())
    shares_only = built(validation_share=0.2)
    assert [len(task) for task in shares_only.train] == [16, 48, 8]


def test_a_number_that_one_set_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"num_train must be .* at most the 10 images"):
        built(num_train=11)


def test_a_single_data_set_is_refused():
    with pytest.raises(ValueError, match=r"a sequence needs several data sets, got a alone"):
        built(data=SETS[0])
