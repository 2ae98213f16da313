"""Read the pickles of the CIFAR batches (lists, strings, numbers, arrays) and run nothing else."""

import io
import pickle
from typing import Any, NoReturn

import numpy as np


def unpickle(content: bytes) -> Any:
    """The value of a pickle by Python 2 or 3 (Python 2 strings read as latin-1).

    Raises pickle.UnpicklingError for a damaged pickle and for one that names anything but numpy's arrays.
    """
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # the pickle machine raises any kind on a damaged pickle
        raise pickle.UnpicklingError(f"a damaged pickle ({type(error).__name__}: {error})") from error


def _only_named(*_: Any) -> NoReturn:
    """Stands for numpy.ndarray, which array pickles name but never call: a call could allocate anything."""
    raise pickle.UnpicklingError("a pickle that calls numpy.ndarray")


def _empty_array(*_: Any) -> np.ndarray:
    """numpy's _reconstruct as array pickles use it: an empty array, which the next step fills."""
    return np.ndarray((0,), dtype=np.uint8)


def _encode(text: str, encoding: str) -> bytes:
    """codecs.encode as protocol 2 uses it, for bytes written as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"a pickle that encodes text as {encoding!r}")
    return text.encode("latin1")


def _from_buffer(
    buffer: bytes | bytearray, dtype: np.dtype, shape: tuple[int, ...], order: str
) -> np.ndarray:
    """numpy's _frombuffer, as protocol 5 uses it."""
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


# numpy 2 renamed numpy.core to numpy._core; pickles carry the name of their time.
_ALLOWED = {
    ("numpy", "ndarray"): _only_named,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty_array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a pickle that asks for {module}.{name}") from None
