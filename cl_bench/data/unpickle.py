"""Read the pickles of the CIFAR batches (lists, strings, numbers, arrays) and run nothing else."""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

NUMBERS = ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")  # kinds that an array may have


def unpickle(content: bytes) -> Any:
    """Return the value of a pickle by Python 2 or 3 (Python 2 strings read as latin-1).

    Raises pickle.UnpicklingError for a damaged pickle and for one that names anything but numpy's arrays.
    """
    try:
        for _ in pickletools.genops(content):  # the machine makes room for all bytes that a length claims
            pass
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # the pickle machine raises any kind on a damaged pickle
        raise pickle.UnpicklingError(f"a damaged pickle ({type(error).__name__}: {error})") from error


class _Array(np.ndarray):
    """An array pickled by numpy.

    Its state is checked: numpy's own `__setstate__` believes all it is given, and a damaged one ends the
    process.
    """

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if not (isinstance(dtype, _Dtype) and isinstance(content, bytes | str)):
            raise pickle.UnpicklingError("an array that is not of numbers")
        content = content.encode("latin1") if isinstance(content, str) else content
        if math.prod(shape) * dtype.found.itemsize != len(content) or min(shape, default=0) < 0:
            raise pickle.UnpicklingError(f"an array of shape {shape} from {len(content)} bytes")
        sizes = tuple(map(int, shape))
        super().__setstate__((1, sizes, dtype.found, bool(fortran), content))  # type: ignore[arg-type]


class _Dtype:
    """A stand-in for numpy.dtype as array pickles use it: a kind of number, then its byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in NUMBERS:
            raise pickle.UnpicklingError(f"an array of {code!r}")
        self.found = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"an array of byte order {order!r}")
        self.found = self.found.newbyteorder(order)


def _only_named(*_: Any) -> NoReturn:
    """Stand for numpy.ndarray, which array pickles name but never call: a call could allocate anything."""
    raise pickle.UnpicklingError("a pickle that calls numpy.ndarray")


def _empty_array(*_: Any) -> np.ndarray:
    """Stand for numpy's _reconstruct as array pickles use it: an empty array, which the next step fills."""
    return _Array((0,), dtype=np.uint8)


def _encode(text: str, encoding: str) -> bytes:
    """Stand for codecs.encode as protocol 2 uses it, for bytes written as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"a pickle that encodes text as {encoding!r}")
    return text.encode("latin1")


def _from_buffer(buffer: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """Stand for numpy's _frombuffer, as protocol 5 uses it."""
    return np.frombuffer(buffer, dtype=dtype.found).reshape(shape, order="F" if order == "F" else "C")


class _Named:
    """What a pickle gets for a name: it can be called, and no pickle can change it for the next one."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


# numpy 2 renamed numpy.core to numpy._core; pickles carry the name of their time.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _only_named,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty_array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _Named(_ALLOWED[module, name])
        except KeyError:
            raise pickle.UnpicklingError(f"a pickle that asks for {module}.{name}") from None
