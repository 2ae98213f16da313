"""Files of arrays: the same data as from Python; a sentence for what is damaged, missing or a pickle."""

import json
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cl_bench.data import DataError, arrays, digits, features, from_arrays
from cl_bench.data.array_files import array_file
from cl_bench.data.fingerprint import digest

RNG = np.random.default_rng(0)
PARTS = {
    "x": RNG.normal(size=(30, 4)).astype(np.float32),
    "y": np.arange(30) % 3,
    "x_test": RNG.normal(size=(12, 4)).astype(np.float32),
    "y_test": np.arange(12) % 3,
}
EXPECTED = digest(from_arrays(**PARTS))


def npz(path: Path, **parts) -> Path:
    np.savez(path, **parts)
    return path


def safetensors(path: Path, **parts) -> Path:
    names = parts.pop("class_names", None)
    about = {} if names is None else {"class_names": json.dumps(list(names))}
    save_file({key: np.ascontiguousarray(value) for key, value in parts.items()}, path, about)
    return path


def npys(path: Path, **parts) -> Path:
    path.mkdir()
    for name, array in parts.items():
        np.save(path / f"{name}.npy", array)
    return path


WRITERS = {"mine.npz": npz, "mine.safetensors": safetensors, "mine": npys}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    return lambda **parts: WRITERS[request.param](tmp_path / request.param, **parts)


def read(path, **settings):
    return arrays(path=str(path), root=None, **settings)


def test_a_file_gives_what_its_arrays_give(write):
    path = write(**PARTS)
    data = read(path)
    assert digest(data) == EXPECTED
    assert (data.name, data.source) == ("mine", f"arrays of {path.name}")
    assert data.files
    assert all(Path(file).is_absolute() and Path(file).is_file() for file in data.files)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_arrays_may_be_called_as_keras_and_medmnist_do(write, names):
    path = write(**dict(zip(names, PARTS.values(), strict=True)), val_images=np.zeros(3))
    data = read(path)
    assert digest(data) == EXPECTED
    assert data.notes == (f"{path.name}: arrays that are not read: val_images",)


def test_class_names_stand_in_the_file_or_in_the_setting(write):
    path = write(**PARTS, class_names=np.array(["a", "b", "c"]))
    assert read(path).class_names == ("a", "b", "c")
    assert read(path, class_names=["u", "v", "w"]).class_names == ("u", "v", "w")


def test_without_the_test_nothing_of_it_is_read(write):
    path = write(**PARTS | {"x_test": np.zeros(1), "y_test": np.full(3, 7)})
    data = read(path, with_test=False)
    assert digest(data) == EXPECTED | {"test": None}
    with pytest.raises(DataError):
        read(path)


def test_a_share_stands_in_for_a_test_part(write):
    path = write(x=PARTS["x"], y=PARTS["y"])
    with pytest.raises(DataError, match=r"must have a test part, got none; give one, or test_share=0\.2"):
        read(path)
    data = read(path, test_share=0.2)
    assert digest(data) == digest(from_arrays(PARTS["x"], PARTS["y"], test_share=0.2))
    assert digest(read(path, test_share=0.2, with_test=False))["train"] == digest(data)["train"]


@pytest.mark.parametrize("left_out", ["x", "y", "x_test", "y_test"])
def test_a_missing_array_is_named_with_those_there_are(write, left_out):
    path = write(**{key: value for key, value in PARTS.items() if key != left_out}, other=np.zeros(2))
    with pytest.raises(DataError, match=f"got no {left_out} among .*other.*; rename them"):
        read(path)


def test_two_names_of_one_array_are_refused(write):
    with pytest.raises(DataError, match="must have one array of x and x_train, got both"):
        read(write(**PARTS, x_train=PARTS["x"]))


@pytest.mark.parametrize("name", ["mine.npz", "mine.safetensors"])
@pytest.mark.parametrize("kept", [0, 1, 30, 0.5, 0.99])
def test_a_file_that_is_cut_is_one_sentence(tmp_path, name, kept):
    path = WRITERS[name](tmp_path / name, **PARTS)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_were_changed_are_one_sentence_or_other_numbers(tmp_path):
    path = npz(tmp_path / "mine.npz", **PARTS)
    content = path.read_bytes()
    for place in range(0, len(content), 17):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        with suppress(DataError):
            assert digest(read(path)) == EXPECTED  # a byte of a time or the like; numbers have a checksum


