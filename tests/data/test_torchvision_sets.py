"""torchvision's sets, on small files in their own formats."""

import bz2
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image

from cl_bench.data import DataError, ImageData
from cl_bench.data import torchvision as build
from cl_bench.data.accepted import accepted
from cl_bench.data.torchvision_sets import PARTS, _arguments

# not of one class an image: pairs, texts, boxes, films, flow, depth, attributes, or several kinds of class
OTHERS = {
    *("CarlaStereo", "CelebA", "Cityscapes", "CocoCaptions", "CocoDetection", "CREStereo", "ETH3DStereo"),
    *("FallingThingsStereo", "Flickr30k", "Flickr8k", "FlyingChairs", "FlyingThings3D", "HD1K", "HMDB51"),
    *("InStereo2k", "INaturalist", "Kinetics", "Kitti", "Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow"),
    *("LFWPairs", "LSUN", "LSUNClass", "Middlebury2014Stereo", "MovingMNIST", "Omniglot", "PhotoTour"),
    *("SBDataset", "SBU", "SceneFlowStereo", "Sintel", "SintelStereo", "UCF101", "VOCDetection"),
    *("VOCSegmentation", "WIDERFace"),
    *("DatasetFolder", "FakeData", "ImageFolder", "VisionDataset"),  # no set
}


def read(name: str, root: Path, **settings: object) -> ImageData:
    defaults = {
        "settings": {},
        "train_part": None,
        "test_part": None,
        "test_share": None,
        "split_seed": 0,
        "size": None,
        "download": False,
    }
    return accepted(build(set=name, root=str(root), **{**defaults, **settings}), by="torchvision")


def test_every_set_of_torchvision_is_here_or_is_no_classification_set():
    classes = {
        name for name in torchvision.datasets.__all__ if inspect.isclass(getattr(torchvision.datasets, name))
    }
    assert classes == {*PARTS, *OTHERS}
    assert not set(PARTS) & OTHERS


@pytest.mark.parametrize("name", [name for name, parts in PARTS.items() if parts is not None])
def test_a_set_takes_the_argument_that_names_its_parts(name):
    assert PARTS[name][0] in _arguments(getattr(torchvision.datasets, name))


def write_usps(folder: Path) -> np.ndarray:
    folder.mkdir(parents=True)
    values = np.random.default_rng(0).uniform(-1, 1, (12, 256)).astype(np.float32)
    for name, rows in (("usps.bz2", values[:8]), ("usps.t.bz2", values[8:])):
        lines = [
            " ".join([str(index % 4 + 1), *(f"{place + 1}:{value}" for place, value in enumerate(row))])
            for index, row in enumerate(rows)
        ]
        (folder / name).write_bytes(bz2.compress("\n".join(lines).encode()))
    return ((values + 1) / 2 * 255).astype(np.uint8).reshape(-1, 1, 16, 16)


def test_usps_is_read_from_its_own_files(root: Path, cache: Path):
    images = write_usps(root / "usps")
    data = read("USPS", root)
    assert torch.equal(data.train_images, torch.from_numpy(images[:8]))
    assert torch.equal(data.test_images, torch.from_numpy(images[8:]))
    assert data.train_labels.tolist() == [0, 1, 2, 3] * 2
    assert data.class_names == ("0", "1", "2", "3")
    assert [Path(file).name for file in data.files or ()] == ["usps.bz2", "usps.t.bz2"]
    assert len(list((cache / "tensors").iterdir())) == 1
    assert torch.equal(read("USPS", root).test_images, data.test_images), "from the cache"
    assert read("USPS", root, size=8).train_images.shape == (8, 1, 8, 8)


def test_a_set_that_lies_among_others_is_found(root: Path, tmp_path: Path):
    write_usps(tmp_path / "all")
    assert read("USPS", tmp_path / "all").files is None


