"""Data sets -> images or features, and labels: well-known sets by name, and files of one's own."""

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
from cl_bench.data.own_arrays import from_arrays
from cl_bench.data.own_files import arrays, features
from cl_bench.data.several import several
from cl_bench.data.tables import table
from cl_bench.data.torchvision_sets import torchvision

__all__ = [
    "DataError",
    "ImageData",
    "arrays",
    "cifar10",
    "cifar10_100",
    "cifar100",
    "digits",
    "emnist_letters",
    "fashion_mnist",
    "features",
    "from_arrays",
    "huggingface",
    "image_folder",
    "kmnist",
    "mnist",
    "notmnist",
    "several",
    "table",
    "torchvision",
]
