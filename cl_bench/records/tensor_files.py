"""Files that torch.save wrote, or somebody else did: what they claim is checked before torch believes it."""

import pickletools
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

MOST_PICKLE = 2**24  # bytes of the part that is no tensor
# all that plain values and tensors are made of; torch would also call what makes room for any number of bytes
NAMES = re.compile(
    r"collections OrderedDict|torch \w+Storage|torch Size|torch (float|bfloat|u?int)\d+|torch bool|"
    r"torch\._utils (_rebuild_tensor_v2|_rebuild_parameter)|(builtins|__builtin__) (set|complex)|"
    r"_codecs encode|torch device"
)


class TensorFileError(ValueError):
    """A file of tensors that holds something else, or claims more than it has."""


def check_claims(file: Path | BinaryIO) -> None:
    """Refuse a file that could make torch.load(weights_only=True) take more memory than the file has bytes.

    Raises:
        TensorFileError: for a compressed part, or a name that no plain value has.
        OSError: where it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            packed = [part for part in parts if part.compress_type != zipfile.ZIP_STORED]
            if packed or any(part.file_size != part.compress_size for part in parts):
                raise TensorFileError("its parts must be stored as they are, got a compressed one")
            pickles = [part for part in parts if part.filename.endswith("data.pkl")]
            if len(pickles) != 1 or pickles[0].file_size > MOST_PICKLE:
                raise TensorFileError(f"it must have one pickle, of at most {MOST_PICKLE:,} bytes")
            content = archive.read(pickles[0])
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise TensorFileError(f"it is no file of tensors: {error}") from error
    _check_names(content)


def _check_names(content: bytes) -> None:
    try:
        for opcode, argument, _ in pickletools.genops(content):
            by_stack = opcode.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")
            if by_stack or (opcode.name == "GLOBAL" and not NAMES.fullmatch(str(argument))):
                raise TensorFileError(f"it must hold plain values and tensors, got {str(argument)[:80]!r}")
    except TensorFileError:
        raise
    except Exception as error:  # a damaged pickle raises any kind
        raise TensorFileError(f"it is no file of tensors: {error}") from error


def check_dense(tensors: Iterable[Any]) -> None:
    """Refuse a tensor that says one value many times over: it takes no memory until it is used.

    Raises:
        TensorFileError: that says its shape.
    """
    for tensor in tensors:
        if tensor.is_sparse or tensor.is_quantized or not tensor.is_contiguous():
            raise TensorFileError(f"a tensor must have all its values, got one of {list(tensor.shape)}")
