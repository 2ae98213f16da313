"""Two data sets as one."""

import torch

from cl_bench.data import ImageData
from cl_bench.data.image_data import checked, followed_by


def small(name: str, *, num_classes: int, per_class: int, shade: int) -> ImageData:
    def part(count: int):
        labels = torch.arange(num_classes).repeat(count)
        images = (shade + labels).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
        return images, labels

    names = tuple(f"{name} {number}" for number in range(num_classes))
    return ImageData(name, *part(per_class), *part(1), names, f"{name} files")


def test_the_second_data_set_s_first_classes_are_numbered_after_the_first_s():
    first = small("a", num_classes=2, per_class=3, shade=10)
    second = small("b", num_classes=5, per_class=4, shade=100)
    both = checked(followed_by(first, second, name="both", num_classes=3))
    assert both.class_names == ("a 0", "a 1", "b 0", "b 1", "b 2")
    assert both.train_labels.bincount().tolist() == [3, 3, 4, 4, 4]
    assert both.test_labels.bincount().tolist() == [1] * 5
    shades = torch.tensor([10, 11, 100, 101, 102])
    for images, labels in ((both.train_images, both.train_labels), (both.test_images, both.test_labels)):
        assert images[:, 0, 0, 0].equal(shades[labels].to(torch.uint8))
    assert both.source == "a files; b files"
