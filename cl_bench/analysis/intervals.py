"""The mean over seeds, and how sure it is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval, each of the shape of one observation."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def student_t(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """mean +- t * s / sqrt(n) over the n observations (seeds) on axis 0, `values` [n, ...].

    s is the sample standard deviation (divided by n - 1) and t the (1 + level) / 2 quantile of Student's
    distribution with n - 1 degrees of freedom. One observation says nothing about its spread: its bounds are
    nan. No observation: all nan.
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
    quantile = stdtrit(number - 1, (1 + level) / 2)
    half_width = quantile * observed.std(axis=0, ddof=1) / np.sqrt(number)
    return Interval(mean, mean - half_width, mean + half_width)
