"""The data sets in the idx format: their files, checksums, classes, and what must be righted. Facts only."""

from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any, NamedTuple


class IdxFiles(NamedTuple):
    """One data set in the idx format.

    `md5` and `packed_md5` are of the decompressed files and of the published .gz files. A file that has
    neither is checked by its structure: its header, its length, and `sizes`.
    """

    name: str
    class_names: tuple[str, ...]
    folder: str | None = None  # torchvision's class and the folder that it makes; None: it has no such set
    settings: Mapping[str, Any] = {}  # of torchvision's class
    train_images: str = "train-images-idx3-ubyte"
    train_labels: str = "train-labels-idx1-ubyte"
    test_images: str = "t10k-images-idx3-ubyte"
    test_labels: str = "t10k-labels-idx1-ubyte"
    md5: Mapping[str, str] = {}
    packed_md5: Mapping[str, str] = {}
    sizes: tuple[int, int] | None = None  # training and test images; None: not checked
    first_label: int = 0  # the number of the first class in the files
    transposed: bool = False  # rows and columns of the images in the files are exchanged

    @property
    def names(self) -> tuple[str, str, str, str]:
        return self.train_images, self.train_labels, self.test_images, self.test_labels

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders, within a place, that the files may lie in; `.` where their names are this set's own.

        MNIST's names are used by others, too: it came first.
        """
        within = [] if self.folder is None else [f"{self.name}/{self.folder}/raw", f"{self.folder}/raw"]
        shared = self.train_images == IdxFiles("", ()).train_images and self.name != "mnist"
        return (*within, self.name, *([] if shared else ["."]))


MNIST_FILES = IdxFiles(
    name="mnist",
    class_names=tuple(map(str, range(10))),
    folder="MNIST",
    md5={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
)
FASHION_MNIST_FILES = IdxFiles(
    name="fashion_mnist",
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    folder="FashionMNIST",
    md5={
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
)
KMNIST_FILES = IdxFiles(
    name="kmnist",
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    folder="KMNIST",
    packed_md5={  # as torchvision has them; none of the decompressed files is published
        "train-images-idx3-ubyte": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte": "7320c461ea6c1c855c0b718fb2a4b134",
    },
    sizes=(60_000, 10_000),
)
EMNIST_LETTERS_FILES = IdxFiles(
    name="emnist_letters",
    class_names=tuple(ascii_lowercase),
    folder="EMNIST",
    settings={"split": "letters"},
    train_images="emnist-letters-train-images-idx3-ubyte",
    train_labels="emnist-letters-train-labels-idx1-ubyte",
    test_images="emnist-letters-test-images-idx3-ubyte",
    test_labels="emnist-letters-test-labels-idx1-ubyte",
    sizes=(124_800, 20_800),
    first_label=1,
    transposed=True,
)
NOTMNIST_FILES = IdxFiles(name="notmnist", class_names=tuple("ABCDEFGHIJ"))

FILES = (MNIST_FILES, FASHION_MNIST_FILES, KMNIST_FILES, EMNIST_LETTERS_FILES, NOTMNIST_FILES)
