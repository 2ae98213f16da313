"""Mutated files give the right data or a DataError: no other error, no hang, no code, no path outside.

`make fuzz` tries many thousands (CL_BENCH_FUZZ), `make test` a few hundred, the same ones each time.
"""

import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from fuzzing import bounded, bytes_near, fuzzed
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cl_bench.data import DataError, ImageData, image_folder
from cl_bench.data import idx as idx_module
from cl_bench.data.cache import stored
from cl_bench.data.cifar import CIFAR10_BATCHES, read_batches
from cl_bench.data.idx import read_idx
from cl_bench.data.locate import Source
from cl_bench.data.unpickle import unpickle

IMAGES = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", *IMAGES.shape) + IMAGES.tobytes()
ENTRY = {"labels": [1, 2], "data": np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072), "batch_label": "b"}
PICKLES = [pickle.dumps(ENTRY, protocol=protocol) for protocol in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (4, 4), value).save(content, "PNG")
    return content.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


TREE = {f"{split}/{name}/{i}.png": png(i) for split in ("train", "test") for name in "ab" for i in (1, 2)}
ARCHIVES = {".tar": tarred(TREE, "w"), ".tar.gz": tarred(TREE, "w:gz"), ".tar.xz": tarred(TREE, "w:xz")}


@pytest.fixture
def md5_of_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums stand before all else in the readers: let the mutants past them."""

    class Any:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None

    class Same:
        def hexdigest(self) -> Any:
            return Any()

    monkeypatch.setattr("hashlib.md5", lambda *_, **__: Same())


@fuzzed
@given(content=bytes_near(IDX))
@pytest.mark.usefixtures("md5_of_anything")
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_mutated_idx_file_is_read_as_it_says_or_refused(folder: Path, ending: str, content: bytes):
    path = folder / f"images{ending}"
    path.write_bytes(content)
    with bounded():
        try:
            found = read_idx(path, num_dimensions=3, md5="")
        except DataError as error:
            assert str(path) in str(error)
            return
    shape = struct.unpack(">3I", content[4:16])
    assert tuple(found.shape) == shape
    assert found.numpy().tobytes() == content[16:]


@fuzzed
@given(sizes=st.tuples(*[st.integers(0, 2**32 - 1)] * 3), zipped=st.booleans())
def test_a_header_that_claims_any_size_takes_no_memory(folder: Path, sizes: tuple[int, ...], zipped: bool):
    import gzip

    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", *sizes) + bytes(100)
    path = folder / ("claims.gz" if zipped else "claims")
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    with bounded(), pytest.raises(DataError):
        read_idx(path, num_dimensions=3, md5="")


def test_a_gzip_bomb_is_left_at_the_length_of_its_header(folder: Path, monkeypatch: pytest.MonkeyPatch):
    import gzip

    path = folder / "bomb.gz"
    path.write_bytes(gzip.compress(IDX + bytes(2**28), 9))
    monkeypatch.setattr(idx_module, "CHUNK", 2**16)
    with bounded(), pytest.raises(DataError, match="got more than 76"):
        read_idx(path, num_dimensions=3, md5="")


@fuzzed
@given(content=st.sampled_from(PICKLES).flatmap(bytes_near))
def test_a_mutated_pickle_is_plain_data_or_refused(content: bytes):
    with bounded():
        try:
            found = unpickle(content)
        except pickle.UnpicklingError:
            return
    assert type(found).__module__ in ("builtins", "numpy", "cl_bench.data.unpickle")


class Planted:
    """Runs a command where it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, exec, open, getattr, np.load, np.fromfile, __import__])
def test_a_planted_call_is_not_made(folder: Path, protocol: int, function: object):
    for planted in (Planted(function, "x"), {"data": Planted(function, "x")}, [Planted(function, "x", "y")]):
        with pytest.raises(pickle.UnpicklingError, match="asks for"):
            unpickle(pickle.dumps(planted, protocol=protocol))


@fuzzed
@given(
    content=st.sampled_from(PICKLES[2:4]).flatmap(bytes_near), which=st.sampled_from([*CIFAR10_BATCHES.md5])
)
@pytest.mark.usefixtures("md5_of_anything")
def test_a_mutated_batch_is_read_or_refused(folder: Path, content: bytes, which: str):
    inside = folder / "batches"
    inside.mkdir(exist_ok=True)
    for name in CIFAR10_BATCHES.md5:
        entry = {"label_names": list("abcdefghij")} if name in CIFAR10_BATCHES.meta else ENTRY
        (inside / name).write_bytes(content if name == which else pickle.dumps(entry, protocol=2))
    files = tuple(inside / name for name in CIFAR10_BATCHES.md5)
    source = Source("cifar10", tuple(map(str, files)), "fuzz", lambda: read())

    def read() -> ImageData:
        return read_batches(files, batches=CIFAR10_BATCHES, described="batches")

    with bounded():
        check_or_refused(source)


