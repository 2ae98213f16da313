"""The sets beside MNIST in the idx format: each is read from its own files, and its classes are righted."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from cl_bench import data as sets
from cl_bench.data import DataError, builders, emnist_letters, fashion_mnist, kmnist, notmnist
from cl_bench.data.idx_sets import FILES, IdxFiles
from tests.data.conftest import idx_bytes, md5

NAMES = [files.name for files in FILES]
SETTINGS = {"fashion_mnist": {"download": False}, "kmnist": {"download": False}}
SETTINGS["emnist_letters"] = SETTINGS["kmnist"]


def write(folder: Path, files: IdxFiles, *, each: int = 2, zipped: bool = False) -> np.ndarray:
    """Write a set of 3x3 images, `each` a class, training and test alike; return the images as written."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.arange(each * len(files.class_names), dtype=np.uint8) % len(files.class_names)
    images = np.arange(9 * len(labels), dtype=np.uint32).astype(np.uint8).reshape(-1, 3, 3)
    contents = (images, labels + np.uint8(files.first_label)) * 2
    for name, array in zip(files.names, contents, strict=True):
        content = idx_bytes(array)
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    return images


def expecting(monkeypatch: pytest.MonkeyPatch, files: IdxFiles, **changes: object) -> None:
    monkeypatch.setattr(builders, f"{files.name.upper()}_FILES", files._replace(**changes))


def named(name: str) -> IdxFiles:
    return next(files for files in FILES if files.name == name)


def test_fashion_mnist_is_the_original(data_root: Path):
    data = fashion_mnist(root=str(data_root), download=False)
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.train_labels.bincount().tolist() == [6000] * 10
    assert data.test_labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert round(data.train_images.float().mean().item() / 255, 4) == 0.2860  # the mean that everybody quotes
    assert data.source == "idx files fashion_mnist"
    assert data.notes == ()


def test_the_classes_are_those_that_torchvision_names():
    import torchvision.datasets

    found = {files.name: getattr(torchvision.datasets, files.folder) for files in FILES if files.folder}
    for name in ("fashion_mnist", "kmnist"):
        assert list(named(name).class_names) == found[name].classes
        sums = dict(found[name].resources)
        if named(name).packed_md5:
            assert {f"{key}.gz": each for key, each in named(name).packed_md5.items()} == sums
    letters = found["emnist_letters"].classes_split_dict["letters"]
    assert list(named("emnist_letters").class_names) == letters[1:]


def test_letters_are_turned_upright_and_counted_from_0(root: Path, monkeypatch: pytest.MonkeyPatch):
    files = named("emnist_letters")
    written = write(root / "emnist_letters", files)
    expecting(monkeypatch, files, sizes=(52, 52))
    data = emnist_letters(root=str(root), download=False)
    assert torch.equal(data.train_images[:, 0], torch.from_numpy(written).transpose(1, 2))
    assert data.test_labels.tolist() == [*range(26)] * 2
    assert "no checksum is known of emnist-letters-train-images" in data.notes[0]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "mnist"])
def test_files_in_the_sets_own_folder_are_found(name: str, root: Path, monkeypatch: pytest.MonkeyPatch):
    files = named(name)
    write(root / files.folders[0], files)
    expecting(monkeypatch, files, sizes=None, md5={})
    data = getattr(sets, name)(root=str(root), **SETTINGS.get(name, {}))
    assert data.name == name
    assert data.class_names == files.class_names
    assert len(data.train_labels.unique()) == len(files.class_names)


def test_mnists_file_names_lie_in_a_folder_of_the_set(root: Path):
    write(root, named("notmnist"))
    with pytest.raises(DataError, match=r"cannot find notmnist: .* into notmnist in one of them"):
        notmnist(root=str(root))


def test_the_published_gz_is_checked_where_no_other_sum_is_known(root: Path, monkeypatch: pytest.MonkeyPatch):
    files = named("kmnist")
    write(root / "kmnist", files, zipped=True)
    sums = {name: md5((root / "kmnist" / f"{name}.gz").read_bytes()) for name in files.names}
    expecting(monkeypatch, files, sizes=(20, 20), packed_md5=sums)
    assert kmnist(root=str(root), download=False).notes == ()
    expecting(monkeypatch, files, sizes=(20, 20), packed_md5={**sums, files.train_labels: "0" * 32})
    monkeypatch.setenv("CL_BENCH_CACHE", str(root / "another"))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz must have md5 0{32}, got "):
        kmnist(root=str(root), download=False)


def test_a_set_of_another_size_is_refused(root: Path):
    write(root / "kmnist", named("kmnist"))
    with pytest.raises(
        DataError, match=r"must hold 60,000 \+ 10,000 images of kmnist, got 20 \+ 20; replace"
    ):
        kmnist(root=str(root), download=False)


def test_files_of_another_set_are_known_by_their_sums(data_root: Path, root: Path):
    (root / "notmnist").mkdir()
    for path in (data_root / "fashion_mnist").iterdir():
        (root / "notmnist" / path.name).symlink_to(path)
    with pytest.raises(DataError, match=r"must be of another data set, got the file of fashion_mnist"):
        notmnist(root=str(root))


def test_the_download_is_torchvisions_with_its_settings(monkeypatch: pytest.MonkeyPatch, root: Path):
    asked = []
    files = named("emnist_letters")

    class Fake:
        def __init__(self, *, root: str, download: bool, split: str) -> None:
            asked.append((download, split))
            write(Path(root, "EMNIST", "raw"), files)

    monkeypatch.setattr("torchvision.datasets.EMNIST", Fake)
    expecting(monkeypatch, files, sizes=(52, 52))
    assert len(emnist_letters(root=str(root), download=True).train_labels) == 52
    assert asked == [(True, "letters")]
