"""Archives of images by a stranger: each costs seconds, little memory, and is named."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hostile.bombs import IMAGES, cheap, header, member, packed, png, read
from PIL import Image

from cl_bench.data import DataError, archives, cifar10
from cl_bench.data.cifar import CIFAR10_BATCHES


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    return tmp_path / "cache"


GNU_SPARSE = tarfile.GNUTYPE_SPARSE


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ([header("train/a/1.png", 6 * 2**30)], "must"),
        ([header("notes.txt", 6 * 2**30)], "must"),
        ([header("notes.txt", 2**62)], "must"),
        ([header("x", 6 * 2**30, tarfile.XHDTYPE)], "headers of at most"),
        ([header("x", 6 * 2**30, tarfile.XGLTYPE)], "headers of at most"),
        ([header("././@LongLink", 6 * 2**30, tarfile.GNUTYPE_LONGNAME)], "headers of at most"),
        ([header("././@LongLink", 6 * 2**30, tarfile.GNUTYPE_LONGLINK)], "headers of at most"),
        ([header("notes.txt", -1024)], "must be readable"),
        ([header("notes.txt", -512)], "must"),
        (
            [header("x", 65000, tarfile.XHDTYPE), b"1" * 65000 + bytes(-65000 % 512)],
            "headers that give names",
        ),
        ([header("././@LongLink", 0, tarfile.GNUTYPE_LONGNAME)] * 5000, "must"),
    ],
    ids=["image", "file", "endless", "pax", "global", "name", "link", "back", "circle", "digits", "deep"],
)
def test_an_archive_that_claims_anything_is_named(tmp_path: Path, ending: str, parts: list[bytes], rule: str):
    path = packed(tmp_path / f"x.{ending}", *parts)
    with cheap(), pytest.raises(DataError, match=rule) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("ending", ["gz", "xz", "bz2"])
@pytest.mark.parametrize("name", ["notes.txt", "train/a/1.txt", f"{CIFAR10_BATCHES.folder}/other"])
def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path, ending: str, name: str, monkeypatch):
    monkeypatch.setattr(archives, "ANY_SIZE", 2**24)
    zeros = bytes(2**20)
    path = packed(tmp_path / f"x.tar.{ending}", header(name, 2**26), *[zeros] * 64)
    path = path.rename(tmp_path / "x.tar.gz")  # the name says nothing
    with cheap(), pytest.raises(DataError, match="must unpack to at most 16,777,216 bytes"):
        read(path)
    (tmp_path / CIFAR10_BATCHES.archive).hardlink_to(path)
    with cheap(), pytest.raises(DataError, match="must unpack to at most 16,777,216 bytes"):
        cifar10(root=str(tmp_path), download=False)


def test_a_large_archive_of_honest_images_is_read(tmp_path: Path, monkeypatch):
    """What is packed little may be of any size."""
    monkeypatch.setattr(archives, "ANY_SIZE", 2**12)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    files = {name: buffer.getvalue() for name in IMAGES}
    assert read(packed(tmp_path / "x.tar.gz", files=files)).train_images.shape == (2, 3, 64, 64)


def test_files_with_holes_are_left_out_and_told(tmp_path: Path):
    """Their size is not what they hold: 6 GiB may be a few bytes."""
    info = member("train/a/1.png", 512, GNU_SPARSE)
    buffer = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    buffer[386:398], buffer[398:410] = b"%011o\0" % 0, b"%011o\0" % 512  # one piece
    buffer[483:495] = b"\x80" + (6 * 2**30).to_bytes(11, "big")  # what it says that it is
    buffer[148:156] = b" " * 8
    buffer[148:156] = b"%06o\0 " % sum(buffer)
    with cheap():
        found = read(packed(tmp_path / "x.tar", bytes(buffer), bytes(512)))
    assert found.train_images.shape[0] == 2
    assert any("as a link or no plain file" in note for note in found.notes)


def test_a_long_chain_of_pieces_of_a_file_is_refused(tmp_path: Path):
    info = bytearray(member("train/a/1.png", 512, GNU_SPARSE).tobuf(tarfile.GNU_FORMAT))
    info[482] = 1
    info[148:156] = b" " * 8
    info[148:156] = b"%06o\0 " % sum(info)
    extension = b"00000000001\0" * 42 + b"\1" + bytes(7)
    with cheap(), pytest.raises(DataError, match="headers of at most"):
        read(packed(tmp_path / "x.tar.gz", bytes(info), *[extension] * 100_000))


def test_members_beyond_number_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 5000)
    path = packed(tmp_path / "x.tar.gz", *[header("a", 0)] * 100_000)
    (tmp_path / CIFAR10_BATCHES.archive).hardlink_to(path)
    with cheap(), pytest.raises(DataError, match="must have at most 1,000 members"):
        cifar10(root=str(tmp_path), download=False)


def test_many_members_cost_no_memory(tmp_path: Path):
    path = packed(tmp_path / "x.tar.gz", header("a", 0) * 2**13)
    with cheap():
        assert sum(1 for _ in archives.plain_files(path)) == 2**13 + 4
    with cheap(), pytest.raises(DataError, match=r"at most 8,192 members"):
        list(archives.plain_files(path, most_members=2**13))


def test_names_lead_nowhere_and_are_shown_shortened(tmp_path: Path):
    long = "x" * 4000
    names = ["/train/a/1.png", "../train/a/2.png", "train/a/../../../3.png", f"{long}/train/a/4.png"]
    names += ["\x1b[2J/train/a/5.gif", f"train/a/{long}.png", "train/a/0.png"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name in names:
            file.addfile(member(name, len(png())), io.BytesIO(png()))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            file.addfile(member("train/a/9.png", 0, kind))
        for name, content in IMAGES.items():
            file.addfile(member(name, len(content)), io.BytesIO(content))
    (tmp_path / "x.tar").write_bytes(buffer.getvalue())
    before = sorted(tmp_path.rglob("*"))
    try:
        told = "; ".join(read(tmp_path / "x.tar").notes)
    except DataError as error:
        told = str(error)
    assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before
    assert told.isprintable()
    assert len(told) < 3000


def test_a_member_that_is_there_twice_is_told(tmp_path: Path):
    path = packed(tmp_path / "x.tar", header("train/a/0.png", len(png())) + png() + bytes(-len(png()) % 512))
    assert any("twice in the archive" in note for note in read(path).notes)
