"""Tests in the midst of training, which leave everything as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import global_generators_restored


@contextmanager
def as_before(strategy: Any) -> Iterator[None]:
    """Afterwards the strategy's attributes, weights and generators, and the global ones, are as before."""
    attributes = dict(vars(strategy))
    noises = [value for value in attributes.values() if isinstance(value, Noise)]
    states = [noise.state() for noise in noises]
    flat = attributes.get("flat")
    weights = None if flat is None else flat.values.data.clone()
    try:
        with global_generators_restored():
            yield
    finally:
        vars(strategy).clear()
        vars(strategy).update(attributes)
        for noise, state in zip(noises, states, strict=True):
            noise.restore(state)
        if flat is not None and weights is not None:
            flat.set(weights)
