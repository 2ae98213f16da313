"""Data sets on disk -> uint8 images and int64 labels: MNIST, CIFAR-10, CIFAR-100, image folders, digits."""

from cl_bench.data.builders import cifar10, cifar10_100, cifar100, image_folder, mnist
from cl_bench.data.digits import digits
from cl_bench.data.image_data import DataError, ImageData

__all__ = ["DataError", "ImageData", "cifar10", "cifar10_100", "cifar100", "digits", "image_folder", "mnist"]
