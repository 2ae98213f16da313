"""Images of the sizes of MNIST and CIFAR-10 without their files: the embedded digits on a larger canvas."""

import torch
from torch.nn import functional as F

from cl_bench.data import ImageData, digits

NUM_IMAGES = 320  # of each part


def small_mnist(*, with_test: bool = True) -> ImageData:
    """Return the digits as images of MNIST's size, uint8 [N, 1, 28, 28]."""
    return _on_canvas(channels=1, size=28, with_test=with_test)


def small_cifar(*, with_test: bool = True) -> ImageData:
    """Return the digits as images of CIFAR-10's size, uint8 [N, 3, 32, 32]."""
    return _on_canvas(channels=3, size=32, with_test=with_test)


def _on_canvas(*, channels: int, size: int, with_test: bool) -> ImageData:
    data = digits(with_test=with_test)

    def enlarged(images: torch.Tensor) -> torch.Tensor:
        images = images[:NUM_IMAGES]
        margin = (size - images.shape[-1]) // 2
        return F.pad(images, (margin,) * 4).expand(-1, channels, -1, -1).contiguous()

    return data._replace(
        train_images=enlarged(data.train_images),
        train_labels=data.train_labels[:NUM_IMAGES],
        test_images=enlarged(data.test_images),
        test_labels=data.test_labels[:NUM_IMAGES],
    )