class Trap:
    """Runs code where it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["mine.npz", "mine"])
def test_no_pickle_is_ever_loaded(tmp_path, name):
    trap = np.array([Trap(tmp_path / "sprung")] * 30, dtype=object)
    path = WRITERS[name](tmp_path / name, **PARTS | {"x": trap})
    with pytest.raises(DataError, match="got object: Python objects are never loaded; give it a type"):
        read(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("ending", [".pt", ".pth", ".pkl", ".pickle", ".npy", ".mat", ""])
def test_other_kinds_of_file_are_refused_with_what_to_do(tmp_path, ending):
    path = tmp_path / f"mine{ending}"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(DataError, match=r"must be an \.npz or \.safetensors file.*numpy\.savez"):
        read(path)
    assert not (tmp_path / "sprung").exists()


def claiming(path: Path, shape: tuple[int, ...], content: bytes, kind: int = zipfile.ZIP_STORED) -> Path:
    """An .npz whose x claims a shape."""
    npz(path, y=PARTS["y"], x_test=PARTS["x_test"], y_test=PARTS["y_test"])
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    with zipfile.ZipFile(path, "a", kind) as archive:
        archive.writestr("x.npy", magic + header + content)
    return path


@pytest.mark.parametrize("shape", [(30, 4_000_000_000), (2**62, 2**62), (30, 5), (-30, -4), (30, 3)])
def test_a_shape_that_the_bytes_do_not_have_is_not_believed(tmp_path, shape):
    path = claiming(tmp_path / "mine.npz", shape, bytes(480))
    with pytest.raises(DataError, match=r"x of .* must have the .* bytes of"):
        read(path)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = claiming(tmp_path / "mine.npz", (30, 10**6), bytes(120 * 10**6), zipfile.ZIP_DEFLATED)
    monkeypatch.setattr("cl_bench.data.array_files.ANY_SIZE", 2**20)
    with pytest.raises(DataError, match=r"must unpack to at most .* bytes .*; save it with numpy.savez"):
        read(path)


def test_arrays_in_fortran_order_and_of_another_machine_are_the_same(tmp_path):
    other = {"x": np.asfortranarray(PARTS["x"]), "x_test": PARTS["x_test"].astype(">f8")}
    assert digest(read(npz(tmp_path / "a.npz", **PARTS | other))) == EXPECTED


def test_a_compressed_file_is_read_too(tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", **PARTS)
    assert digest(read(tmp_path / "mine.npz")) == EXPECTED


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "mine.npz")
    with pytest.raises(DataError, match="must be a file or folder that exists"):
        read(tmp_path / "mine.npz")
    with pytest.raises(DataError, match="no regular file"):
        array_file(tmp_path / "mine.npz")


def test_a_path_is_looked_for_in_root_in_places_and_here(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError, match=r"cannot find mine\.npz: nothing of it is in .*here; put mine\.npz"):
        read("mine.npz")
    npz(Path("mine.npz"), **PARTS)
    assert read("mine.npz").files == (str(tmp_path / "here" / "mine.npz"),)
    npz(tmp_path / "data" / "mine.npz", **PARTS)
    found = arrays(path="mine.npz", root=str(tmp_path / "data"))
    assert found.files == (str(tmp_path / "data" / "mine.npz"),)
    with pytest.raises(DataError, match=r"path must be a file or folder that exists, got /nowhere/x.npz"):
        read("/nowhere/x.npz")


def test_images_in_a_file_are_images(tmp_path):
    known = digits()
    path = npz(
        tmp_path / "d.npz",
        x_train=known.train_images[:, 0].numpy(),
        y_train=known.train_labels.numpy(),
        x_test=known.test_images[:, 0].numpy(),
        y_test=known.test_labels.numpy(),
    )
    assert digest(read(path)) == digest(known)
    as_features = read(path, features=True)
    assert as_features.train_images.equal(known.train_images.float())


def test_features_are_a_file_that_says_so(tmp_path):
    path = safetensors(tmp_path / "mine.safetensors", **PARTS)
    with pytest.raises(DataError, match="must be a file that cl-bench features wrote"):
        features(path=str(path), root=None)
    about = {"cl_bench": '{"features_of": "features of digits", "class_names": ["a", "b", "c"]}'}
    save_file({key: np.ascontiguousarray(value) for key, value in PARTS.items()}, path, about)
    data = features(path=str(path), root=None)
    assert (data.source, data.class_names) == ("features of digits", ("a", "b", "c"))
    assert digest(data) == EXPECTED
    for names in ("{", "3", "[" * 10_000):
        save_file({"x": PARTS["x"], "y": PARTS["y"]}, path, {"class_names": names})
        with pytest.raises(DataError, match="must be a list of names"):
            read(path, test_share=0.5)
    for about in ("{", "[]", '{"features_of": 3}', '{"features_of": "x"}'):
        save_file(PARTS, path, {"cl_bench": about})
        with pytest.raises(DataError, match=r"that cl-bench features wrote|must be a list of names"):
            features(path=str(path), root=None)


def test_what_torch_has_is_read_from_safetensors(tmp_path):
    from safetensors.torch import save_file as save

    parts = {key: torch.from_numpy(value).contiguous() for key, value in PARTS.items()}
    save(parts | {"x": parts["x"].bfloat16()}, tmp_path / "mine.safetensors")
    data = read(tmp_path / "mine.safetensors")
    assert data.train_images.flatten(1).equal(parts["x"].bfloat16().float())
