"""MNIST and the idx format, on the real files and on small ones."""

import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cl_bench.data import DataError, mnist
from cl_bench.data.idx import read_idx
from cl_bench.data.idx_sets import MNIST_FILES, IdxFiles

Write = Callable[[Path], IdxFiles]
IMAGES, LABELS = MNIST_FILES.train_images, MNIST_FILES.train_labels


def build(root: Path):
    return mnist(root=str(root), download=False)


def zip_all(folder: Path) -> None:
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def test_mnist_is_the_original(data_root: Path):
    data = build(data_root)
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.test_images.shape == (10_000, 1, 28, 28)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.dtype == torch.int64
    assert data.train_labels[:4].tolist() == [5, 0, 4, 1]
    assert data.test_labels[:4].tolist() == [7, 2, 1, 0]
    assert data.train_labels.bincount().tolist()[:3] == [5923, 6742, 5958]
    assert round(data.train_images.float().mean().item() / 255, 4) == 0.1307  # the mean that everybody quotes
    assert data.class_names == tuple("0123456789")
    assert data.name == "mnist"
    assert data.source == "idx files mnist/MNIST/raw"


def test_one_changed_pixel_is_found_by_md5(data_root: Path, root: Path):
    for path in (data_root / "mnist" / "MNIST" / "raw").iterdir():
        (root / path.name).symlink_to(path)
    changed = bytearray((root / LABELS).read_bytes())
    changed[1000] = (changed[1000] + 1) % 10
    (root / LABELS).unlink()
    (root / LABELS).write_bytes(changed)
    with pytest.raises(
        DataError, match=rf"{LABELS} must have md5 {MNIST_FILES.md5[LABELS]}, got [0-9a-f]+; "
    ):
        build(root)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("layout", ["mnist/MNIST/raw", "MNIST/raw", "mnist", "."])
def test_every_layout_is_read_exactly(root: Path, write_idx: Write, layout: str, zipped: bool):
    write_idx(root / layout)
    if zipped:
        zip_all(root / layout)
    data = build(root)
    everything = torch.cat([data.train_images.flatten(), data.test_images.flatten()])
    assert torch.equal(everything, (torch.arange(600) % 256).to(torch.uint8))
    assert data.train_images.shape == (20, 1, 4, 5)
    assert data.test_labels.tolist() == list(range(10))


def test_a_truncated_idx_file_names_the_file_and_the_expected_size(root: Path, write_idx: Write):
    write_idx(root)
    (root / IMAGES).write_bytes((root / IMAGES).read_bytes()[:-3])
    with pytest.raises(
        DataError, match=rf"{IMAGES} must be of 416 bytes, as its header says, got 413; replace"
    ):
        build(root)


def test_a_truncated_gz_file_is_a_data_error(root: Path, write_idx: Write):
    write_idx(root)
    zip_all(root)
    path = root / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"{IMAGES}.gz must be readable to its end"):
        build(root)


def test_a_gz_file_that_is_none_is_a_data_error(root: Path, write_idx: Write):
    write_idx(root)
    zip_all(root)
    (root / f"{IMAGES}.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"\.gz must be readable to its end, got Not a gzipped file"):
        build(root)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_header_that_claims_two_to_the_forty_images_allocates_nothing(tmp_path: Path, suffix: str):
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**20, 2**10, 2**10)
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(
        DataError, match=r"at most 134,217,728 bytes, got a header that claims 1,099,511,627,792"
    ):
        read_idx(path, num_dimensions=3, md5="")


def test_a_gz_file_longer_than_its_header_says_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 10) + bytes(50_000_000), 1))
    with pytest.raises(DataError, match=r"must be of 18 bytes, as its header says, got more than 18; "):
        read_idx(path, num_dimensions=1, md5="")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0", bytes([0, 0, 8, 1, 0, 0]), b"\x89PNG\r\n\x1a\n", bytes([0, 0, 13, 1, 0, 0, 0, 1, 0])],
)
def test_a_file_without_the_idx_magic_is_a_data_error(tmp_path: Path, content: bytes):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"{path} must begin with the idx magic 00000801")):
        read_idx(path, num_dimensions=1, md5="")


def test_labels_out_of_range_are_a_data_error(root: Path, write_idx: Write, monkeypatch: pytest.MonkeyPatch):
    files = write_idx(root)
    monkeypatch.setattr("cl_bench.data.builders.MNIST_FILES", files._replace(class_names=tuple("01234")))
    with pytest.raises(DataError, match=r"labels must be in 0\.\.4 in mnist, train, .* got 0\.\.9"):
        build(root)


def test_labels_and_images_must_agree_in_number(
    root: Path, write_idx: Write, monkeypatch: pytest.MonkeyPatch
):
    files = write_idx(root)
    (root / files.train_labels).write_bytes((root / files.test_labels).read_bytes())
    sums = {**files.md5, files.train_labels: files.md5[files.test_labels]}
    monkeypatch.setattr("cl_bench.data.builders.MNIST_FILES", files._replace(md5=sums))
    with pytest.raises(DataError, match=r"a label for each image, .* got 20 images, 10 labels"):
        build(root)


def test_a_missing_file_is_named(root: Path, write_idx: Write):
    write_idx(root / "MNIST" / "raw")
    (root / "MNIST" / "raw" / LABELS).unlink()
    with pytest.raises(DataError, match=rf"MNIST/raw must hold all of .*, got no {LABELS}; add it"):
        build(root)
