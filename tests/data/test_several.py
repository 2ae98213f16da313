"""Several data sets as one: classes after each other, images in one shape."""

from functools import partial

import pytest
import torch
from torch import nn

from cl_bench.data import DataError, ImageData, digits, several
from cl_bench.data.several import joined


def small(name: str, *, shape: tuple[int, int, int], num_classes: int = 2, each: int = 3) -> ImageData:
    def part(count: int):
        labels = torch.arange(num_classes).repeat(count)
        generator = torch.Generator().manual_seed(len(labels))
        return torch.randint(256, (len(labels), *shape), generator=generator).to(torch.uint8), labels

    names = tuple(f"c{number}" for number in range(num_classes))
    return ImageData(name, *part(each), *part(1), names, f"{name} files", files=(f"/{name}",))


def test_classes_are_numbered_after_those_of_the_sets_before():
    sets = [small("a", shape=(1, 4, 4)), small("b", shape=(1, 4, 4), num_classes=3)]
    both = joined(sets, size=None)
    assert both.class_names == ("a c0", "a c1", "b c0", "b c1", "b c2")
    assert both.groups == (2, 3)
    assert both.train_labels.tolist() == [0, 1] * 3 + [2, 3, 4] * 3
    assert both.test_labels.tolist() == [0, 1, 2, 3, 4]
    assert both.files == ("/a", "/b")
    assert torch.equal(both.train_images, torch.cat([each.train_images for each in sets]))
    assert both.notes == ()


def test_smaller_images_lie_in_the_middle_of_black_and_grey_ones_get_equal_channels():
    grey, colour = small("grey", shape=(1, 3, 4)), small("colour", shape=(3, 6, 5))
    both = joined([grey, colour], size=None)
    first = both.train_images[:6]
    assert both.train_images.shape == (12, 3, 6, 5)
    assert torch.equal(first[:, :1, 1:4, :4], grey.train_images)
    assert int(first.sum()) == 3 * int(grey.train_images.sum()), "the rest is black, and channels are equal"
    assert torch.equal(both.train_images[6:], colour.train_images)
    assert both.notes == ("grey: 1x3x4 images are put to 3x6x5",)


def test_size_resizes_each_set_that_has_another():
    first, second = small("a", shape=(1, 6, 6)), small("b", shape=(1, 3, 3))
    both = joined([first, second], size=3)
    expected = nn.functional.interpolate(
        first.train_images.float(), (3, 3), mode="bilinear", antialias=True, align_corners=False
    )
    assert torch.equal(both.train_images[:6].float(), expected.round())
    assert torch.equal(both.test_images[2:], second.test_images)


def test_channels_that_cannot_be_made_equal_are_refused():
    with pytest.raises(DataError, match=r"1 or 3 channels, or equally many, got 2 in a, 3 in b; leave one"):
        joined([small("a", shape=(2, 4, 4)), small("b", shape=(3, 4, 4))], size=None)


def test_two_sets_of_one_name_are_told_apart():
    both = joined([small("a", shape=(1, 4, 4)), small("a", shape=(1, 4, 4))], size=None)
    assert both.class_names == ("a_1 c0", "a_1 c1", "a_2 c0", "a_2 c1")


def test_parts_get_what_they_take_of_the_shared_settings():
    asked = {}

    def first(*, root, with_test):
        asked.update(root=root, with_test=with_test)
        return small("a", shape=(1, 8, 8)).without_test()

    found = several(
        datasets=["a", "digits"],
        parts=[partial(first, root="mine"), digits],
        size=None,
        root="given",
        download=False,
        with_test=False,
    )
    assert asked == {"root": "mine", "with_test": False}
    assert len(found.test_labels) == 0
    assert found.groups == (2, 10)


def test_what_is_no_data_set_is_named():
    with pytest.raises(DataError, match=r"datasets\[1\]=mine must return a cl_bench.data.ImageData"):
        several(
            datasets=["digits", "mine"], parts=[digits, lambda: None], size=None, root=None, download=False
        )
