"""Methods over several benchmarks: average ranks, Friedman's test, Nemenyi's critical difference."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Ranks(NamedTuple):
    """k methods on N benchmarks; rank 1 is the best."""

    average: np.ndarray  # [k]
    p_friedman: float  # that all methods are alike
    critical_difference: float  # average ranks further apart differ, at the level


def ranks(scores: ArrayLike, *, higher_is_better: bool = True, alpha: float = 0.05) -> Ranks:
    """`scores` [N, k]: each benchmark's mean score of each method, none missing.

    Friedman's chi-squared with k - 1 degrees of freedom, corrected for ties; critical difference
    q_alpha sqrt(k (k + 1) / (6 N)), q_alpha the studentized range of k groups and infinite degrees of freedom
    over sqrt 2. Both are approximations for many benchmarks: with fewer than about 10 they are rough, and
    Friedman's p needs three methods (nan with two). Source: Demsar 2006.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 2:
        raise ValueError(f"scores must have at least two benchmarks and two methods, got shape {table.shape}")
    if np.isnan(table).any():
        raise ValueError("every method needs a score on every benchmark, got nan")
    from scipy import stats  # a second to import, which only this needs

    number, methods = table.shape
    ranked = stats.rankdata(-table if higher_is_better else table, axis=1)
    alike = bool((ranked == ranked[:, :1]).all())
    p = 1.0 if alike else float(stats.friedmanchisquare(*table.T).pvalue) if methods > 2 else math.nan
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    critical = quantile * math.sqrt(methods * (methods + 1) / (6 * number))
    return Ranks(ranked.mean(axis=0), p, critical)


def cliques(average: ArrayLike, critical_difference: float) -> list[tuple[int, int]]:
    """Which methods the ranks do not tell apart: (first, last) places in the order of the average ranks.

    The longest stretches of at least two methods whose first and last differ by at most the critical
    difference; none is part of another. Source: Demsar 2006, figure 1.
    """
    ordered = np.sort(np.asarray(average, dtype=float))
    last = np.searchsorted(ordered, ordered + critical_difference, side="right") - 1
    stretches = [(first, int(end)) for first, end in enumerate(last) if end > first]
    return [(first, end) for first, end in stretches if not any(f < first and e >= end for f, e in stretches)]
