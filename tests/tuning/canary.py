"""A data set that shouts when anything looks at its test images."""

import torch

from cl_bench.data import ImageData


class Canary(torch.Tensor):
    """No operation on it, not even its shape, goes unnoticed."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"test data were read, by {function}")


def canary_data() -> ImageData:
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (60, 1, 4, 4), generator=generator, dtype=torch.uint8)
    test_images, test_labels = (torch.empty(5).as_subclass(Canary) for _ in range(2))
    names = tuple("0123456789")
    return ImageData("canary", images, torch.arange(60) % 10, test_images, test_labels, names, "nowhere")
