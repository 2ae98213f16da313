"""The mean over seeds, and how sure it is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit


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
