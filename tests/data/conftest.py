"""Small data sets in the originals' formats; no test reads or writes the home folder's cache."""

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cl_bench.data import ImageData, cifar10
from cl_bench.data.builders import CIFAR10_CLASSES
from cl_bench.data.cifar import CIFAR10_BATCHES, CIFAR100_BATCHES, Batches
from cl_bench.data.idx_sets import MNIST_FILES, IdxFiles


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for each test, and no $CL_BENCH_DATA."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CL_BENCH_CACHE", str(folder))
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def jpeg_cifar10(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageData]:
    """CIFAR-10 from the JPEG archive, decoded once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CL_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield cifar10(root=str(data_root), download=False)


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def write_idx(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], IdxFiles]:
    """Write 20 + 10 images of 4x5 pixels as MNIST's four files, and let `mnist` expect exactly these."""

    def write(folder: Path) -> IdxFiles:
        folder.mkdir(parents=True, exist_ok=True)
        images, labels = np.arange(600, dtype=np.uint32).astype(np.uint8), np.arange(30, dtype=np.uint8) % 10
        contents = {
            MNIST_FILES.train_images: idx_bytes(images[:400].reshape(20, 4, 5)),
            MNIST_FILES.train_labels: idx_bytes(labels[:20]),
            MNIST_FILES.test_images: idx_bytes(images[400:].reshape(10, 4, 5)),
            MNIST_FILES.test_labels: idx_bytes(labels[20:]),
        }
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        files = MNIST_FILES._replace(md5={name: md5(content) for name, content in contents.items()})
        monkeypatch.setattr("cl_bench.data.builders.MNIST_FILES", files)
        return files

    return write


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def python2_pickle(entry: dict[str, object]) -> bytes:
    """A dictionary pickled as the originals are: protocol 2 by Python 2 and the numpy of its time."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def opcodes(value: object) -> bytes:
        match value:
            case str():
                return text(value.encode("latin1"))
            case int():
                return b"J" + struct.pack("<i", value)
            case list():
                return b"](" + b"".join(map(opcodes, value)) + b"e"
            case np.ndarray():
                shape = b"(" + b"".join(opcodes(size) for size in value.shape) + b"t"
                empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(J\0\0\0\0tT\1\0\0\0b\x87R"
                dtype = b"cnumpy\ndtype\nT\2\0\0\0u1J\0\0\0\0J\1\0\0\0\x87R"
                dtype += b"(J\3\0\0\0T\1\0\0\0|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffJ\0\0\0\0tb"
                return empty + b"(J\1\0\0\0" + shape + dtype + b"\x89" + text(value.tobytes()) + b"tb"
        raise TypeError(value)

    return b"\x80\2}(" + b"".join(opcodes(key) + opcodes(value) for key, value in entry.items()) + b"u."


def cifar_images(number: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, 3072), dtype=np.uint8)


@pytest.fixture
def write_batches(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Batches]:
    """Write small batches in the original's format, and let the builder expect exactly these."""

    def write(original: Batches, parent: Path, *, dump: Callable[[dict], bytes] = python2_pickle) -> Batches:
        folder = parent / original.folder
        folder.mkdir(parents=True)
        num_classes = 10 if original.name == "cifar10" else 100
        names = (
            list(CIFAR10_CLASSES)
            if num_classes == 10
            else [f"class {index:02}" for index in range(num_classes)]
        )
        sums: dict[str, str] = {}
        for index, name in enumerate(original.md5):
            if name in original.meta:
                entry: dict[str, object] = {original.names_key: names}
            else:
                labels = [(7 * item + index) % num_classes for item in range(6)]
                entry = {
                    "batch_label": name,
                    original.labels_key: labels,
                    "coarse_labels": [0] * 6,
                    "data": cifar_images(6, index),
                }
            (folder / name).write_bytes(dump(entry))
            sums[name] = md5((folder / name).read_bytes())
        small = original._replace(
            train={name: sums[name] for name in original.train},
            test={name: sums[name] for name in original.test},
            meta={name: sums[name] for name in original.meta},
        )
        constant = {"cifar10": "CIFAR10_BATCHES", "cifar100": "CIFAR100_BATCHES"}[original.name]
        monkeypatch.setattr(f"cl_bench.data.builders.{constant}", small)
        return small

    return write


@pytest.fixture(params=[CIFAR10_BATCHES, CIFAR100_BATCHES], ids=lambda batches: batches.name)
def original(request: pytest.FixtureRequest) -> Batches:
    """The layout of each original in turn."""
    return request.param


@pytest.fixture
def write_tree() -> Callable[..., Path]:
    """Write a tree of PNG images, two for each split and class; a pixel says which class and image it is."""

    def write(
        folder: Path, classes: Sequence[str] = ("cat", "ant", "bee"), mode: str = "RGB", side: int = 6
    ) -> Path:
        for split in ("train", "test"):
            for number, class_name in enumerate(sorted(classes)):
                (folder / split / class_name).mkdir(parents=True)
                for index in range(2):
                    value = 20 * number + index + (100 if split == "test" else 0)
                    image = Image.new(mode, (side, side), value if mode == "L" else (value, value + 1, 7))
                    image.save(folder / split / class_name / f"{index}.png")
        return folder

    return write