def write_svhn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    from scipy.io import savemat

    from tests.data.conftest import md5

    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(256, size=(32, 32, 3, 9)).astype(np.uint8)
    lists = {}
    for part, places in (("train", range(4)), ("test", range(4, 6)), ("extra", range(6, 9))):
        labels = np.array([10, 1, 2, 3][: len(places)], dtype=np.uint8)[:, None]
        path = folder / f"{part}_32x32.mat"
        savemat(path, {"X": images[..., list(places)], "y": labels})
        lists[part] = ["", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", lists)
    return images.transpose(3, 2, 0, 1)


def test_svhn_is_read_from_its_own_files_and_parts(root: Path, monkeypatch: pytest.MonkeyPatch):
    images = write_svhn(root / "SVHN", monkeypatch)
    data = read("SVHN", root)
    assert torch.equal(data.train_images, torch.from_numpy(images[:4].copy()))
    assert data.train_labels.tolist() == [0, 1, 2, 3], "10 is the digit 0"
    extra = read("SVHN", root, train_part="extra")
    assert torch.equal(extra.train_images, torch.from_numpy(images[6:].copy()))
    assert torch.equal(extra.test_images, data.test_images)


def write_eurosat(folder: Path) -> None:
    for number, name in enumerate(("Forest", "River", "Sea")):
        (folder / "eurosat" / "2750" / name).mkdir(parents=True)
        for index in range(10):
            shade = np.full((4, 4, 3), 20 * number + index, dtype=np.uint8)
            Image.fromarray(shade).save(folder / "eurosat" / "2750" / name / f"{index}.png")


def test_a_set_without_test_images_is_split_for_each_class(root: Path):
    write_eurosat(root)
    data = read("EuroSAT", root, test_share=0.2)
    assert data.class_names == ("Forest", "River", "Sea")
    assert data.test_labels.bincount().tolist() == [2, 2, 2]
    assert data.train_labels.bincount().tolist() == [8, 8, 8]
    shades = torch.cat([data.train_images, data.test_images])[:, 0, 0, 0]
    assert sorted(shades.tolist()) == sorted(
        20 * number + index for number in range(3) for index in range(10)
    )
    again, other = (read("EuroSAT", root, test_share=0.2, split_seed=seed) for seed in (0, 1))
    assert torch.equal(again.test_images, data.test_images)
    assert not torch.equal(other.test_images, data.test_images)
    assert "EuroSAT: 6 of 30 images were drawn as test images" in data.notes


@pytest.mark.parametrize("share", [0.01, 0.5, 0.8, 0.99])
def test_no_class_is_without_training_images(root: Path, share: float):
    """Training and test images have one at least of each class of two images or more."""
    write_eurosat(root)
    for name, kept in (("River", 1), ("Sea", 2)):
        for path in sorted((root / "eurosat" / "2750" / name).iterdir())[kept:]:
            path.unlink()
    data = read("EuroSAT", root, test_share=share)
    train, test = (labels.bincount(minlength=3) for labels in (data.train_labels, data.test_labels))
    assert (train + test).tolist() == [10, 1, 2]
    assert train.min() > 0
    assert test.tolist()[1:] == [0, 1]
    assert test[0] == min(max(1, round(10 * share)), 9)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "SVNH",
            {},
            r"must be a classification set of torchvision, got SVNH; .*Did you mean SVHN",
        ),
        ("CocoDetection", {}, "must be a classification set"),
        ("EuroSAT", {}, "has no test images of its own: test_share must be"),
        ("EuroSAT", {"test_share": 0.2, "train_part": "a"}, "has no parts"),
        ("SVHN", {"test_share": 0.2}, "has its own test images, got test_share=0.2; leave"),
        ("USPS", {"train_part": "extra"}, "has a training and a test part alone"),
        ("USPS", {"size": 0}, "size must be positive"),
        ("SVHN", {"settings": {"colour": "red"}}, r"SVHN cannot be made with settings=\{'colour': 'red'\}"),
        ("EMNIST", {}, "EMNIST cannot be made with settings=.*split"),
        ("ImageNet", {}, "torchvision has no download of it"),
        ("SVHN", {"train_part": "tarin"}, "cannot find SVHN: looked in .*Unknown value 'tarin'"),
        ("SVHN", {}, r"cannot find SVHN: looked in .*/root .*put it into svhn in one of .*/root"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(root: Path, name: str, settings: dict, message: str):
    with pytest.raises((DataError, ValueError), match=message):
        read(name, root, **settings)


def test_a_download_that_fails_says_where_it_was_looked_for(root: Path, monkeypatch: pytest.MonkeyPatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.usps.download_url", offline)
    with pytest.raises(DataError, match=r"cannot download USPS, .*looked in .*: no network; check"):
        read("USPS", root, download=True)


def test_a_download_goes_into_the_sets_folder_of_the_cache(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    write_usps(tmp_path / "there")

    def fetch(url: str, folder: str, name: str, md5: str) -> None:
        Path(folder, name).write_bytes((tmp_path / "there" / name).read_bytes())

    monkeypatch.setattr("torchvision.datasets.usps.download_url", fetch)
    assert len(read("USPS", root, download=True).test_labels) == 4
    assert (cache / "usps" / "usps.bz2").is_file()
