"""The tensor cache: used, renewed, repaired, done without."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cl_bench.data import DataError, ImageData, image_folder, mnist
from cl_bench.data.idx_sets import IdxFiles

Write = Callable[[Path], IdxFiles]


def build(root: Path) -> ImageData:
    return mnist(root=str(root), download=False)


def saved_in(cache: Path) -> list[Path]:
    return sorted((cache / "tensors").iterdir())


def test_a_second_reading_comes_from_the_cache(
    root: Path, cache: Path, write_idx: Write, monkeypatch: pytest.MonkeyPatch
):
    write_idx(root)
    first = build(root)
    assert [path.suffix for path in saved_in(cache)] == [".pt"]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("cl_bench.data.idx.read_idx", never)
    monkeypatch.setattr("hashlib.md5", never)
    second = build(root)
    assert [type(field) for field in first] == [type(field) for field in second]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_without_test_images_none_is_read_from_the_cache(
    root: Path, cache: Path, write_idx: Write, caplog: pytest.LogCaptureFixture
):
    write_idx(root)
    first = mnist(root=str(root), download=False, with_test=False)
    whole = build(root)
    (path,) = saved_in(cache)
    # damage the test images alone, so that whoever reads them would notice
    saved = torch.load(path, weights_only=True)
    saved["test_images"] = 255 - saved["test_images"]
    damaged = path.with_suffix(".damaged")
    torch.save(saved, damaged)
    damaged.replace(path)  # what was read above is mapped from the old file
    second = mnist(root=str(root), download=False, with_test=False)
    assert not caplog.records
    for data in (first, second):
        assert torch.equal(data.train_images, whole.train_images)
        assert torch.equal(data.train_labels, whole.train_labels)
        assert data.test_images.shape == (0, *whole.test_images.shape[1:])
        assert data.test_labels.tolist() == []
    build(root)
    assert "is damaged and is made anew" in caplog.text


def test_decoded_images_come_from_the_cache(
    root: Path, write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    path = str(write_tree(root / "mine"))
    first = image_folder(path=path, root=None)
    monkeypatch.setattr("cl_bench.data.folders.decode", None)
    second = image_folder(path=path, root=None)
    assert torch.equal(first.train_images, second.train_images)
    assert torch.equal(first.test_labels, second.test_labels)
    with pytest.raises(TypeError):  # another size is another data set
        image_folder(path=path, root=None, size=3)


def test_writing_to_cached_tensors_does_not_change_the_cache(root: Path, write_idx: Write):
    write_idx(root)
    build(root)
    build(root).train_images.zero_()
    assert build(root).train_images.any()


def test_a_changed_source_is_read_again(root: Path, cache: Path, write_idx: Write):
    files = write_idx(root)
    build(root)
    path = root / files.train_images
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    build(root)
    assert len(saved_in(cache)) == 1  # the contents are the same
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError):
        build(root)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "a changed byte", "another value"])
def test_a_damaged_cache_file_is_rebuilt_with_a_warning(
    root: Path, cache: Path, write_idx: Write, caplog: pytest.LogCaptureFixture, damage: str
):
    write_idx(root)
    expected = build(root)
    (path,) = saved_in(cache)
    content = bytearray(path.read_bytes())
    if damage == "another value":
        torch.save({"train_images": 3}, path)
    elif damage == "a changed byte":
        position = content.index(bytes(range(200)))  # within the pixels
        content[position + 100] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2], "text": b"text"}[damage])
    data = build(root)
    assert torch.equal(data.train_images, expected.train_images)
    assert caplog.text.count("is damaged and is made anew") == 1
    assert saved_in(cache) == [path]
    caplog.clear()
    build(root)
    assert not caplog.records


def test_an_unwritable_cache_folder_is_done_without(
    root: Path, cache: Path, write_idx: Write, caplog: pytest.LogCaptureFixture
):
    write_idx(root)
    cache.write_text("a file where the folder should be")
    assert len(build(root).train_images) == 20
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cannot write the cache file" in caplog.text


def test_a_full_disk_leaves_no_half_written_file(
    root: Path,
    cache: Path,
    write_idx: Write,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_idx(root)
    monkeypatch.setattr("os.fsync", full)
    assert len(build(root).train_images) == 20
    assert saved_in(cache) == []
    assert caplog.text.count("cannot write the cache file") == 1


def test_a_damaged_source_leaves_no_cache(root: Path, cache: Path, write_idx: Write):
    files = write_idx(root)
    (root / files.test_images).write_bytes(b"")
    with pytest.raises(DataError):
        build(root)
    assert not cache.exists()


def test_mnist_comes_from_the_cache_in_well_under_a_second(data_root: Path):
    build(data_root)
    start = time.process_time()
    build(data_root)
    assert time.process_time() - start < 0.5
