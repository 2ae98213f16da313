"""The interquartile mean with a stratified bootstrap interval: one number over benchmarks and seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NUM_RESAMPLES = 2000


class Iqm(NamedTuple):
    """An interquartile mean and its percentile interval.

    Attributes:
        mean: in the unit of the values.
        low, high: the interval; nan with one value a stratum.

    >>> Iqm(mean=0.5, low=0.4, high=0.6).low
    0.4
    """

    mean: float
    low: float
    high: float


def interquartile_mean(values: ArrayLike, *, axis: int = -1) -> np.ndarray:
    """The mean without the lowest and the highest quarter of the values.

        1 / (n - 2c) sum_{i=c+1}^{n-c} x_(i),   c = floor(n / 4)

    As `scipy.stats.trim_mean(..., 0.25)`, which rliable uses; three values and fewer are all kept. Source:
    Agarwal et al. 2021.

    Args:
        values: [..., n, ...], with the n values on `axis`.

    Returns:
        Of the shape of `values` without that axis.

    >>> float(interquartile_mean([0.0, 0.5, 0.7, 100.0]))  # outliers do not count
    0.6
    """
    ordered = np.sort(np.asarray(values, dtype=float), axis=axis)
    number = ordered.shape[axis]
    cut = number // 4
    return np.take(ordered, range(cut, number - cut), axis=axis).mean(axis=axis)


def iqm(
    strata: Sequence[ArrayLike], *, seed: int = 0, level: float = 0.95, num_resamples: int = NUM_RESAMPLES
) -> Iqm:
    """The interquartile mean over all values of all strata, with a stratified bootstrap interval.

    Each resample draws, with replacement, n_b values of every stratum from that stratum alone. The interval
    runs from the (1 - level) / 2 to the (1 + level) / 2 quantile of the resamples' interquartile means. With
    few seeds it is too narrow: of 3 values a resample is all alike in one case of nine. The generator starts
    from `seed`, so that the same values have the same interval. Source: Agarwal et al. 2021, "Deep
    Reinforcement Learning at the Edge of the Statistical Precipice".

    Args:
        strata: the values of each benchmark, one a seed, [n_b].

    Raises:
        ValueError: for a level outside (0, 1), and for a stratum without a value.

    >>> easy, hard = [0.90, 0.92, 0.94], [0.40, 0.50, 0.60]
    >>> both = iqm([easy, hard])
    >>> round(both.mean, 4), bool(both.low < both.mean < both.high)
    (0.73, True)
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
