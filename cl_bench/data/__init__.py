"""Data sets -> images or features, and labels: MNIST, CIFAR-10, CIFAR-100, digits, and files of one's own."""

from cl_bench.data.builders import cifar10, cifar10_100, cifar100, image_folder, mnist
from cl_bench.data.digits import digits
from cl_bench.data.image_data import DataError, ImageData
from cl_bench.data.own_arrays import from_arrays
from cl_bench.data.own_files import arrays, features
from cl_bench.data.tables import table

__all__ = [
    "DataError",
    "ImageData",
    "arrays",
    "cifar10",
    "cifar10_100",
    "cifar100",
    "digits",
    "features",
    "from_arrays",
    "image_folder",
    "mnist",
    "table",
]
