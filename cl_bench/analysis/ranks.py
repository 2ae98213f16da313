"""Methods over several benchmarks: average ranks, Friedman's test, Nemenyi's critical difference."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

LEVEL = 0.05
# scipy.stats.studentized_range.ppf(1 - LEVEL, k, inf) of k = 2, 3, ... groups; the tests ask it again. Its
# import takes a second, which these spare every report.
_QUANTILES = (
    2.771807648699355, 3.314493155398122, 3.6331595749026278, 3.857655510378623, 4.030092053180576,
    4.169554155006547, 4.286309409349043, 4.38650911549537, 4.474124221725907, 4.551863584065974,
    4.621655471868518, 4.684919847313499, 4.7427317076846975, 4.795923860431186, 4.845154183957343,
    4.890951125576789, 4.933745358126922, 4.973892348748306, 5.0116887941184425, 5.0473848150087655,
    5.081193155799909, 5.1132962282719765, 5.143851577247147, 5.17299617312959, 5.200849820280358,
    5.227517890554401, 5.25309353580552, 5.27765949383823, 5.30128957403117, 5.324049888290209,
    5.345999877836653, 5.367193175047121, 5.387678331063073, 5.4074994334281214, 5.426696633056341,
    5.445306596002232, 5.463362892514628, 5.480896333509614, 5.4979352627407465,
)  # fmt: skip


class Ranks(NamedTuple):
    """The average ranks of k methods on N benchmarks; rank 1 is the best.

    Attributes:
        average: [k].
        p_friedman: of the hypothesis that all methods are alike.
        critical_difference: average ranks further apart differ, at the level.

    >>> Ranks(
    ...     average=np.array([1.0, 2.0]), p_friedman=np.nan, critical_difference=0.8
    ... ).average.tolist()
    [1.0, 2.0]
    """

    average: np.ndarray  # [k]
    p_friedman: float  # that all methods are alike
    critical_difference: float  # average ranks further apart differ, at the level


def ranks(scores: ArrayLike, *, higher_is_better: bool = True, alpha: float = LEVEL) -> Ranks:
    """The average ranks of methods over benchmarks, with Friedman's test and Nemenyi's critical difference.

        CD = q_alpha sqrt(k (k + 1) / (6 N))

    q_alpha is the studentized range of k groups and infinite degrees of freedom over sqrt 2. Friedman's
    chi-squared has k - 1 degrees of freedom and is corrected for ties. Both are approximations for many
    benchmarks: with fewer than about 10 they are rough. Friedman's p needs three methods (nan with two).
    Source: Demsar 2006.

    Args:
        scores: each benchmark's mean score of each method, [N, k], none missing.

    Raises:
        ValueError: for fewer than two benchmarks or methods, and for a missing score.

    >>> scores = [[0.9, 0.8, 0.5], [0.7, 0.6, 0.4], [0.8, 0.9, 0.3]]
    >>> found = ranks(scores)
    >>> found.average.round(4).tolist(), round(found.critical_difference, 4)
    ([1.3333, 1.6667, 3.0], 1.9136)
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 2:
        raise ValueError(f"scores must have at least two benchmarks and two methods, got shape {table.shape}")
    if np.isnan(table).any():
        raise ValueError("every method needs a score on every benchmark, got nan")
    number, methods = table.shape
    ranked, ties = _ranked(-table if higher_is_better else table)
    alike = bool((ranked == ranked[:, :1]).all())
    p = 1.0 if alike else _friedman(ranked, ties) if methods > 2 else math.nan
    critical = _quantile(methods, alpha) / math.sqrt(2) * math.sqrt(methods * (methods + 1) / (6 * number))
    return Ranks(ranked.mean(axis=0), p, critical)


def _ranked(table: np.ndarray) -> tuple[np.ndarray, int]:
    """Ranks in each row from 1, of ties their mean; and the sum of t^3 - t over all groups of t ties."""
    smaller = (table[:, None, :] < table[:, :, None]).sum(axis=-1)
    at_most = (table[:, None, :] <= table[:, :, None]).sum(axis=-1)
    return (smaller + at_most + 1) / 2, int(((at_most - smaller) ** 2 - 1).sum())


def _friedman(ranked: np.ndarray, ties: int) -> float:
    """The p-value of chi-squared, in the order of operations of `scipy.stats.friedmanchisquare`."""
    number, methods = ranked.shape
    correction = 1 - ties / (methods * (methods * methods - 1) * number)
    squares = (ranked.sum(axis=0) ** 2).sum()
    statistic = 12.0 / (methods * number * (methods + 1)) * squares - 3 * number * (methods + 1)
    return float(chdtrc(methods - 1, statistic / correction))


def _quantile(methods: int, alpha: float) -> float:
    """The quantile of the studentized range of so many groups, with infinite degrees of freedom."""
    if alpha == LEVEL and methods - 2 < len(_QUANTILES):
        return _QUANTILES[methods - 2]
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, methods, np.inf))


def cliques(average: ArrayLike, critical_difference: float) -> list[tuple[int, int]]:
    """Groups of methods that the ranks do not tell apart, as (first, last) in the order of the average ranks.

    They are the longest stretches of at least two methods whose first and last differ by at most the critical
    difference; none is part of another. Source: Demsar 2006, figure 1.

    Args:
        average: the average ranks, [k].

    >>> # the first and the last differ
    >>> cliques([1.3, 1.7, 3.0], critical_difference=1.5)
    [(0, 1), (1, 2)]
    """
    ordered = np.sort(np.asarray(average, dtype=float))
    last = np.searchsorted(ordered, ordered + critical_difference, side="right") - 1
    stretches = [(first, int(end)) for first, end in enumerate(last) if end > first]
    return [(first, end) for first, end in stretches if not any(f < first and e >= end for f, e in stretches)]
