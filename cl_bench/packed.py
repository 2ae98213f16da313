"""A binary network from a file of `cl-bench export`, computed by NumPy alone; this module may be copied."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

ONES = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)  # in each byte


def read(path: Any) -> tuple[list, dict[str, np.ndarray]]:
    """Read a file: the steps of the network, and their numbers by name."""
    with np.load(path) as file:
        numbers = {name: file[name] for name in file.files}
    return json.loads(numbers.pop("steps").tobytes()), numbers


def logits(network: tuple[list, dict[str, np.ndarray]], images: Any, task: int = 0) -> np.ndarray:
    """Return logits [N, num_classes] of images [N, C, H, W], pixels as in training; task: the head's."""
    steps, numbers = network
    x = np.asarray(images, dtype=float)
    for name, *given in steps:
        given = [numbers[each] if isinstance(each, str) else each for each in given]
        x = STEPS[name](x, *given, task) if name == "head" else STEPS[name](x, *given)
    return x


def xnor(x: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Multiply inputs of 0 and 1 [..., I] by packed weights of -1 and +1 [F, I]: integers [..., F]."""
    differing = np.packbits(x > 0, axis=-1)[..., None, :] ^ bits
    return ONES[bits].sum(axis=-1, dtype=int) - ONES[differing].sum(axis=-1, dtype=int)


def group(x: np.ndarray, groups: int, epsilon: float) -> np.ndarray:
    """Give each group of channels mean 0 and variance 1."""
    parts = x.reshape(len(x), groups, -1)
    deviation = np.sqrt(parts.var(axis=2, keepdims=True) + epsilon)
    return ((parts - parts.mean(axis=2, keepdims=True)) / deviation).reshape(x.shape)


def windows(x: np.ndarray, size: int) -> np.ndarray:
    """List what a convolution sees at each place, zeros outside: [N, C, H, W] -> [N, H, W, C size size]."""
    sides = [(0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)]
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(x, sides), (size, size), axis=(2, 3))
    return np.moveaxis(seen, 1, 3).reshape(len(x), *x.shape[2:], -1)


def pool(x: np.ndarray, size: int) -> np.ndarray:
    """Take the largest of each square: [N, C, H, W] -> [N, C, H // size, W // size]."""
    height, width = x.shape[2] // size, x.shape[3] // size
    whole = x[:, :, : height * size, : width * size]
    return whole.reshape(*x.shape[:2], height, size, width, size).max(axis=(3, 5))


STEPS: dict[str, Callable[..., np.ndarray]] = {
    "flatten": lambda x: x.reshape(len(x), -1),
    "add": lambda x, bits: x @ (2.0 * np.unpackbits(bits, axis=1, count=x.shape[-1]) - 1).T,
    "xnor": xnor,
    "batch": lambda x, mean, variance, epsilon: (x - mean) / np.sqrt(variance.astype(float) + epsilon),
    "group": group,
    "scale": lambda x, factor: x * factor,
    "relu": lambda x: np.maximum(x, 0),
    "gate": lambda x: np.abs(x) > 1,
    "sign": lambda x: np.where(x >= 0, 1, -1),
    "windows": windows,
    "maps": lambda x: np.moveaxis(x, -1, 1),
    "pool": pool,
    "head": lambda x, heads, task: x.reshape(len(x), heads, -1)[:, task if heads > 1 else 0],
    "active": lambda x, there: np.where(there, x, -1e4),
}
