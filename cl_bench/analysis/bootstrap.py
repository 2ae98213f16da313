"""The stratified bootstrap over benchmarks and seeds, and the interquartile mean with its interval."""

from collections.abc import Callable, Sequence
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


class Estimate(NamedTuple):
    """A number over benchmarks and seeds, and its percentile interval, each of the statistic's shape.

    Attributes:
        value: the statistic of what was observed.
        low, high: the interval; nan with one value a stratum.

    >>> Estimate(value=np.array(0.5), low=np.array(0.4), high=np.array(0.6)).low
    array(0.4)
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def draws(
    numbers: Sequence[int], *, generator: np.random.Generator, num_resamples: int = NUM_RESAMPLES
) -> list[np.ndarray]:
    """The places that each resample takes, with replacement, from each stratum alone.

    Args:
        numbers: n_b, the values of each stratum.

    Returns:
        [num_resamples, n_b] for each stratum.

    >>> one, two = draws(
    ...     [3, 5], generator=np.random.default_rng(0), num_resamples=4
    ... )
    >>> one.shape, two.shape, int(one.max()) < 3
    ((4, 3), (4, 5), True)
    """
    return [generator.integers(number, size=(num_resamples, number)) for number in numbers]


def bootstrapped(
    strata: Sequence[ArrayLike],
    statistic: Callable[[list[np.ndarray]], np.ndarray],
    *,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """A statistic of all strata, with its stratified bootstrap interval.

    Each resample draws, with replacement, n_b values of every stratum from that stratum alone. The interval
    runs from the (1 - level) / 2 to the (1 + level) / 2 quantile of the resamples' statistics. The generator
    starts from `seed`, so that the same values have the same interval. Source: Agarwal et al. 2021.

    Args:
        strata: the values of each benchmark, one a run, [n_b].
        statistic: of strata [..., n_b], it gives [...].

    Raises:
        ValueError: for a level outside (0, 1), and for a stratum without a value.

    >>> least = bootstrapped(
    ...     [[0.5, 0.6], [0.7, 0.9]],
    ...     lambda strata: np.concatenate(strata, axis=-1).min(axis=-1),
    ... )
    >>> float(least.value), float(least.low), float(least.high)
    (0.5, 0.5, 0.6)
    """
    observed = checked_strata(strata)
    check_level(level)
    value = np.asarray(statistic(observed))
    if all(len(stratum) == 1 for stratum in observed):
        unknown = np.full(value.shape, np.nan)
        return Estimate(value, unknown, unknown)
    places = draws(
        [len(stratum) for stratum in observed],
        generator=np.random.default_rng(seed),
        num_resamples=num_resamples,
    )
    drawn = statistic([stratum[place] for stratum, place in zip(observed, places, strict=True)])
    return Estimate(value, *percentiles(drawn, level=level))


def percentiles(resampled: ArrayLike, *, level: float = 0.95) -> np.ndarray:
    """The (1 - level) / 2 and (1 + level) / 2 quantiles over resamples.

    Args:
        resampled: the statistics, [num_resamples, ...].

    Returns:
        [2, ...].

    >>> percentiles(np.arange(101), level=0.9).round(4).tolist()
    [5.0, 95.0]
    """
    return np.quantile(np.asarray(resampled, dtype=float), [(1 - level) / 2, (1 + level) / 2], axis=0)


def check_level(level: float) -> None:
    """Refuse what is no level of an interval.

    >>> check_level(0.95)
    >>> check_level(95)
    Traceback (most recent call last):
    ValueError: level must be between 0 and 1, got level=95
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level=}")


def checked_strata(strata: Sequence[ArrayLike]) -> list[np.ndarray]:
    """The strata as arrays [n_b], each with a value.

    Raises:
        ValueError: where one has none, or there is none.

    >>> [stratum.tolist() for stratum in checked_strata([[1, 2], [3]])]
    [[1.0, 2.0], [3.0]]
    """
    observed = [np.asarray(stratum, dtype=float) for stratum in strata]
    if any(stratum.ndim != 1 or not len(stratum) for stratum in observed) or not observed:
        shapes = [stratum.shape for stratum in observed]
        raise ValueError(f"a stratum must have a value for each of at least one seed, got shapes {shapes}")
    return observed


def iqm(
    strata: Sequence[ArrayLike], *, seed: int = 0, level: float = 0.95, num_resamples: int = NUM_RESAMPLES
) -> Iqm:
    """The interquartile mean over all values of all strata, with a stratified bootstrap interval.

    The interval is that of `bootstrapped`. With few seeds it is too narrow: of 3 values a resample is all
    alike in one case of nine. Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the
    Statistical Precipice".

    Args:
        strata: the values of each benchmark, one a seed, [n_b].

    Raises:
        ValueError: for a level outside (0, 1), and for a stratum without a value.

    >>> easy, hard = [0.90, 0.92, 0.94], [0.40, 0.50, 0.60]
    >>> both = iqm([easy, hard])
    >>> round(both.mean, 4), bool(both.low < both.mean < both.high)
    (0.73, True)
    """
    found = bootstrapped(strata, of_all_runs, seed=seed, level=level, num_resamples=num_resamples)
    return Iqm(*map(float, found))


def of_all_runs(strata: Sequence[np.ndarray]) -> np.ndarray:
    """The interquartile mean of all values of all strata together.

    Args:
        strata: [..., n_b] each.

    Returns:
        [...].

    >>> float(of_all_runs([np.array([0.0, 0.5]), np.array([0.7, 100.0])]))
    0.6
    """
    return interquartile_mean(np.concatenate(strata, axis=-1))