def check_or_refused(source: Source) -> None:
    """What comes through the reader and its check is data of the stated kinds."""
    from cl_bench.data.image_data import checked

    try:
        data = checked(source.read())
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert len(data.train_images) == len(data.train_labels)
    assert data.train_labels.max() < len(data.class_names)


@fuzzed
@given(ending=st.sampled_from([*ARCHIVES]), data=st.data())
def test_a_mutated_archive_is_read_or_refused_and_nothing_is_written(
    folder: Path, ending: str, data: st.DataObject
):
    inside = folder / "archives"
    inside.mkdir(exist_ok=True)
    path = inside / f"tree{ending}"
    path.write_bytes(data.draw(bytes_near(ARCHIVES[ending])))
    with bounded():
        try:
            found = image_folder(path=str(path), root=None, size=None)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert found.train_images.dtype.itemsize == 1
    assert {each.name for each in inside.iterdir()} <= {f"tree{each}" for each in ARCHIVES}


NAMES = st.text(st.sampled_from("ab./\\~\0\n-…"), min_size=1, max_size=12)


@fuzzed
@given(
    name=NAMES,
    parts=st.sampled_from(["{}/train/a/1.png", "train/{}/1.png", "train/a/{}.png", "/{}", "../{}"]),
)
def test_no_name_in_an_archive_leads_out_of_it(folder: Path, name: str, parts: str):
    inside = folder / "names"
    inside.mkdir(exist_ok=True)
    path = inside / "tree.tar"
    path.write_bytes(tarred({**TREE, parts.format(name): png(3)}, "w"))
    before = sorted(folder.rglob("*"))
    with bounded():
        try:
            found = image_folder(path=str(path), root=None, size=None)
        except DataError:
            pass
        else:
            assert not any(set(each) & set("/") or each.startswith(".") for each in found.class_names)
    assert sorted(folder.rglob("*")) == before


@fuzzed
@given(content=bytes_near(png(7)))
def test_a_mutated_image_is_an_image_or_refused(folder: Path, content: bytes):
    inside = folder / "trees"
    for name, data in {**TREE, "train/a/1.png": content}.items():
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_bytes(data)
    with bounded():
        try:
            found = image_folder(path=str(inside), root=None, size=None)
        except DataError as error:
            assert "1.png" in str(error) or "size" in str(error)
        else:
            assert found.train_images.shape[0] == 4


@pytest.mark.parametrize("side", [2**14, 2**30])
def test_an_image_that_claims_a_huge_size_takes_no_memory(folder: Path, side: int):
    import zlib

    header = b"IHDR" + struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    inside = folder / f"huge {side}"
    for name, data in {**TREE, "train/a/1.png": b"\x89PNG\r\n\x1a\n" + chunk}.items():
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_bytes(data)
    with bounded(), pytest.raises(DataError, match=r"1\.png must be"):
        image_folder(path=str(inside), root=None, size=4)


@fuzzed
@given(data=st.data())
def test_a_mutated_cache_file_is_rebuilt(folder: Path, data: st.DataObject):
    """It is a file of torch.load: a damaged one is worth nothing, and is not believed."""
    import torch

    from cl_bench.data.cache import fingerprint

    files = folder / "source"
    files.touch()
    images = torch.arange(32, dtype=torch.uint8).reshape(2, 1, 4, 4)
    labels = torch.tensor([0, 1])
    right = ImageData("fuzz", images, labels, images, labels, ("a", "b"), "source")
    source = Source("fuzz", (str(files),), "fuzz", lambda: right)
    path = Path(os.environ["CL_BENCH_CACHE"]) / "tensors" / f"fuzz-{fingerprint(source)}.pt"
    path.unlink(missing_ok=True)
    stored(source)
    mutant = folder / "mutant.pt"
    mutant.write_bytes(data.draw(bytes_near(path.read_bytes())))
    mutant.replace(path)
    with bounded():
        found = stored(source)
    assert torch.equal(found.train_images, images)
    assert torch.equal(found.train_labels, labels)
    assert found.class_names == ("a", "b")
