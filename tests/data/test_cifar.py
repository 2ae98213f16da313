"""CIFAR-10 and CIFAR-100: small batches in the originals' format, and the real images as JPEG."""

import pickle
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from cl_bench.data import DataError, ImageData, cifar10, cifar100
from cl_bench.data.builders import CIFAR10_CLASSES
from cl_bench.data.cifar import CIFAR10_BATCHES, CIFAR100_BATCHES, Batches, read_batches
from cl_bench.data.unpickle import unpickle

Write = Callable[..., Batches]


def build(batches: Batches, root: Path) -> ImageData:
    return {"cifar10": cifar10, "cifar100": cifar100}[batches.name](root=str(root), download=False)


def pack(folder: Path, archive: Path) -> None:
    """Pack `folder` as `archive`, under its own name, and remove it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, folder.name)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def check_small(data: ImageData, batches: Batches) -> None:
    """All pixels and labels are those that the fixture wrote, in order, channels first."""
    names = list(batches.md5)
    for images, labels, files in (
        (data.train_images, data.train_labels, batches.train),
        (data.test_images, data.test_labels, batches.test),
    ):
        expected = [
            np.random.default_rng(names.index(name)).integers(0, 256, (6, 3072), np.uint8) for name in files
        ]
        assert np.array_equal(images.numpy(), np.concatenate(expected).reshape(-1, 3, 32, 32))
        classes = len(data.class_names)
        assert labels.tolist() == [(7 * i + names.index(name)) % classes for name in files for i in range(6)]
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.dtype == torch.int64


@pytest.mark.parametrize("nested", [False, True], ids=["root", "own folder"])
def test_the_original_batches_are_read_exactly(
    root: Path, write_batches: Write, original: Batches, nested: bool
):
    small = write_batches(original, root / original.name if nested else root)
    data = build(original, root)
    check_small(data, small)
    assert data.name == original.name
    assert data.source == f"python batches {original.folder}"


@pytest.mark.parametrize("nested", [False, True], ids=["root", "own folder"])
def test_the_original_archive_is_read_without_unpacking(
    root: Path, write_batches: Write, original: Batches, nested: bool
):
    small = write_batches(original, root)
    parent = root / original.name if nested else root
    pack(root / original.folder, parent / original.archive)
    data = build(original, root)
    check_small(data, small)
    assert data.source == f"python batches {original.archive}"
    assert [path.name for path in parent.iterdir()] == [original.archive]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_batches_pickled_by_python_3_are_read_too(root: Path, write_batches: Write, protocol: int):
    small = write_batches(CIFAR10_BATCHES, root, dump=partial(pickle.dumps, protocol=protocol))
    check_small(build(small, root), small)


def test_the_small_batches_are_read_by_torchvision_to_the_same_pixels(
    root: Path, write_batches: Write, monkeypatch: pytest.MonkeyPatch
):
    import torchvision

    small = write_batches(CIFAR100_BATCHES, root)
    theirs = torchvision.datasets.CIFAR100
    monkeypatch.setattr(theirs, "train_list", list(small.train.items()))
    monkeypatch.setattr(theirs, "test_list", list(small.test.items()))
    monkeypatch.setattr(theirs, "meta", {**theirs.meta, "md5": small.meta["meta"]})
    reference, data = theirs(root, train=True), build(small, root)
    assert np.array_equal(data.train_images.permute(0, 2, 3, 1).numpy(), reference.data)
    assert data.train_labels.tolist() == reference.targets
    assert list(data.class_names) == reference.classes


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_the_tables_are_those_of_torchvision(name: str):
    import torchvision

    theirs, ours = (
        getattr(torchvision.datasets, name),
        {"CIFAR10": CIFAR10_BATCHES}.get(name, CIFAR100_BATCHES),
    )
    assert [list(item) for item in ours.train.items()] == [list(item) for item in theirs.train_list]
    assert [list(item) for item in ours.test.items()] == [list(item) for item in theirs.test_list]
    assert ours.meta == {theirs.meta["filename"]: theirs.meta["md5"]}
    assert (ours.folder, ours.archive, ours.names_key) == (
        theirs.base_folder,
        theirs.filename,
        theirs.meta["key"],
    )


def test_a_batch_that_is_not_the_original_fails_its_md5(root: Path, write_batches: Write, original: Batches):
    small = write_batches(original, root)
    path = root / small.folder / next(iter(small.test))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        DataError, match=rf"{path} must have md5 [0-9a-f]+, got [0-9a-f]+ \([\d,]+ bytes\); replace"
    ):
        build(small, root)


def test_a_missing_batch_is_named(root: Path, write_batches: Write):
    small = write_batches(CIFAR10_BATCHES, root)
    (root / small.folder / "data_batch_3").unlink()
    with pytest.raises(
        DataError, match=r"cifar-10-batches-py must hold all of .*, got no data_batch_3; add it"
    ):
        build(small, root)


def test_an_archive_without_all_batches_names_the_missing_ones(root: Path, write_batches: Write):
    small = write_batches(CIFAR10_BATCHES, root)
    (root / small.folder / "data_batch_3").unlink()
    pack(root / small.folder, root / small.archive)
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz must hold .*, got no data_batch_3; replace"):
        build(small, root)


def test_a_truncated_archive_is_a_data_error(root: Path, cache: Path, write_batches: Write):
    small = write_batches(CIFAR100_BATCHES, root)
    pack(root / small.folder, root / small.archive)
    content = (root / small.archive).read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 2000):
        (root / small.archive).write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cifar-100-python\.tar\.gz must") as caught:
            build(small, root)
        assert "\n" not in str(caught.value)
    assert not cache.exists()


class Planted:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_planted_pickle_is_a_data_error_and_runs_nothing(root: Path, tmp_path: Path, write_batches: Write):
    small = write_batches(
        CIFAR100_BATCHES,
        root,
        dump=lambda entry: pickle.dumps({**entry, "data": Planted(tmp_path / "planted")}, protocol=2),
    )
    with pytest.raises(
        DataError, match=r"must be a plain pickle of arrays, got a pickle that asks for \S+; "
    ):
        build(small, root)
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nndarray\n((I1099511627776\ntS'u1'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'zip'\ntR.",
        b"\x80\2cnumpy\ndtype\nU\2u1\x85Rb.",
        b"\x80\4\x8c\2os\x8c\6system\x93.",
    ],
)
def test_the_unpickler_raises_one_kind_of_error_for_everything_else(content: bytes):
    with pytest.raises(pickle.UnpicklingError):
        unpickle(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": [1, 2]}, r"must hold 'data', uint8 \[n, 3072\], got list"),
        ({"data": np.zeros((6, 9), np.uint8)}, r"must hold 'data', uint8 \[n, 3072\], got uint8 \(6, 9\)"),
        ({"data": np.zeros((6, 3072), np.int32)}, r"got int32 \(6, 3072\)"),
        ({"fine_labels": None}, r"must hold 'fine_labels', a list of whole numbers, got NoneType"),
        ({"fine_labels": [1, 2]}, r"must hold a label for each image, got 6 images, 2 labels"),
        ({"fine_labels": [0, 0, 0, 0, 0, 100]}, r"labels must be in 0\.\.99"),
        ({"fine_label_names": 3}, r"must list the class names under 'fine_label_names', got int"),
    ],
)
def test_a_batch_with_other_contents_is_a_data_error(
    root: Path, write_batches: Write, change: dict, message: str
):
    small = write_batches(
        CIFAR100_BATCHES,
        root,
        dump=lambda entry: pickle.dumps({**entry, **{key: change[key] for key in change if key in entry}}),
    )
    with pytest.raises(DataError, match=message):
        build(small, root)


def test_the_reader_takes_its_checksums_as_an_argument(root: Path, write_batches: Write):
    small = write_batches(CIFAR10_BATCHES, root)
    files = tuple(root / small.folder / name for name in small.md5)
    check_small(read_batches(files, batches=small, described="small"), small)
    with pytest.raises(DataError, match="data_batch_1 must have md5 c99cafc152244af753f735de768cd75f"):
        read_batches(files, batches=CIFAR10_BATCHES, described="small")


def test_the_jpeg_archive_holds_five_thousand_and_one_thousand_of_each_class(jpeg_cifar10: ImageData):
    assert jpeg_cifar10.train_images.shape == (50_000, 3, 32, 32)
    assert jpeg_cifar10.test_images.shape == (10_000, 3, 32, 32)
    assert jpeg_cifar10.train_labels.bincount().tolist() == [5_000] * 10
    assert jpeg_cifar10.test_labels.bincount().tolist() == [1_000] * 10
    assert jpeg_cifar10.source == "image folder cifar10-jpeg.tar.xz"
    means = jpeg_cifar10.train_images.float().mean((0, 2, 3)) / 255
    assert means.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-3)  # the originals' channel means


def test_the_class_order_is_the_same_whatever_the_source(
    root: Path, write_batches: Write, jpeg_cifar10: ImageData
):
    batches = build(write_batches(CIFAR10_BATCHES, root), root)
    assert batches.class_names == jpeg_cifar10.class_names == CIFAR10_CLASSES
    assert tuple(sorted(CIFAR10_CLASSES)) == CIFAR10_CLASSES


def test_the_original_is_preferred_to_a_tree_of_images(
    root: Path, write_batches: Write, write_tree: Callable[..., Path]
):
    write_tree(root / "cifar10", CIFAR10_CLASSES, side=32)
    write_batches(CIFAR10_BATCHES, root / "cifar10")
    assert build(CIFAR10_BATCHES, root).source == "python batches cifar-10-batches-py"


def test_a_tree_of_images_is_read_as_cifar10_and_its_size_is_told(
    root: Path, write_tree: Callable[..., Path]
):
    write_tree(root / "cifar10", CIFAR10_CLASSES, side=32)
    data = build(CIFAR10_BATCHES, root)
    assert data.name == "cifar10"
    assert data.train_labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert data.train_images[-1, :, 0, 0].tolist() == [181, 182, 7]
    assert data.notes[-1] == "CIFAR-10 has 50,000 + 10,000 images, this image folder cifar10 has 20 + 20"


@pytest.mark.parametrize("with_test", [True, False])
def test_a_whole_tree_is_not_warned_about_whether_or_not_its_test_images_are_read(
    root: Path, write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, with_test: bool
):
    write_tree(root / "cifar10", CIFAR10_CLASSES, side=32)
    monkeypatch.setattr("cl_bench.data.builders.CIFAR10_SIZES", (20, 20))
    data = cifar10(root=str(root), download=False, with_test=with_test)
    assert data.notes == ()


@pytest.mark.parametrize(("classes", "side"), [(("cat", "dog"), 32), (CIFAR10_CLASSES, 8)])
def test_a_tree_that_is_not_cifar10_is_a_data_error(
    root: Path, write_tree: Callable[..., Path], classes: tuple[str, ...], side: int
):
    write_tree(root / "cifar10", classes, side=side)
    with pytest.raises(DataError, match=r"must hold the classes airplane, .* as 3x32x32 images, got .*; use"):
        build(CIFAR10_BATCHES, root)


def test_two_archives_in_the_folder_are_not_guessed_between(root: Path):
    (root / "cifar10").mkdir()
    for name in ("a.tar.xz", "b.tar"):
        (root / "cifar10" / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"must hold one archive of images, got a\.tar\.xz, b\.tar; remove"):
        build(CIFAR10_BATCHES, root)
