"""One random generator for each purpose, all from one seed, so that no purpose disturbs another.

Testing draws from `test`, so that it changes nothing in training. Changing the batch order leaves the initial
weights as they are. Each purpose can be given a seed of its own.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from cl_bench.validation import check_seed

PURPOSES = ("init", "order", "batches", "augmentation", "noise", "test", "probe")


def derive(seed: int, purpose: str) -> int:
    """A 63-bit seed that depends on both; the same on every machine and version."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


class Seeds:
    """The seeds of one run, one for each purpose.

    The purpose `init` is for first weights, `order` for permutations and class order. `batches`
    and `augmentation` are what they say. `noise` is for weight samples, dropout and memories
    in training, `test` for weight samples in testing. `probe` is for the examples that are tested in the
    midst of training.

    Args:
        seed: of every purpose that has none of its own.
        own: purpose -> seed, or None for the common one.

    Raises:
        ValueError: for an unknown purpose, or a seed that is no whole number from 0.
    """

    def __init__(self, seed: int, own: Mapping[str, int | None] | None = None) -> None:
        own = own or {}
        unknown = sorted(set(own) - set(PURPOSES))
        if unknown:
            raise ValueError(f"seeds are for {', '.join(PURPOSES)}, got {unknown[0]!r}")
        chosen = {purpose: own.get(purpose) for purpose in PURPOSES}
        for name, value in {"seed": seed, **chosen}.items():
            if value is not None:
                check_seed(name, value)
        self._seeds = {
            purpose: derive(seed if value is None else value, purpose) for purpose, value in chosen.items()
        }
        for part in ("dropout", "memory"):  # perhaps drawn on another device
            self._seeds[part] = derive(self._seeds["noise"], part)

    def __getitem__(self, purpose: str) -> int:
        return self._seeds[purpose]

    def generator(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """A new generator at the start of the purpose's random stream."""
        generator = torch.Generator(device=device)
        generator.manual_seed(self._seeds[purpose])
        return generator


@contextmanager
def global_generators_restored(seed: int | None = None) -> Iterator[None]:
    """Put torch's, numpy's and Python's global generators back afterwards, whatever third-party code drew.

    With a `seed` they start from it. A GPU's are put back where one is in use: none is woken up for that.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    in_use = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=in_use):
            if seed is not None:
                torch.manual_seed(seed)
                random.seed(seed)
                np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def global_state() -> dict[str, Any]:
    """The states of torch's, numpy's and Python's global generators, as plain values."""
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest],
    }


def restore_global_state(state: Mapping[str, Any]) -> None:
    """Put the global generators back to where they stood."""
    torch.set_rng_state(state["torch"])
    # of another machine: as many as there are here
    for index, drawn in zip(range(torch.cuda.device_count()), state["cuda"], strict=False):
        torch.cuda.set_rng_state(drawn, index)
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
