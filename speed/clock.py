"""Works measured side by side, and what their seconds say of each other."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Work = Callable[[], object]


def nothing() -> None:
    pass


def alternate(
    works: Mapping[str, Work],
    *,
    rounds: int,
    warm_up: bool = True,
    synchronise: Work = nothing,
    after_round: Work = nothing,
    before: Mapping[str, Work] | None = None,
    now: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Measure the seconds of each work in each round: A B C, B C A, C A B, ...

    A disturbance of the machine that lasts longer than a round hits all works of the round alike, so that
    ratios are taken within rounds. Garbage is collected between works, outside the clock.

    Args:
        rounds: at least 1.
        warm_up: do every work once before the first round.
        synchronise: waits until the device has done all it was asked to.
        after_round: called after the warm-up and after every round.
        before: what is to be done before a work each time, outside the clock, by the work's name.
        now: reads the clock.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds=}")
    names, before = list(works), before or {}
    if warm_up:
        for name in names:
            before.get(name, nothing)()
            works[name]()
        after_round()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            before.get(name, nothing)()
            gc.collect()
            synchronise()
            start = now()
            works[name]()
            synchronise()
            seconds[name].append(now() - start)
        after_round()
    return seconds


class Ratio(NamedTuple):
    """The median ratio of paired measurements, and the quartiles."""

    median: float
    low: float  # a quarter of the ratios is below
    high: float  # a quarter is above


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Take each pair's ratio, not that of the medians: what disturbed a round disturbed both sides of it."""
    if len(numerators) != len(denominators) or not len(numerators):
        raise ValueError(
            f"ratios need pairs, at least one, got {len(numerators)} and {len(denominators)} numbers"
        )
    low, median, high = np.quantile(np.divide(numerators, denominators), [0.25, 0.5, 0.75])
    return Ratio(float(median), float(low), float(high))


def median(seconds: Sequence[float]) -> float:
    return float(np.median(seconds))
