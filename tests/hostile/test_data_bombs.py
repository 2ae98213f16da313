"""Images, headers and labels that claim what they like: each costs little and is named."""

import gzip
import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile.bombs import cheap, claims, png, read, tree
from PIL import Image

from cl_bench.data import DataError, ImageData, cifar10, decode, image_folder, mnist
from cl_bench.data.accepted import accepted
from cl_bench.data.cifar import CIFAR10_BATCHES


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    return tmp_path / "cache"


# Images


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize(
    ("width", "height"), [(2**15, 2**15), (2**30, 2**30), (2**31 - 1, 1), (10_000, 10_000)]
)
@pytest.mark.parametrize("place", ["train__a__0.png", "train__a__1.png", "test__b__9.png"])
def test_an_image_that_claims_too_many_pixels_is_never_decoded(
    tmp_path: Path, size: int | None, width: int, height: int, place: str
):
    path = tree(tmp_path / "x", **{place: claims(width, height)})
    with cheap(), pytest.raises(DataError, match=place.replace("__", "/")):
        image_folder(path=str(path), root=None, size=size)


def test_many_images_that_are_large_together_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(decode, "ANY_PIXELS", 10 * 2**20)
    huge = png("L", side=1024)  # a million pixels in a thousand bytes
    path = tree(tmp_path / "x", **{f"train__a__{index:03}.png": huge for index in range(100)})
    with cheap(), pytest.raises(DataError, match=r"those before it must have at most .* pixels"):
        image_folder(path=str(path), root=None, size=8)


def test_many_photographs_are_no_bomb(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(decode, "ANY_PIXELS", 1000)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=60)
    path = tree(tmp_path / "x", **{f"train__a__{index}.jpg": buffer.getvalue() for index in range(20)})
    assert len(image_folder(path=str(path), root=None, size=8).train_labels) == 22


@pytest.mark.parametrize("kind", ["pipe", "device", "endless", "folder", "to a pipe"])
def test_what_is_no_file_in_a_class_folder_is_left_out_and_told(tmp_path: Path, kind: str):
    path = tree(tmp_path / "x")
    place = path / "train" / "a" / "1.png"
    os.mkfifo(tmp_path / "pipe")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to({"device": "/dev/zero", "endless": "/dev/urandom"}.get(kind, str(tmp_path / "pipe")))
    with cheap():
        found = read(path)
    assert len(found.train_labels) == 2
    if kind != "folder":
        assert any("no plain file (train/a/1.png)" in note for note in found.notes)


def test_an_image_file_without_end_is_refused(tmp_path: Path):
    path = tree(tmp_path / "x")
    with (path / "train" / "a" / "1.png").open("wb") as file:
        file.truncate(2**31 + 1)  # so that not even its hash is made
    with cheap(), pytest.raises(DataError, match=r"1\.png .*at most"):
        read(path)


def test_sixteen_bits_become_eight_as_before(tmp_path: Path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for part in ("train", "test"):
        (tmp_path / "x" / part / "a").mkdir(parents=True)
        Image.fromarray(values).save(tmp_path / "x" / part / "a" / "0.png")
    found = read(tmp_path / "x").train_images[0, 0].numpy()
    assert np.array_equal(found, np.rint(values.astype(np.float64) / 257).astype(np.uint8))


# MNIST's files


@pytest.mark.parametrize("counts", [(2**32 - 1, 28, 28), (0, 28, 28), (60_000, 2**16, 2**16), (2**27, 1, 1)])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_an_idx_header_that_claims_anything_is_named(tmp_path: Path, counts: tuple[int, ...], ending: str):
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", *counts) + bytes(2**20)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                 "t10k-labels-idx1-ubyte"):  # fmt: skip
        (tmp_path / f"{name}{ending}").write_bytes(gzip.compress(content) if ending else content)
    with cheap(), pytest.raises(DataError, match="train-images-idx3-ubyte"):
        mnist(root=str(tmp_path), download=False)


def test_pipes_in_place_of_data_are_not_waited_for(tmp_path: Path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", CIFAR10_BATCHES.archive, "x.tar"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "cifar10").mkdir()
    os.mkfifo(tmp_path / "cifar10" / "y.tar.xz")
    for build in (mnist, cifar10):
        with cheap(), pytest.raises(DataError):
            build(root=str(tmp_path), download=False)
    with cheap(), pytest.raises(DataError):
        read(tmp_path / "x.tar")


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        [10**400, 0],
        [-(10**400), 0],
        [2**63, 0],
        [2**64 - 1, 0],
        [float("inf"), 0],
        [1e300, 0],
        ["x" * 10**6, "a"],
    ],
    ids=["10^400", "-10^400", "2^63", "2^64", "inf", "1e300", "long"],
)
def test_labels_beyond_numbers_are_named(labels: list[object]):
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    data = ImageData("mine", images, labels, images, [0, 1], ("a", "b"), "memory")  # type: ignore[arg-type]
    with cheap(), pytest.raises(DataError, match="train_labels of mine"):
        accepted(data, by="mine")
