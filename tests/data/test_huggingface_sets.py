"""Data sets of Hugging Face's library, made here and read without a network."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.data import DataError, ImageData
from cl_bench.data import huggingface as build
from cl_bench.data.accepted import accepted

datasets = pytest.importorskip("datasets")
SHADES = np.random.default_rng(0).integers(256, size=(15, 4, 5)).astype(np.uint8)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def read(path: str, root: Path, **settings: object) -> ImageData:
    names = ("subset", "image", "label", "train_part", "test_part", "size")
    given = {**dict.fromkeys(names), "download": False, **settings}
    return accepted(
        build(path=path, root=str(root), **given), by="huggingface", with_test=settings.get("with_test", True)
    )


def part(places: range) -> "datasets.Dataset":
    return datasets.Dataset.from_dict(
        {
            "picture": [Image.fromarray(SHADES[place]) for place in places],
            "kind": [place % 3 for place in places],
            "word": [["ant", "bee", "cow"][place % 3] for place in places],
            "row": [[float(place), 1.0] for place in places],
        },
        features=datasets.Features(
            {
                "picture": datasets.Image(),
                "kind": datasets.ClassLabel(names=["a", "b", "c"]),
                "word": datasets.Value("string"),
                "row": datasets.List(datasets.Value("float32")),
            }
        ),
    )


@pytest.fixture
def saved(root: Path) -> Path:
    both = datasets.DatasetDict({"train": part(range(9)), "validation": part(range(9, 15))})
    both.save_to_disk(str(root / "mine"))
    return root


def is_right(data: ImageData) -> None:
    assert torch.equal(data.train_images, torch.from_numpy(SHADES[:9, None]))
    assert torch.equal(data.test_images, torch.from_numpy(SHADES[9:, None]))
    assert data.train_labels.tolist() == [0, 1, 2] * 3


def test_a_saved_data_set_is_read_and_cached(saved: Path, cache: Path):
    data = read("mine", saved)
    is_right(data)
    assert data.class_names == ("a", "b", "c")
    assert all(file.endswith(".arrow") for file in data.files or ())
    assert len(list((cache / "tensors").iterdir())) == 1
    is_right(read("mine", saved))
    assert read("mine", saved, size=3).train_images.shape == (9, 1, 3, 3)
    assert len(read("mine", saved, with_test=False).test_labels) == 0


def test_columns_and_parts_are_named(saved: Path):
    data = read("mine", saved, label="word", train_part="train[:6]", test_part="train[6:]")
    assert data.class_names == ("ant", "bee", "cow")
    assert torch.equal(data.test_images, torch.from_numpy(SHADES[6:9, None]))
    assert len(read("mine", saved, test_part="train[67%:]").test_labels) == 3


def test_parquet_files_are_read(root: Path):
    (root / "mine").mkdir()
    part(range(9)).to_parquet(str(root / "mine" / "train.parquet"))
    part(range(9, 15)).to_parquet(str(root / "mine" / "test.parquet"))
    is_right(read("mine", root))


def test_a_folder_of_images_is_read(root: Path):
    for name, places in (("train", range(9)), ("test", range(9, 15))):
        for place in places:
            folder = root / "mine" / name / "abc"[place % 3]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(SHADES[place]).save(folder / f"{place}.png")
    data = read("mine", root)
    assert data.class_names == ("a", "b", "c")
    assert sorted(map(bytes, data.train_images.flatten(1).numpy())) == sorted(
        map(bytes, SHADES[:9].reshape(9, -1))
    )


def test_arrays_are_handed_on_as_they_are(root: Path):
    rows = {
        name: datasets.Dataset.from_dict({"x": SHADES[places].tolist(), "y": [place % 3 for place in places]})
        for name, places in (("train", range(9)), ("test", range(9, 15)))
    }
    datasets.DatasetDict(rows).save_to_disk(str(root / "mine"))
    is_right(read("mine", root, image="x", label="y"))
    with pytest.raises(ValueError, match="only images are resized"):
        read("mine", root, image="x", label="y", size=3)


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("mine", {"image": "pictur"}, "must have the column pictur, got picture, .*Did you mean picture"),
        ("mine", {"label": "class"}, "must have the column class"),
        ("mine", {"test_part": "tset"}, "must have the part tset, got train, validation"),
        ("mine", {"train_part": "train[3"}, "a part must be written as"),
        ("mine", {"size": 0}, "size must be positive"),
        ("/nowhere/at/all", {}, "cannot find /nowhere/at/all: looked in"),
        (
            "somebody/else",
            {},
            "cannot read somebody/else among what was downloaded, nor in .*root/somebody/else.*data.download",
        ),
    ],
)
def test_what_cannot_be_read_is_a_sentence(saved: Path, path: str, settings: dict, message: str):
    with pytest.raises((DataError, ValueError), match=message):
        read(path, saved, **settings)


def test_a_set_without_a_test_part_says_how_to_make_one(root: Path):
    part(range(9)).save_to_disk(str(root / "one"))
    with pytest.raises(DataError, match=r"no test images of its own, but train: set test_part"):
        read("one", root)
    assert len(read("one", root, train_part="train[:6]", test_part="train[6:]").test_labels) == 3


def test_code_of_a_data_set_is_not_run(root: Path):
    (root / "mine").mkdir()
    (root / "mine" / "mine.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    )
    with pytest.raises(DataError, match="cannot read mine"):
        read("mine", root)
    assert not (root / "mine" / "ran").exists()


def test_without_the_library_the_error_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"install it with `pip install datasets`"):
        read("mine", root)


def test_download_false_asks_no_network_and_true_does(root, monkeypatch):
    """The library's own switch is off, as it is for whoever has not set it."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between its attempts
    asked: list[object] = []

    def no_network(host: object, *_: object, **__: object) -> None:
        asked.append(host)
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", no_network)
    with pytest.raises(DataError, match="among what was downloaded"):
        read("somebody/else", root, download=False)
    assert not asked
    with pytest.raises(DataError, match=r"on the hub, nor in .*check path, subset and the network"):
        read("somebody/else", root, download=True)
    assert asked
    assert not datasets.config.HF_HUB_OFFLINE
