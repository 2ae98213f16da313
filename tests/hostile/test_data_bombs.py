"""Data of a stranger, and files that changed unseen: each costs seconds, little memory, and is named."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.data import DataError, ImageData, archives, cifar10, decode, image_folder, mnist
from cl_bench.data.accepted import accepted
from cl_bench.data.cifar import CIFAR10_BATCHES
from cl_bench.same_files import stamp
from cl_bench.tensor_files import TensorFileError, check_claims, check_dense

SECONDS = 20  # on a busy machine
BYTES = 2**29


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    return tmp_path / "cache"


@contextmanager
def cheap() -> Iterator[None]:
    """Fail where this takes long, or as much more memory than before as no image here needs."""
    import resource

    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - start < SECONDS
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < BYTES


def png(mode: str = "RGB", side: int = 4, value: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side), value).save(buffer, "PNG")
    return buffer.getvalue()


def claims(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes whose header says any size, with a beginning of its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def tree(folder: Path, **more: bytes) -> Path:
    """Two classes of one image in each part, and more files, `__` in their names for `/`."""
    for part in ("train", "test"):
        for name in "ab":
            (folder / part / name).mkdir(parents=True)
            (folder / part / name / "0.png").write_bytes(png())
    for name, content in more.items():
        (folder / name.replace("__", "/")).write_bytes(content)
    return folder


IMAGES = {f"{part}/{name}/0.png": png() for part in ("train", "test") for name in "ab"}


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type = size, kind
    return found


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """What a tar says of a file; sizes beyond 8 GiB, and negative ones, in base 256."""
    return member(name, size, kind).tobuf(tarfile.GNU_FORMAT)


def packed(path: Path, *before: bytes, files: dict[str, bytes] | None = None, end: bool = True) -> Path:
    """An archive of parts as they are, then of files."""
    opened = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}.get(path.suffix, open)
    with opened(path, "wb") as file:  # type: ignore[operator]
        for part in before:
            file.write(part)
        for name, content in (IMAGES if files is None else files).items():
            file.write(header(name, len(content)) + content + bytes(-len(content) % 512))
        file.write(bytes(1024) if end else b"")
    return path


def read(path: Path) -> ImageData:
    return image_folder(path=str(path), root=None)


# Archives

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
        ([header("x", 65000, tarfile.XHDTYPE), b"1" * 65000 + bytes(-65000 % 512)], "headers of names"),
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


def test_half_a_million_members_cost_no_memory(tmp_path: Path):
    path = packed(tmp_path / "x.tar.gz", header("a", 0) * 2**17)
    with cheap():
        assert sum(1 for _ in archives.plain_files(path)) == 2**17 + 4
    with cheap(), pytest.raises(DataError, match=r"at most 131,072 members"):
        list(archives.plain_files(path, most_members=2**17))


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


# Images


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize(
    ("width", "height"), [(2**15, 2**15), (2**30, 2**30), (2**31 - 1, 1), (10_000, 10_000)]
)
@pytest.mark.parametrize("place", ["train__a__0.png", "train__a__1.png", "test__b__9.png"])
def test_an_image_that_claims_too_many_pixels_is_never_decoded(
    tmp_path: Path, size: int | None, width: int, height: int, place: str
):
    path = tree(tmp_path / "x", **{place: claims(width, height)})
    with cheap(), pytest.raises(DataError, match=place.replace("__", "/")):
        image_folder(path=str(path), root=None, size=size)


def test_many_images_that_are_large_together_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(decode, "ANY_PIXELS", 10 * 2**20)
    huge = png("L", side=1024)  # a million pixels in a thousand bytes
    path = tree(tmp_path / "x", **{f"train__a__{index:03}.png": huge for index in range(100)})
    with cheap(), pytest.raises(DataError, match=r"those before it must have at most .* pixels"):
        image_folder(path=str(path), root=None, size=8)


def test_many_photographs_are_no_bomb(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(decode, "ANY_PIXELS", 1000)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=60)
    path = tree(tmp_path / "x", **{f"train__a__{index}.jpg": buffer.getvalue() for index in range(20)})
    assert len(image_folder(path=str(path), root=None, size=8).train_labels) == 22


@pytest.mark.parametrize("kind", ["pipe", "device", "endless", "folder", "to a pipe"])
def test_what_is_no_file_in_a_class_folder_is_left_out_and_told(tmp_path: Path, kind: str):
    path = tree(tmp_path / "x")
    place = path / "train" / "a" / "1.png"
    os.mkfifo(tmp_path / "pipe")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to({"device": "/dev/zero", "endless": "/dev/urandom"}.get(kind, str(tmp_path / "pipe")))
    with cheap():
        found = read(path)
    assert len(found.train_labels) == 2
    if kind != "folder":
        assert any("no plain file (train/a/1.png)" in note for note in found.notes)


def test_an_image_file_without_end_is_refused(tmp_path: Path):
    path = tree(tmp_path / "x")
    with (path / "train" / "a" / "1.png").open("wb") as file:
        file.truncate(2**31 + 1)  # so that not even its hash is made
    with cheap(), pytest.raises(DataError, match=r"1\.png .*at most"):
        read(path)


def test_sixteen_bits_become_eight_as_before(tmp_path: Path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for part in ("train", "test"):
        (tmp_path / "x" / part / "a").mkdir(parents=True)
        Image.fromarray(values).save(tmp_path / "x" / part / "a" / "0.png")
    found = read(tmp_path / "x").train_images[0, 0].numpy()
    assert np.array_equal(found, np.rint(values.astype(np.float64) / 257).astype(np.uint8))


# MNIST's files


@pytest.mark.parametrize("counts", [(2**32 - 1, 28, 28), (0, 28, 28), (60_000, 2**16, 2**16), (2**27, 1, 1)])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_an_idx_header_that_claims_anything_is_named(tmp_path: Path, counts: tuple[int, ...], ending: str):
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", *counts) + bytes(2**20)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                 "t10k-labels-idx1-ubyte"):  # fmt: skip
        (tmp_path / f"{name}{ending}").write_bytes(gzip.compress(content) if ending else content)
    with cheap(), pytest.raises(DataError, match="train-images-idx3-ubyte"):
        mnist(root=str(tmp_path), download=False)


def test_pipes_in_place_of_data_are_not_waited_for(tmp_path: Path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", CIFAR10_BATCHES.archive, "x.tar"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "cifar10").mkdir()
    os.mkfifo(tmp_path / "cifar10" / "y.tar.xz")
    for build in (mnist, cifar10):
        with cheap(), pytest.raises(DataError):
            build(root=str(tmp_path), download=False)
    with cheap(), pytest.raises(DataError):
        read(tmp_path / "x.tar")


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        [10**400, 0],
        [-(10**400), 0],
        [2**63, 0],
        [2**64 - 1, 0],
        [float("inf"), 0],
        [1e300, 0],
        ["x" * 10**6, "a"],
    ],
    ids=["10^400", "-10^400", "2^63", "2^64", "inf", "1e300", "long"],
)
def test_labels_beyond_numbers_are_named(labels: list[object]):
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    data = ImageData("mine", images, labels, images, [0, 1], ("a", "b"), "memory")  # type: ignore[arg-type]
    with cheap(), pytest.raises(DataError, match="train_labels of mine"):
        accepted(data, by="mine")


# The cache


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
    assert "rebuilding the damaged cache file" in caplog.text


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
    monkeypatch.setattr("cl_bench.same_files.HASHED", 10)
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


def test_a_killed_run_goes_on_only_with_the_same_data(tmp_path: Path):
    """Of the same size and time, too: otherwise half of it would be of one data set and half of another."""
    root = tmp_path / "pictures"
    for part in ("train", "test"):
        for label in range(4):
            (root / part / str(label)).mkdir(parents=True)
            for index in range(4):
                content = png("L", side=8, value=60 * label + index).ljust(100, b"\0")
                (root / part / str(label) / f"{index}.png").write_bytes(content)
    command = [
        *(sys.executable, "-m", "cl_bench", "run", "benchmark=split", "benchmark/dataset=image_folder"),
        *(f"benchmark.dataset.path={root}", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[4]"),
        *(f"results_dir={tmp_path / 'results'}", "study=s", "strategy=finetune"),
    ]
    stop = "import sys; from cl_bench.running.checkpoints import Checkpoints as C; import os\n"
    stop += "from cl_bench.cli import main\nold = C.after_task\n"
    stop += "def after(self, task): old(self, task); task == 1 and os._exit(9)\n"
    stop += "C.after_task = after; sys.exit(main(sys.argv[1:]))"

    def log() -> str:
        (path,) = (tmp_path / "results" / "s").glob("split*/run.log")
        return path.read_text()

    def killed() -> None:
        done = subprocess.run([sys.executable, "-c", stop, *command[3:]], check=False, capture_output=True)
        assert done.returncode == 9, done.stderr.decode()

    killed()
    subprocess.run(command, check=True, capture_output=True)
    assert "the run goes on after task 1" in log()

    for each in (tmp_path / "results" / "s").glob("split*"):
        subprocess.run(["rm", "-r", str(each)], check=True)
    killed()
    file = root / "train" / "3" / "0.png"
    about = file.stat()
    file.write_bytes(png("L", side=8, value=7).ljust(100, b"\0"))
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert file.stat().st_size == about.st_size
    done = subprocess.run(command, check=True, capture_output=True)
    assert "the run goes on" not in log()
    assert b"left aside" in done.stderr
