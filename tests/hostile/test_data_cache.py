"""The cache of decoded images: what somebody put there, and files that changed unseen."""

import io
import os
import pickle
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile.bombs import IMAGES, cheap, packed, png, read, tree

from cl_bench.config.compose import compose
from cl_bench.records.same_files import stamp
from cl_bench.records.tensor_files import TensorFileError, check_claims, check_dense
from cl_bench.runner.checkpoints import Checkpoints
from cl_bench.runner.run import execute


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    return tmp_path / "cache"


def cached(root: Path, cache: Path) -> Path:
    read(root)
    (path,) = (cache / "tensors").iterdir()
    return path


def stride_zero(saved: dict) -> dict:
    """Nineteen gigabytes, once somebody looks."""
    large = torch.zeros(1, dtype=torch.uint8).expand(10**6, 3, 80, 80)
    labels = torch.zeros(1, dtype=torch.int64).expand(10**6)
    return saved | {"train_images": large, "train_labels": labels}


def transposed(saved: dict) -> dict:
    return saved | {"train_images": saved["train_images"].transpose(2, 3)[:, :, :, ::1]}


def sparse(saved: dict) -> dict:
    return saved | {
        "train_images": torch.sparse_coo_tensor(torch.zeros(4, 0), torch.zeros(0), (10**6, 3, 99, 99))
    }


class Room:
    """Pickled, it makes room for any number of bytes; torch allows it."""

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return bytearray, (10**10,)


def room(saved: dict) -> dict:
    return saved | {"notes": [Room()]}


def no_texts(saved: dict) -> dict:
    return saved | {"class_names": [["a"] * 1000] * 2}


@pytest.mark.parametrize(
    "spoil", [stride_zero, transposed, sparse, room, no_texts], ids=lambda each: each.__name__
)
def test_a_cache_file_that_claims_more_than_it_has_is_made_anew(
    tmp_path: Path, cache: Path, spoil: Callable[[dict], dict], caplog: pytest.LogCaptureFixture
):
    path = cached(tree(tmp_path / "x"), cache)
    torch.save(spoil(torch.load(path)), path)
    with cheap():
        found = read(tmp_path / "x")
    assert found.train_images.shape == (2, 3, 4, 4)
    assert "is damaged and is made anew" in caplog.text


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "compressed"])
def test_a_cache_file_of_another_kind_is_made_anew_or_done_without(tmp_path: Path, cache: Path, kind: str):
    path = cached(tree(tmp_path / "x"), cache)
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with (
            zipfile.ZipFile(io.BytesIO(content)) as old,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                new.writestr(name, old.read(name))
    with cheap():
        assert read(tmp_path / "x").train_images.shape == (2, 3, 4, 4)


def saved(value: object) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer


@pytest.mark.parametrize("value", [Room(), {"a": [Room()]}, os.system, np.zeros(3), OrderedDict(a=Room())])
def test_files_of_tensors_have_plain_values_alone(value: object):
    with cheap(), pytest.raises(TensorFileError):
        check_claims(saved(value))


def test_plain_values_are_let_through():
    kept = {
        "a": torch.zeros(3),
        "b": torch.nn.Parameter(torch.ones(2, dtype=torch.float64)),
        "c": [1, 2.0, "x", None],
    }
    kept |= {
        "d": OrderedDict(x=(True, {1, 2})),
        "e": torch.float32,
        "f": torch.Size([1]),
        "g": b"bytes",
        "h": 1j,
    }
    kept |= {"i": torch.zeros(2, dtype=torch.bfloat16), "j": torch.Generator().get_state()}
    check_claims(saved(kept))
    check_dense([kept["a"], kept["b"]])


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04" + b"x" * 100, pickle.dumps([1])])
def test_what_is_no_file_of_tensors_is_an_error_of_its_own(content: bytes):
    with pytest.raises(TensorFileError):
        check_claims(io.BytesIO(content))


# Files that changed


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_the_cache_knows_a_file_of_the_same_size_and_time(tmp_path: Path, form: str):
    path = tree(tmp_path / "x")
    if form == "tar":
        path = packed(tmp_path / "x.tar")
    file = path if form == "tar" else path / "train" / "a" / "0.png"
    white = png(value=0xFFFFFF)
    if form == "tar":
        packed(tmp_path / "y.tar", files={**IMAGES, "train/a/0.png": white})
        other = (tmp_path / "y.tar").read_bytes()
    else:
        file.write_bytes(png().ljust(200, b"\0"))
        other = white.ljust(200, b"\0")
    first, about = read(path), file.stat()
    file.write_bytes(other)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (about.st_size, about.st_mtime_ns)
    second = read(path)
    assert not torch.equal(first.train_images, second.train_images)
    assert second.train_images[0].max() == 255


def test_files_beyond_what_is_hashed_are_known_by_what_no_program_sets(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("cl_bench.records.same_files.HASHED", 10)
    file = tmp_path / "large"
    file.write_bytes(b"a" * 100)
    about, before = file.stat(), stamp([str(file)])
    assert stamp([str(file)]) == before
    time.sleep(0.02)  # a tick of the file system's clock
    file.write_bytes(b"b" * 100)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert stamp([str(file)]) != before


def test_a_stamp_waits_for_no_pipe(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular"):
        stamp([str(tmp_path / "pipe")])


def test_a_killed_run_goes_on_only_with_the_same_data(
    tmp_path: Path, process_as_before: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Of the same size and time, too: otherwise half of it would be of one data set and half of another."""
    root = tmp_path / "pictures"
    for part in ("train", "test"):
        for label in range(4):
            (root / part / str(label)).mkdir(parents=True)
            for index in range(4):
                content = png("L", side=8, value=60 * label + index).ljust(100, b"\0")
                (root / part / str(label) / f"{index}.png").write_bytes(content)
    settings = ["benchmark=split", "benchmark/dataset=image_folder", f"benchmark.dataset.path={root}"]
    settings += ["benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[4]", f"results_dir={tmp_path}"]
    caplog.set_level("INFO")
    after_task = Checkpoints.after_task

    def stopped(checkpoints: Checkpoints, task: int) -> None:
        after_task(checkpoints, task)
        if task == 1:
            raise KeyboardInterrupt

    def stop_and_go_on(change: bool, seed: int) -> str:
        """What is said by a run that was stopped after its first task."""
        config = compose([*settings, f"seed={seed}"])
        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "after_task", stopped)
            with pytest.raises(KeyboardInterrupt):
                execute(config)
        file = root / "train" / "3" / "0.png"
        about = file.stat()
        if change:
            file.write_bytes(png("L", side=8, value=7).ljust(100, b"\0"))
            os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (about.st_size, about.st_mtime_ns)
        caplog.clear()
        execute(config)
        return caplog.text

    assert "the run goes on after task 1" in stop_and_go_on(change=False, seed=0)
    said = stop_and_go_on(change=True, seed=1)
    assert "left aside" in said
    assert "the run goes on" not in said
