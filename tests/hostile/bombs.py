"""Archives and images that claim what they like, and a check that they cost little."""

import bz2
import gzip
import io
import lzma
import resource
import struct
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from cl_bench.data import ImageData, image_folder

SECONDS = 20  # on a busy machine
BYTES = 2**29


@contextmanager
def cheap() -> Iterator[None]:
    """Fail where this takes long, or as much more memory than before as no image here needs."""
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
