"""The tensor cache: a source is decoded once; later runs map the saved tensors into memory."""

import hashlib
import json
import logging
import os
import stat
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path

import torch

from cl_bench.data.image_data import DataError, ImageData, checked, one_line, reading
from cl_bench.data.locate import Source, cache_folder
from cl_bench.records.same_files import stamp
from cl_bench.records.tensor_files import check_claims, check_dense

log = logging.getLogger(__name__)

FORMAT = 1  # of the saved file; a higher number makes every older file unused
TRAIN = ("train_images", "train_labels")
TENSORS = (*TRAIN, "test_images", "test_labels")


def stored(source: Source, *, with_test: bool = True) -> ImageData:
    """Return the data set of `source`: from the cache where it was read before, else read, checked and saved.

    Without `with_test` the saved test images are not read and none are returned. A source that was never read
    before is saved as a whole all the same.

    The cache is a convenience. A damaged file is rebuilt, and an unwritable folder is done without, each with
    a warning. Raises DataError if the source itself is damaged.
    """
    path = cache_folder() / "tensors" / f"{source.name}-{fingerprint(source)}.pt"
    saved = _load(path, with_test=with_test)
    data = saved
    if data is None:
        data = checked(source.read())
        _save(data, path)
    data = data._replace(files=source.files)
    return data if with_test else data.without_test()


def fingerprint(source: Source) -> str:
    """Hash what the tensors depend on: the files' absolute paths and contents, and the reader."""
    try:
        contents = stamp(source.files)
    except OSError as error:
        with reading(error.filename or source.name):
            raise
    about = json.dumps([FORMAT, source.name, source.reader, contents])
    return hashlib.sha256(about.encode()).hexdigest()[:20]


def _load(path: Path, *, with_test: bool) -> ImageData | None:
    """Map what was saved at `path` into memory (writes stay private); None if there is nothing whole."""
    try:
        if not path.exists():
            return None
        _check_claims(path)
        saved = torch.load(path, weights_only=True, mmap=True)
        check_dense(saved[name] for name in TENSORS)
        checksums = saved.pop("checksums")
        texts = {name: tuple(saved.get(name, ())) for name in ("class_names", "notes")}
        if not all(isinstance(text, str) for text in (*texts["class_names"], *texts["notes"])):
            raise DataError("its class names and notes must be texts, got others")
        data = ImageData(**{**saved, **texts, "channels_last": False})
        if not with_test:
            data = data.without_test()
        checked(data, with_test=with_test)
        # Mapping skips the archive's own checksums.
        read = TENSORS if with_test else TRAIN
        if {name: checksums[name] for name in read} != _checksums(data, read):
            raise DataError("its images and labels have other checksums than when they were saved")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except Exception as error:  # torch.load raises many kinds on a damaged file
        log.warning("the cache file %s is damaged and is made anew: %s", path, one_line(error))
        return None
    return data


def _check_claims(path: Path) -> None:
    """Check the file before torch maps it: torch would wait for a pipe."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError("it is no regular file")
    check_claims(path)


def _save(data: ImageData, path: Path) -> None:
    """Write all of `data` at `path` or nothing; warn, and raise no error, where that is impossible."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    content = {
        **{name: value for name, value in data._asdict().items() if name != "files"},
        "class_names": list(data.class_names),
        "notes": list(data.notes),
        "checksums": _checksums(data, TENSORS),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch.save raises RuntimeError when the disk is full
        log.warning(
            "cannot write the cache file %s, so the data are read anew each time: %s", path, one_line(error)
        )


def _checksums(data: ImageData, names: Iterable[str]) -> dict[str, int]:
    return {name: zlib.crc32(getattr(data, name).contiguous().numpy()) for name in names}
