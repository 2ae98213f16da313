"""Two methods on the same seeds: difference, tests, equivalence, and how many seeds more it would take.

A seed fixes the stream, the first weights and the batches of all methods alike, so that differences on
matched seeds vary less than the scores. Few seeds are the rule: tests that assume normal differences
(Student's t) stand beside Wilcoxon's, which does not, and which with fewer than six seeds cannot reach 5 %
whatever it sees.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, stdtr, stdtrit

from cl_bench.analysis.intervals import student_t

MOST_SEEDS = 10_000  # a difference that needs more is none


class Paired(NamedTuple):
    """The mean of differences on n matched seeds, its 95 % Student t interval, and the tests of 'none'."""

    num_seeds: int
    difference: float
    low: float  # nan with one seed
    high: float
    deviation: float  # sample standard deviation of the differences
    p_student: float  # two-sided paired t-test
    p_wilcoxon: float  # two-sided exact signed-rank test


class Equivalence(NamedTuple):
    """Two one-sided tests: of `difference <= -margin` and of `difference >= margin`; p is the larger one."""

    margin: float
    p: float
    equivalent: bool


def differences(first: Mapping[int, float], second: Mapping[int, float]) -> np.ndarray:
    """first - second, [n], on the seeds that both have, in their order; nan counts as not had."""
    seeds = sorted(first.keys() & second.keys())
    found = np.array([first[seed] - second[seed] for seed in seeds], dtype=float)
    return found[~np.isnan(found)]


def paired(values: ArrayLike, *, level: float = 0.95) -> Paired:
    """From differences on n seeds, [n]: d = mean, d +- t_{n-1} s / sqrt(n), and two tests of d = 0.

    Differences that are all alike have s = 0: p is 0, or 1 where they are 0.
    """
    observed = _one_axis(values)
    number = len(observed)
    if number == 0:
        return Paired(0, *[math.nan] * 6)
    interval = student_t(observed, level=level)
    deviation = float(observed.std(ddof=1)) if number > 1 else math.nan
    return Paired(
        num_seeds=number,
        difference=float(interval.mean),
        low=float(interval.low),
        high=float(interval.high),
        deviation=deviation,
        p_student=2 * min(_below(observed, 0.0), _above(observed, 0.0)) if number > 1 else math.nan,
        p_wilcoxon=wilcoxon(observed),
    )


def wilcoxon(values: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test of differences [n], exact, ties and zeros included.

    W = sum of the ranks of |difference| over the positive differences; of ties the mean rank. p is twice the
    smaller of P(W <= w) and P(W >= w), where each nonzero difference has either sign with the same chance;
    zeros are ranked and then dropped (Pratt 1959). All zero: 1. (Own code: scipy's takes a second to import,
    and is not exact with ties.)
    """
    observed = _one_axis(values)
    if len(observed) == 0:
        return math.nan
    _, place, number = np.unique(np.abs(observed), return_inverse=True, return_counts=True)
    # doubled, so that the mean rank of ties is whole
    ranks = (2 * number.cumsum() - number + 1)[place]
    chances = np.ones(1)  # of each doubled W
    for rank in ranks[observed != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    found = int(ranks[observed > 0].sum())
    return float(min(1.0, 2 * min(chances[: found + 1].sum(), chances[found:].sum())))


def smallest_wilcoxon(num_seeds: int) -> float:
    """2 / 2^n: the p of n differences of one sign. No data of so few seeds give a smaller one."""
    return min(1.0, 2.0 ** (1 - num_seeds))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjusted p of m tests, [m]: with p_(1) <= ... <= p_(m), max over i <= k of min(1, (m - i + 1) p_(i)).

    Rejecting where it is at most alpha keeps the chance of any false rejection at alpha, whatever the tests
    have in common. nan is no test, and stays. Source: Holm 1979.
    """
    values = _one_axis(p_values)
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * values[order]))
    return adjusted


def wilcoxon_holm(samples: Sequence[ArrayLike]) -> np.ndarray:
    """Holm-adjusted p of Wilcoxon's test of each sample of differences, [m]."""
    return holm([wilcoxon(sample) for sample in samples])


def tost(values: ArrayLike, *, margin: float, alpha: float = 0.05) -> Equivalence:
    """Equivalence of two methods from their differences [n], within a margin that was set beforehand.

    p = max(P(T >= (d + m) / (s / sqrt n)), P(T <= (d - m) / (s / sqrt n))), T Student with n - 1 degrees of
    freedom. At most alpha exactly where the 1 - 2 alpha interval lies within (-m, m). That no difference was
    found is no equivalence. Source: Schuirmann 1987.
    """
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin=}")
    observed = _one_axis(values)
    if len(observed) < 2:
        return Equivalence(margin, math.nan, equivalent=False)
    p = max(_above(observed, -margin), _below(observed, margin))
    return Equivalence(margin, p, equivalent=p <= alpha)


def power(effect: float, *, num_seeds: int, alpha: float = 0.05) -> float:
    """Of the two-sided paired t-test: the chance of p <= alpha where differences have mean / deviation
    `effect`.

    P(|T| >= t), T noncentral Student with n - 1 degrees of freedom and noncentrality effect sqrt(n).
    """
    if num_seeds < 2:
        return 0.0
    quantile = float(stdtrit(num_seeds - 1, 1 - alpha / 2))
    shift = abs(effect) * math.sqrt(num_seeds)
    if shift > 35:  # where scipy's distribution gives up; it is certain long before
        return 1.0
    above = 1 - float(nctdtr(num_seeds - 1, shift, quantile))
    below = float(nctdtr(num_seeds - 1, shift, -quantile))
    return above + (0.0 if math.isnan(below) else below)


def seeds_needed(values: ArrayLike, *, alpha: float = 0.05, chance: float = 0.8) -> int | None:
    """The number of seeds, in all, at which the paired t-test tells the methods apart with this chance, if
    the mean and the deviation of these differences [n] are the true ones, which few seeds do not tell.

    None where it cannot be said (less than two seeds) or is more than `MOST_SEEDS`.
    """
    observed = _one_axis(values)
    if len(observed) < 2:
        return None
    mean, deviation = float(observed.mean()), float(observed.std(ddof=1))
    if mean == 0:
        return None
    if deviation == 0:
        return 2
    low, high = 1, 2
    while power(mean / deviation, num_seeds=high, alpha=alpha) < chance:
        low, high = high, 2 * high
        if low > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(mean / deviation, num_seeds=middle, alpha=alpha) >= chance
        low, high = (low, middle) if enough else (middle, high)
    return high if high <= MOST_SEEDS else None


def _above(observed: np.ndarray, bound: float) -> float:
    """p of the one-sided t-test of `mean <= bound`: small where the mean is above."""
    error = observed.std(ddof=1) / math.sqrt(len(observed))
    distance = float(observed.mean() - bound)
    if error == 0:
        return 0.0 if distance > 0 else 1.0 if distance < 0 else 0.5
    return float(stdtr(len(observed) - 1, -distance / error))


def _below(observed: np.ndarray, bound: float) -> float:
    return _above(-observed, -bound)


def _one_axis(values: ArrayLike) -> np.ndarray:
    observed = np.asarray(values, dtype=float)
    if observed.ndim != 1:
        raise ValueError(f"there must be one value a seed or test, [n], got shape {observed.shape}")
    return observed
