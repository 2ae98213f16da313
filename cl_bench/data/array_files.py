"""Files of named arrays: .npz, .safetensors, or a folder of .npy files. No pickle is ever loaded.

A file may claim anything. What its parts unpack to is bounded, and compared with the shapes that they claim,
before an array is made of them.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from cl_bench.data.archives import ANY_SIZE, MOST_RATIO
from cl_bench.data.image_data import DataError, one_line, reading
from cl_bench.data.locate import is_file, is_folder
from cl_bench.data.memory import check_fits
from cl_bench.records.same_files import open_regular

KINDS = (".npz", ".safetensors", ".npy")  # the last in a folder
MOST_HEADER = 2**20  # bytes of an .npy header; honest ones have 128


class ArrayFile(NamedTuple):
    """Arrays by name, none of them read yet."""

    path: Path
    files: tuple[str, ...]
    names: tuple[str, ...]
    about: Mapping[str, str]  # texts that a .safetensors file has beside its arrays

    def read(self, name: str) -> Any:
        """Read one array.

        Raises:
            DataError: for a damaged file, for one of Python objects, and for one larger than the memory.
        """
        with _reading(self.path):
            if self.path.suffix.lower() == ".safetensors":
                return _read_safetensors(self.path, name)
            if is_folder(self.path):
                file = self.path / f"{name}.npy"
                with open_regular(file) as stream:
                    return _read_npy(stream, size=file.stat().st_size, what=str(file))
            return _read_npz(self.path, name)


def array_file(path: Path) -> ArrayFile:
    """Look at a file or folder: which arrays it has.

    Raises:
        DataError: for another kind of file, or one that cannot be read.
    """
    kind = path.suffix.lower()
    with _reading(path):
        if is_folder(path):
            found = sorted(each for each in path.iterdir() if each.suffix == ".npy" and is_file(each))
            return ArrayFile(path, tuple(map(str, found)), tuple(each.stem for each in found), {})
        file = partial(ArrayFile, path, (str(path),))
        if kind == ".npz":
            with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
                parts = [Path(part) for part in archive.namelist()]
                return file(tuple(part.stem for part in parts if part.suffix == ".npy"), {})
        if kind == ".safetensors":
            with _safetensors(path) as tensors:
                return file(tuple(tensors.keys()), tensors.metadata() or {})
    advice = "save the arrays with numpy.savez"
    if kind in (".pt", ".pth", ".pkl", ".pickle"):
        advice = f"a {kind} file can run code when it is read; {advice} or safetensors.torch.save_file"
    raise DataError(
        f"path must be an .npz or .safetensors file, or a folder of .npy files, got {path}; {advice}"
    )


def _read_npz(path: Path, name: str) -> np.ndarray:
    with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        part = archive.getinfo(f"{name}.npy")
        most = max(ANY_SIZE, MOST_RATIO * path.stat().st_size)
        if part.file_size > most:
            raise DataError(
                f"{path} must unpack to at most {most:,} bytes ({MOST_RATIO} times what it has, or 1 GiB), "
                f"got {part.file_size:,} in {name}; save it with numpy.savez, uncompressed"
            )
        with archive.open(part) as unpacked:
            return _read_npy(cast(BinaryIO, unpacked), size=part.file_size, what=f"{name} of {path}")


def _read_npy(stream: BinaryIO, *, size: int, what: str) -> np.ndarray:
    """Read an .npy stream of `size` bytes, of which no more may be claimed."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = header(stream, max_header_size=MOST_HEADER)
    if dtype.hasobject or dtype.names:
        raise DataError(
            f"{what} must be an array of numbers or names, got {dtype}: Python objects are never loaded; "
            "give it a type, such as x.astype('float32') or names.astype(str)"
        )
    num_bytes, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if min(shape, default=0) < 0 or num_bytes != there:
        raise DataError(
            f"{what} must have the {num_bytes:,} bytes of {list(shape)} {dtype}, got {there:,}; replace it "
            "by a whole copy"
        )
    check_fits(num_bytes, what=what, remedy="give fewer examples")
    content = bytearray(num_bytes)
    view = memoryview(content)
    while view:
        count = stream.readinto(view)  # type: ignore[attr-defined]  # both kinds of stream have it
        if not count:
            raise EOFError(f"{what} ends too early")
        view = view[count:]
    array = np.frombuffer(content, dtype=dtype)
    return array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)


def _read_safetensors(path: Path, name: str) -> Any:
    with _safetensors(path) as tensors:
        return tensors.get_tensor(name)


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    from safetensors import safe_open

    open_regular(path).close()  # its own reader would wait for a pipe
    with safe_open(path, framework="pt") as tensors:
        yield tensors


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into a DataError that names it."""
    from safetensors import SafetensorError

    with reading(path):
        try:
            yield
        except DataError:
            raise
        except (
            zipfile.BadZipFile,
            KeyError,
            ValueError,
            RuntimeError,  # an archive with a password
            NotImplementedError,  # a compression that Python has not
            SafetensorError,
        ) as error:
            raise DataError(
                f"{path} must be a whole file of arrays, got {one_line(error)}; replace it by a whole copy"
            ) from error
