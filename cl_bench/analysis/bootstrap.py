"""The interquartile mean with a stratified bootstrap interval: one number over benchmarks and seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NUM_RESAMPLES = 2000


class Iqm(NamedTuple):
    """The interquartile mean and its percentile interval; the interval is nan with one value a stratum."""

    mean: float
    low: float
    high: float


def interquartile_mean(values: ArrayLike, *, axis: int = -1) -> np.ndarray:
    """The mean of what is left without the lowest and the highest floor(n / 4) of the n values of the axis.

    As `scipy.stats.trim_mean(..., 0.25)`, which rliable uses; three values and fewer are all kept.
    """
    ordered = np.sort(np.asarray(values, dtype=float), axis=axis)
    number = ordered.shape[axis]
    cut = number // 4
    return np.take(ordered, range(cut, number - cut), axis=axis).mean(axis=axis)


def iqm(
    strata: Sequence[ArrayLike], *, seed: int = 0, level: float = 0.95, num_resamples: int = NUM_RESAMPLES
) -> Iqm:
    """Over all values of all strata; a stratum holds one benchmark's values, one a seed, [n_b].

    Each resample draws, with replacement, n_b values of every stratum from that stratum alone; the interval
    runs from the (1 - level) / 2 to the (1 + level) / 2 quantile of the resamples' interquartile means. With
    few seeds it is too narrow: of 3 values a resample is all alike in one case of nine. The generator starts
    from `seed`, so that the same values have the same interval. Source: Agarwal et al. 2021, "Deep
    Reinforcement Learning at the Edge of the Statistical Precipice".
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level=}")
    observed = [np.asarray(stratum, dtype=float) for stratum in strata]
    if any(stratum.ndim != 1 or not len(stratum) for stratum in observed) or not observed:
        shapes = [stratum.shape for stratum in observed]
        raise ValueError(f"a stratum must have a value for each of at least one seed, got shapes {shapes}")
    mean = float(interquartile_mean(np.concatenate(observed)))
    if all(len(stratum) == 1 for stratum in observed):
        return Iqm(mean, np.nan, np.nan)
    generator = np.random.default_rng(seed)
    drawn = [
        stratum[generator.integers(len(stratum), size=(num_resamples, len(stratum)))] for stratum in observed
    ]
    means = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Iqm(mean, float(low), float(high))
