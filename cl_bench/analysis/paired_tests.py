"""Two methods on the same seeds: difference, tests, equivalence, and how many seeds more it would take.

A seed fixes the stream, the first weights and the batches of all methods alike, so that differences on
matched seeds vary less than the scores. Few seeds are the rule. So Student's t test, which assumes normal
differences, stands beside Wilcoxon's, which does not. With fewer than six seeds Wilcoxon's cannot reach 5 %,
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
DIGITS = 10  # of a difference; those after them are rounding errors of the scores


class Paired(NamedTuple):
    """The mean of differences on n matched seeds, its 95 % Student t interval, and the tests of 'none'.

    Attributes:
        num_seeds: n.
        difference: the mean.
        low, high: the interval; nan with one seed.
        deviation: the sample standard deviation of the differences.
        p_student: of the two-sided paired t-test.
        p_wilcoxon: of the two-sided exact signed-rank test.

    >>> found = paired([0.10, 0.11, 0.08])
    >>> isinstance(found, Paired), found.num_seeds
    (True, 3)
    """

    num_seeds: int
    difference: float
    low: float  # nan with one seed
    high: float
    deviation: float  # sample standard deviation of the differences
    p_student: float  # two-sided paired t-test
    p_wilcoxon: float  # two-sided exact signed-rank test


class Equivalence(NamedTuple):
    """The result of two one-sided tests, of `difference <= -margin` and of `difference >= margin`.

    Attributes:
        margin: in the unit of the differences.
        p: the larger one of both.
        equivalent: whether p is at most the level.

    >>> Equivalence(margin=0.01, p=0.03, equivalent=True).equivalent
    True
    """

    margin: float
    p: float
    equivalent: bool


def differences(first: Mapping[int, float], second: Mapping[int, float]) -> np.ndarray:
    """The differences of two methods on the seeds that both have, in the order of the seeds.

        first - second; nan counts as not had

    Args:
        first, second: seed -> score.

    Returns:
        [n].

    >>> ours, theirs = {0: 0.9, 1: 0.8, 2: 0.7}, {0: 0.5, 1: 0.6, 7: 0.4}
    >>> differences(ours, theirs).round(4).tolist()
    [0.4, 0.2]
    """
    seeds = sorted(first.keys() & second.keys())
    found = np.array([first[seed] - second[seed] for seed in seeds], dtype=float)
    return found[~np.isnan(found)]


def paired(values: ArrayLike, *, level: float = 0.95) -> Paired:
    """The mean of differences on matched seeds, with its interval and two tests of no difference.

        d +- t_{n-1} s / sqrt(n)

    Differences that are all alike have s = 0: p is 0, or 1 where they are 0.

    Args:
        values: first - second on n seeds, [n].

    >>> found = paired([0.10, 0.11, 0.08])
    >>> [
    ...     round(each, 4)
    ...     for each in (found.difference, found.low, found.high, found.p_student)
    ... ]
    [0.0967, 0.0587, 0.1346, 0.0082]
    >>> found.p_wilcoxon  # no data of three seeds have a smaller one
    0.25
    """
    observed = _of_seeds(values)
    number = len(observed)
    if number == 0:
        return Paired(0, *[math.nan] * 6)
    interval = student_t(observed, level=level)
    deviation = _deviation(observed) if number > 1 else math.nan
    return Paired(
        num_seeds=number,
        difference=float(interval.mean),
        low=float(interval.low),
        high=float(interval.high),
        deviation=deviation,
        p_student=2 * _one_sided(abs(float(observed.mean())), observed) if number > 1 else math.nan,
        p_wilcoxon=wilcoxon(observed),
    )


def wilcoxon(values: ArrayLike) -> float:
    """The two-sided p of Wilcoxon's signed-rank test, exact, with ties and zeros.

        W = sum of the ranks of |difference| over the positive differences
        p = 2 min(P(W <= w), P(W >= w))

    Ties have their mean rank; differences of fractions tie where they are alike to ten digits. Each nonzero
    difference has either sign with the same chance; zeros are ranked and then dropped (Pratt 1959). All zero:
    1. (Own code: scipy's takes a second to import, and is not exact with ties.)

    Args:
        values: differences [n].

    >>> wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])  # 2 / 2^6
    0.03125
    >>> wilcoxon([0.1, -0.2, 0.3, -0.4])
    0.875
    """
    observed = _of_seeds(values)
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
    """The smallest p that Wilcoxon's test can give with so many seeds: that of differences of one sign.

        2 / 2^n

    >>> # five seeds cannot reach 5 %
    >>> [smallest_wilcoxon(number) for number in (3, 5, 6)]
    [0.25, 0.0625, 0.03125]
    """
    return min(1.0, 2.0 ** (1 - num_seeds))


def holm(p_values: ArrayLike) -> np.ndarray:
    """The p of m tests, adjusted so that the chance of any false rejection stays at the level.

        max over i <= k of min(1, (m - i + 1) p_(i)),   p_(1) <= ... <= p_(m)

    It holds whatever the tests have in common. nan is no test, and stays. Source: Holm 1979.

    Args:
        p_values: [m].

    Returns:
        [m], in the same order.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    values = _one_axis(p_values)
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * values[order]))
    return adjusted


