"""Plain values, such as a checkpoint holds, as tensors by name and a text that says how they belong together.

A tensor of -1 and +1 alone is one bit a number: `packed` in the text has its shape and type.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cl_bench.learner.packing import NAMED

# in the text: a tensor's name; what JSON does not know
TENSOR, TUPLE, PAIRS = "tensor", "tuple", "pairs"
DEEPEST = 50  # of lists and mappings in each other; ours have some ten
FEWEST = 64  # numbers of a tensor that is packed


def taken_apart(value: Any, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """The text of a value, for JSON, and its tensors by dotted name.

    Args:
        value: as `learner.packing.pack` gives it.
    """
    tensors: dict[str, Tensor] = {}
    return _told(value, name, tensors), tensors


def put_together(told: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value that was taken apart.

    Raises:
        ValueError: for a text that `taken_apart` has not made, or tensors that are not there.
    """
    try:
        return _value(told, tensors, 0)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its text does not fit its tensors: {error!r}"[:200]) from error


def _told(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[name] = value.contiguous()
        return {TENSOR: name}
    if isinstance(value, list | tuple):
        parts = [_told(part, f"{name}.{index}", tensors) for index, part in enumerate(value)]
        return parts if isinstance(value, list) else {TUPLE: parts}
    if isinstance(value, dict) and NAMED in value:
        parts = [
            _told(part, f"{name}.{field}", tensors)
            for field, part in zip(_fields(value), value["values"], strict=True)
        ]
        return {NAMED: value[NAMED], "values": parts}
    if isinstance(value, dict):
        before = f"{name}." if name else ""
        return {PAIRS: [[key, _told(part, f"{before}{key}", tensors)] for key, part in value.items()]}
    return value


def _fields(packed: Mapping[str, Any]) -> list[str]:
    """The names of a NamedTuple's fields; their numbers, where its class is not known here."""
    module, _, name = packed[NAMED].partition(":")
    kind: Any = sys.modules.get(module)
    for part in name.split("."):
        kind = getattr(kind, part, None)
    return list(getattr(kind, "_fields", None) or map(str, range(len(packed["values"]))))


def _value(told: Any, tensors: Mapping[str, Tensor], depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"its text must be nested at most {DEEPEST} deep")
    if isinstance(told, list):
        return [_value(part, tensors, depth + 1) for part in told]
    if not isinstance(told, dict):
        return told
    if TENSOR in told:
        return tensors[told[TENSOR]]
    if NAMED in told:
        return {NAMED: str(told[NAMED]), "values": _value(told["values"], tensors, depth + 1)}
    if TUPLE in told:
        return tuple(_value(told[TUPLE], tensors, depth + 1))
    return {key: _value(part, tensors, depth + 1) for key, part in told[PAIRS]}


def as_bits(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, those of -1 and +1 alone as bytes of eight; and of these shape and type."""
    stored, packed = dict(tensors), {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel() >= FEWEST and bool((tensor.abs() == 1).all()):
            stored[name] = torch.from_numpy(np.packbits((tensor > 0).flatten().numpy()))
            packed[name] = {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
    return stored, packed


def from_bits(stored: Mapping[str, Tensor], packed: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors that `as_bits` was given.

    Raises:
        ValueError: where they claim more numbers than there are bits.
    """
    tensors = dict(stored)
    for name, about in packed.items():
        try:
            shape, dtype = [int(each) for each in about["shape"]], getattr(torch, about["dtype"])
            bits = np.unpackbits(stored[name].numpy())
            number = int(np.prod(shape, dtype=object))
            if not 0 <= number <= len(bits) or min(shape, default=0) < 0:
                raise ValueError(f"it has {len(bits)} bits for {number} numbers")
            values = torch.from_numpy(bits[:number]).to(torch.float32) * 2 - 1
            tensors[name] = values.to(dtype).reshape(shape)
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise ValueError(f"the bits of {str(name)[:100]!r} cannot be read: {error}"[:300]) from error
    return tensors
