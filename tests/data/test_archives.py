"""Trees of images in archives: as in folders, whole, cut off and hostile."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from image_trees import MODES, Tree, build, pack, same
from PIL import Image

from cl_bench.data import DataError


@pytest.mark.parametrize("top", ["", "./", "mine/", "./deep/mine/"])
@pytest.mark.parametrize("suffix", list(MODES))
def test_an_archive_is_read_like_its_folder(root: Path, write_tree: Tree, suffix: str, top: str):
    folder = write_tree(root / "mine")
    assert same(build(pack(folder, root / f"packed{suffix}", top)), build(folder))


def test_hard_links_in_an_archive_are_told(root: Path, write_tree: Tree):
    path = pack(write_tree(root / "mine"), root / "mine.tar")
    with tarfile.open(path, "a") as file:
        link = tarfile.TarInfo("train/cat/9.png")
        link.type, link.linkname = tarfile.LNKTYPE, "train/cat/0.png"
        file.addfile(link)
    assert build(path).notes == (
        "mine.tar: 1 file is left out: 1 as a link or no plain file (train/cat/9.png)",
    )


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".tar"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_a_data_error(
    root: Path, cache: Path, write_tree: Tree, suffix: str, part: float
):
    path = pack(write_tree(root / "mine"), root / f"packed{suffix}")
    content = path.read_bytes()
    end = len(content.rstrip(bytes(1)))  # without the padding, which an archive can lose without harm
    length = int(end * part)
    path.write_bytes(content[:length])
    with pytest.raises(DataError, match=r"packed\.tar.* must ") as caught:
        build(path)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_an_archive_cut_between_two_files_is_a_data_error(root: Path, write_tree: Tree):
    path = pack(write_tree(root / "mine"), root / "packed.tar")
    with tarfile.open(path) as file:
        last = file.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:last])
    with pytest.raises(
        DataError, match=r"packed\.tar must be readable to its end, got no end-of-archive mark; "
    ):
        build(path)


def test_a_file_that_is_no_archive_is_a_data_error(root: Path):
    (root / "mine.zip").write_bytes(b"PK")
    (root / "mine.tar.gz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"path must be a folder or an archive \(.tar, .*\), got .*mine\.zip"):
        build(root / "mine.zip")
    with pytest.raises(DataError, match=r"mine\.tar\.gz must be readable to its end"):
        build(root / "mine.tar.gz")


def test_paths_and_links_in_an_archive_cannot_escape(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    expected = build(folder)
    path = pack(folder, root / "packed.tar")
    image = io.BytesIO()
    Image.new("RGB", (6, 6)).save(image, "PNG")
    with tarfile.open(path, "a") as file:
        for name in ("../../train/cat/evil.png", "/train/../../evil.png"):
            member = tarfile.TarInfo(name)
            member.size = image.tell()
            file.addfile(member, io.BytesIO(image.getvalue()))
        link = tarfile.TarInfo("train/cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        file.addfile(link)
        pipe = tarfile.TarInfo("train/cat/pipe.png")
        pipe.type = tarfile.FIFOTYPE
        file.addfile(pipe)
    before = sorted(os.listdir(root))  # noqa: PTH208
    assert same(build(path), expected)
    assert sorted(os.listdir(root)) == before  # noqa: PTH208
    assert not list(root.parent.rglob("evil.png"))


def test_an_archive_of_two_trees_is_a_data_error(root: Path, write_tree: Tree):
    write_tree(root / "both" / "first")
    write_tree(root / "both" / "second")
    with pytest.raises(DataError, match="must hold one tree of train/ and test/, got 2; unpack it"):
        build(pack(root / "both", root / "both.tar"))


def test_an_archive_that_claims_too_much_is_a_data_error(
    root: Path, monkeypatch: pytest.MonkeyPatch, write_tree: Tree
):
    path = pack(write_tree(root / "mine"), root / "packed.tar")
    monkeypatch.setattr("cl_bench.data.folders.MAX_IMAGE_BYTES", 10)
    with pytest.raises(DataError, match=r"images of at most 10 bytes each .*; unpack it"):
        build(path)
