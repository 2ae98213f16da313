"""Where data sets are looked for, and what a download leaves behind when it fails."""

import subprocess
import sys
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision

from cl_bench.data import DataError, cifar10, cifar100, image_folder, mnist
from cl_bench.data.cifar import CIFAR100_BATCHES, Batches
from cl_bench.data.idx_sets import IdxFiles
from cl_bench.data.locate import cache_folder, places

WriteIdx = Callable[[Path], IdxFiles]


def left_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_order_is_root_then_environment_then_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "environment"))
    assert places(str(tmp_path / "root")) == (tmp_path / "root", tmp_path / "environment", cache)
    assert places(None) == (tmp_path / "environment", cache)
    assert places(str(tmp_path / "environment")) == (tmp_path / "environment", cache)


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CL_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    assert cache_folder() == tmp_path / "users" / "cl_bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "cl_bench"


@pytest.mark.parametrize("where", ["environment", "cache"])
def test_a_data_set_that_is_not_in_root_is_found_in_the_next_place(
    tmp_path: Path, root: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch, where: str
):
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "environment"))
    write_idx(tmp_path / where / "mnist")
    assert len(mnist(root=str(root), download=False).train_images) == 20
    assert len(mnist(root=str(root / "missing"), download=False).train_images) == 20
    assert len(mnist(root=None, download=False).train_images) == 20


def test_a_part_of_a_data_set_in_root_does_not_hide_the_whole_in_the_next_place(
    tmp_path: Path, root: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "environment"))
    write_idx(tmp_path / "environment")
    files = write_idx(root)
    (root / files.test_labels).unlink()
    assert len(mnist(root=str(root), download=False).train_images) == 20


@pytest.mark.parametrize("builder", [mnist, cifar10, cifar100])
def test_a_missing_data_set_lists_the_places_and_what_to_put_there(
    root: Path, cache: Path, builder: Callable
):
    with pytest.raises(DataError) as caught:
        builder(root=str(root), download=False)
    message = str(caught.value)
    assert f"nothing of it is in {root}, {cache}; put " in message
    assert "\n" not in message
    assert not cache.exists()


def test_a_missing_image_folder_is_a_data_error(root: Path):
    with pytest.raises(
        DataError, match=f"nothing of it is in {root}.*; put mine into one of them, or correct path"
    ):
        image_folder(path="mine", root=str(root))
    with pytest.raises(
        DataError, match="path must be a folder or archive that exists, got /nowhere/mine; correct"
    ):
        image_folder(path="/nowhere/mine", root=str(root))


@pytest.mark.parametrize("builder", [mnist, cifar10, cifar100])
def test_a_download_without_a_network_is_one_line_and_leaves_nothing(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, builder: Callable
):
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network\nhere")

    monkeypatch.setattr("torchvision.datasets.utils.urllib.request.urlopen", unreachable)
    with pytest.raises(DataError) as caught:
        builder(root=str(root), download=True)
    assert "no network here" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def fake_download(batches: Batches, write: Callable[..., Batches], *, fail: bool) -> Callable[..., None]:
    """Stands for torchvision.datasets.CIFAR100: writes the files and the archive, or fails half-way."""

    def download(root: str, download: bool) -> None:
        assert download
        (Path(root) / batches.archive).write_bytes(b"the archive")
        write(batches, Path(root))
        if fail:
            (Path(root) / batches.folder / "test").unlink()
            raise RuntimeError("File not found or corrupted.")

    return download


def test_a_download_moves_in_only_the_files_that_are_read(
    root: Path, cache: Path, write_batches: Callable[..., Batches], monkeypatch: pytest.MonkeyPatch
):
    fetch = fake_download(CIFAR100_BATCHES, write_batches, fail=False)
    # The builder looks its table up before the download writes the files that the table describes.
    small = write_batches(CIFAR100_BATCHES, root / "elsewhere")
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", fetch)
    data = cifar100(root=str(root), download=True)
    assert len(data.train_images) == 6
    files = [f"{small.folder}/{name}" for name in ("meta", "test", "train")]
    assert [name for name in left_in(cache) if not name.startswith("tensors/")] == files

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", None)  # a second download would fail
    assert len(cifar100(root=str(root), download=True).train_images) == 6


def test_a_download_that_breaks_off_leaves_nothing(
    root: Path, cache: Path, write_batches: Callable[..., Batches], monkeypatch: pytest.MonkeyPatch
):
    fetch = fake_download(CIFAR100_BATCHES, write_batches, fail=True)
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", fetch)
    with pytest.raises(DataError, match=r"not on disk either: File not found or corrupted\.; check"):
        cifar100(root=str(root), download=True)
    assert list(cache.iterdir()) == []


def test_importing_the_package_imports_neither_torchvision_nor_sklearn():
    code = "import sys, cl_bench.data; sys.exit(bool({'torchvision', 'sklearn'} & set(sys.modules)))"
    checkout = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True, timeout=60)
