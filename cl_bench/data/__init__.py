"""Data sets on disk -> uint8 images and int64 labels: MNIST and its like, CIFAR, image folders, digits."""

from cl_bench.data.builders import (
    cifar10,
    cifar10_100,
    cifar100,
    emnist_letters,
    fashion_mnist,
    image_folder,
    kmnist,
    mnist,
    notmnist,
)
from cl_bench.data.digits import digits
from cl_bench.data.huggingface_sets import huggingface
from cl_bench.data.image_data import DataError, ImageData
from cl_bench.data.several import several
from cl_bench.data.torchvision_sets import torchvision

__all__ = [
    "DataError",
    "ImageData",
    "cifar10",
    "cifar10_100",
    "cifar100",
    "digits",
    "emnist_letters",
    "fashion_mnist",
    "huggingface",
    "image_folder",
    "kmnist",
    "mnist",
    "notmnist",
    "several",
    "torchvision",
]
