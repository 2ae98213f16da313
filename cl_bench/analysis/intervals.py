"""The mean over seeds, and how sure it is, or how far the seeds spread."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from cl_bench.records.errors import AnalysisError


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval, each of the shape of one observation.

    Attributes:
        mean, low, high: in the unit of the observations.

    >>> interval = Interval(
    ...     mean=np.array(0.8), low=np.array(0.7), high=np.array(0.9)
    ... )
    >>> round(float(interval.high - interval.mean), 4)  # half of its width
    0.1
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def student_t(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """The mean over seeds with its Student t interval.

        mean +- t_{n-1} s / sqrt(n)

    s is the sample standard deviation (divided by n - 1) and t the (1 + level) / 2 quantile of Student's
    distribution with n - 1 degrees of freedom. One observation says nothing about its spread: its bounds are
    nan. No observation: all nan.

    Args:
        values: n observations on axis 0, [n, ...].

    Returns:
        [...] each.

    Raises:
        ValueError: for a single number, and for a level outside (0, 1).

    >>> interval = student_t([0.90, 0.92, 0.94])
    >>> # 0.92 +- 4.3027 * 0.02 / sqrt(3)
    >>> [round(float(each), 4) for each in interval]
    [0.92, 0.8703, 0.9697]
    >>> student_t([0.9]).low
    array(nan)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level=}")
    observed = np.asarray(values, dtype=float)
    if observed.ndim == 0:
        raise ValueError("values must have the observations on axis 0, got a single number")
    number = observed.shape[0]
    unknown = np.full(observed.shape[1:], np.nan)
    if number == 0:
        return Interval(unknown, unknown, unknown)
    mean = observed.mean(axis=0)
    if number == 1:
        return Interval(mean, unknown, unknown)
    half_width = student_half_width(observed.std(axis=0, ddof=1), number, level=level)
    return Interval(mean, mean - half_width, mean + half_width)


def student_half_width(deviation: ArrayLike, number: ArrayLike, *, level: float = 0.95) -> np.ndarray:
    """Half the width of Student's interval, from what was observed already.

        t_{n-1} s / sqrt(n)

    Args:
        deviation: s, the sample standard deviation; nan where there is one observation.
        number: n, of the same shape or one number.

    >>> student_half_width([0.1, 0.2], number=3).round(4)
    array([0.2484, 0.4968])
    """
    observations = np.asarray(number, dtype=float)
    quantile = stdtrit(np.maximum(observations - 1, 1), (1 + level) / 2)
    return np.asarray(quantile * np.asarray(deviation, dtype=float) / np.sqrt(observations))


def standard_error(values: ArrayLike) -> Interval:
    """The mean over seeds and one standard error to either side: about 68 % for many seeds, less for few.

        mean +- s / sqrt(n)

    Args, returns and what one observation has: as in `student_t`.

    >>> interval = standard_error([0.90, 0.92, 0.94])
    >>> [round(float(each), 4) for each in interval]  # 0.92 +- 0.02 / sqrt(3)
    [0.92, 0.9085, 0.9315]
    """
    observed = np.asarray(values, dtype=float)
    mean, unknown, _ = student_t(observed)
    if len(observed) < 2:
        return Interval(mean, unknown, unknown)
    error = observed.std(axis=0, ddof=1) / np.sqrt(len(observed))
    return Interval(mean, mean - error, mean + error)


def quartiles(values: ArrayLike) -> Interval:
    """The median over seeds, in the place of the mean, and the quartiles: where the middle half of them is.

    Quartiles between two observations are interpolated. Args, returns and what one observation has: as in
    `student_t`.

    >>> [round(float(each), 4) for each in quartiles([0.90, 0.91, 0.92, 0.93, 0.99])]
    [0.92, 0.91, 0.93]
    """
    observed = np.asarray(values, dtype=float)
    mean, unknown, _ = student_t(observed)
    if len(observed) < 2:
        return Interval(mean, unknown, unknown)
    low, median, high = np.quantile(observed, [0.25, 0.5, 0.75], axis=0)
    return Interval(median, low, high)


def mean_alone(values: ArrayLike) -> Interval:
    """The mean over seeds, without an interval. Args and returns: as in `student_t`.

    >>> mean_alone([0.90, 0.92, 0.94]).high
    array(nan)
    """
    mean = student_t(values).mean
    unknown = np.full(mean.shape, np.nan)
    return Interval(mean, unknown, unknown)


INTERVALS: dict[str, Callable[[ArrayLike], Interval]] = {
    "t": student_t,
    "se": standard_error,
    "iqr": quartiles,
    "none": mean_alone,
}


def interval_of(kind: str) -> Callable[[ArrayLike], Interval]:
    """The function of this name: t, se, iqr or none.

    Raises:
        AnalysisError: for another name.

    >>> interval_of("iqr") is quartiles
    True
    """
    if kind not in INTERVALS:
        raise AnalysisError(f"an interval is one of {', '.join(INTERVALS)}, got interval={kind!r}")
    return INTERVALS[kind]
