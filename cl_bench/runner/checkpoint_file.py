"""The file of a checkpoint: a mark, the SHA-256 of the rest, and what torch.save makes of plain values.

It is read with weights_only, which runs nobody's code, and takes no more memory than it has bytes.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cl_bench.records.atomic import check_regular, write_whole
from cl_bench.records.tensor_files import check_claims

MAGIC = b"cl_bench checkpoint 1\n"
DEEPEST = 100  # of lists and dictionaries within each other; ours have some ten


class CheckpointError(ValueError):
    """A checkpoint is damaged, or not of this run."""


def write(path: Path, content: dict[str, Any]) -> None:
    """Put plain values into a file, whole."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    path.parent.mkdir(exist_ok=True)
    write_whole(path, MAGIC + hashlib.sha256(payload).digest() + payload)


def read(path: Path) -> dict[str, Any]:
    """Read the plain values of a file.

    Raises:
        CheckpointError: for a file that is cut short, changed, or holds anything but plain values.
        OSError: where it cannot be read.
    """
    payload = _payload(path)
    try:
        check_claims(io.BytesIO(payload))
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the reader meets in a file that somebody made
        raise CheckpointError(f"a checkpoint must hold plain values, got {path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"a checkpoint must hold a dictionary, got {path}")
    _check_size(content, path, most=len(payload))
    return content


def _payload(path: Path) -> bytes:
    """Read what follows the hash, once it is known to be as it was written."""
    check_regular(path, path.stat())
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + 32)
        if head[: len(MAGIC)] != MAGIC or hashlib.file_digest(file, "sha256").digest() != head[len(MAGIC) :]:
            raise CheckpointError(f"a checkpoint must be as it was written, got a damaged {path}")
        file.seek(len(head))
        return file.read()


def _check_size(content: Any, path: Path, *, most: int) -> None:
    """Check that values are no larger than their file: one tensor or list in it can stand for many."""
    left, num_values, num_bytes = [(content, 0)], 0, 0
    while left:
        value, depth = left.pop()
        num_values += 1
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
                raise CheckpointError(f"a checkpoint must hold plain tensors, got {path}")
            num_bytes += value.numel() * value.element_size()
        elif isinstance(value, dict | list | tuple | set):
            parts = value.values() if isinstance(value, dict) else value
            left += [(part, depth + 1) for part in parts]
        if num_bytes > 2 * most or num_values > most or len(left) > most or depth > DEEPEST:
            raise CheckpointError(f"a checkpoint must hold as much as its file has bytes, got {path}")