def wilcoxon_holm(samples: Sequence[ArrayLike]) -> np.ndarray:
    """The p of Wilcoxon's test of each sample of differences, adjusted by Holm.

    Returns:
        [m].

    >>> wilcoxon_holm(
    ...     [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.1, -0.2, 0.3, -0.4]]
    ... ).tolist()
    [0.0625, 0.875]
    """
    return holm([wilcoxon(sample) for sample in samples])


def tost(values: ArrayLike, *, margin: float, alpha: float = 0.05, around: float = 0.0) -> Equivalence:
    """Whether two methods are equivalent within a margin that was set beforehand, by two one-sided tests.

        p = max(P(T >= (d + m) / (s / sqrt n)), P(T <= (d - m) / (s / sqrt n)))

    T has Student's distribution with n - 1 degrees of freedom. p is at most alpha exactly where the 1 - 2
    alpha interval lies within (-m, m). That no difference was found is no equivalence. Source: Schuirmann
    1987.

    Args:
        values: differences [n].
        margin: m.
        around: what the mean is compared with; d is the mean minus it.

    Raises:
        ValueError: for a margin that is not positive.

    >>> tost([0.001, -0.001, 0.000], margin=0.01).equivalent
    True
    >>> tost([0.05, -0.05, 0.00], margin=0.01).equivalent  # the mean is 0 as well
    False
    """
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin=}")
    observed = _of_seeds(values)
    if len(observed) < 2:
        return Equivalence(margin, math.nan, equivalent=False)
    p = _one_sided(margin - abs(float(observed.mean()) - around), observed)
    return Equivalence(margin, p, equivalent=p <= alpha)


def power(effect: float, *, num_seeds: int, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t-test finds a difference: that of p <= alpha.

        P(|T| >= t)

    T is noncentral Student with n - 1 degrees of freedom and noncentrality effect sqrt(n).

    Args:
        effect: mean / deviation of the differences.

    >>> round(power(1.0, num_seeds=10), 4)
    0.8031
    >>> round(power(0.0, num_seeds=10), 4)  # a false alarm
    0.05
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
    """The number of seeds, in all, at which the paired t-test tells the methods apart with a given chance.

    It takes the mean and the deviation of these differences for the true ones, which few seeds do not tell.

    Args:
        values: differences [n].

    Returns:
        None where it cannot be said (less than two seeds) or is more than `MOST_SEEDS`.

    >>> seeds_needed([0.02, 0.00, 0.01])  # the mean is one deviation
    10
    >>> seeds_needed([0.01]) is None
    True
    """
    observed = _of_seeds(values)
    if len(observed) < 2:
        return None
    mean, deviation = float(observed.mean()), _deviation(observed)
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


def _one_sided(distance: float, observed: np.ndarray) -> float:
    """The p-value of a one-sided t-test whose bound is so far on the side of the hypothesis.

    It is small where the bound is far.
    """
    error = _deviation(observed) / math.sqrt(len(observed))
    if error == 0:
        return 0.0 if distance > 0 else 1.0 if distance < 0 else 0.5
    return float(stdtr(len(observed) - 1, -distance / error))


def _deviation(observed: np.ndarray) -> float:
    """The sample standard deviation, which is 0 of values that are all alike, without rounding errors."""
    return float(observed.std(ddof=1)) if np.ptp(observed) else 0.0


def _of_seeds(values: ArrayLike) -> np.ndarray:
    """Differences [n] to so many digits of the largest one that those of equal scores tie."""
    observed = _one_axis(values)
    largest = np.abs(observed).max(initial=0.0)
    if not 0 < largest < math.inf:
        return observed
    return np.round(observed, DIGITS - 1 - math.floor(math.log10(largest)))


def _one_axis(values: ArrayLike) -> np.ndarray:
    observed = np.asarray(values, dtype=float)
    if observed.ndim != 1:
        raise ValueError(f"there must be one value a seed or test, [n], got shape {observed.shape}")
    return observed
