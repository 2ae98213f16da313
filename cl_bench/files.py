"""Files that are there whole, or as they were, and what is in them."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"


def write_whole(path: Path, content: str | bytes) -> Path:
    """Put `content` at `path`, on disk when this returns; where that cannot be done the old file stays.

    Raises:
        OSError: that names the file.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        return _written(path, data)
    except OSError as error:
        reason = f"cannot write the file, what was there before is intact: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from error


def _written(path: Path, data: bytes) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=UNFINISHED)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's files are the owner's alone
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def unfinished(folder: Path) -> list[Path]:
    """What processes have left there that were killed while they wrote a file."""
    return list(folder.glob(f".*{UNFINISHED}"))


def read_json(path: Path) -> Any:
    """What a JSON file holds. OSError or ValueError where it cannot be read, or is nested without an end."""
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
