"""How probable it is that a run of one method is better than a run of another, over benchmarks."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cl_bench.analysis.bootstrap import (
    NUM_RESAMPLES,
    Estimate,
    check_level,
    checked_strata,
    draws,
    percentiles,
)
from cl_bench.analysis.over_benchmarks import Scores, best_first, compared_method


def probability_of_improvement(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """The probability that a run of the first method scores higher than one of the second.

        P(X > Y) = mean over benchmarks of 1 / (n m) sum_i sum_j S(x_i, y_j)

    S is 1 where x_i > y_j, 1/2 where they are equal, else 0: the form of Mann and Whitney. It says how often
    one is better, and nothing of by how much. The interval draws runs of both methods, of each benchmark
    alone. Source: Agarwal et al. 2021.

    Args:
        first, second: the scores on each benchmark, [n_b] and [m_b].

    Returns:
        Numbers; the bounds are nan where each method has one run a benchmark.

    Raises:
        ValueError: for a level outside (0, 1), a stratum without a value, and different numbers of strata.

    >>> found = probability_of_improvement(
    ...     [[0.9, 0.7], [0.5]], [[0.8, 0.7], [0.5]]
    ... )
    >>> float(found.value)  # the mean of 2.5 / 4 and 0.5
    0.5625
    """
    check_level(level)
    ours, theirs = checked_strata(first), checked_strata(second)
    if len(ours) != len(theirs):
        raise ValueError(f"both methods must have the same benchmarks, got {len(ours)} and {len(theirs)}")
    wins = [_wins(x, y) for x, y in zip(ours, theirs, strict=True)]
    value = np.asarray(np.mean([each.mean() for each in wins]))
    if all(each.size == 1 for each in wins):
        return Estimate(value, np.array(np.nan), np.array(np.nan))
    generator = np.random.default_rng(seed)
    counts = [
        [_counts(places) for places in draws(numbers, generator=generator, num_resamples=num_resamples)]
        for numbers in ([len(x) for x in ours], [len(y) for y in theirs])
    ]
    drawn = np.mean(
        [((a @ each) * b).sum(axis=-1) / each.size for each, a, b in zip(wins, *counts, strict=True)], axis=0
    )
    return Estimate(value, *percentiles(drawn, level=level))


def improvements(
    scores: Scores,
    *,
    against: str | None = None,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
) -> pd.DataFrame:
    """How probable it is that one method improves on another, of all pairs or of one method with each other.

    Columns:
        metric: the name of the scores.
        first, second: the methods.
        value: the probability that the first is better, ties counted as one half.
        low, high: its stratified bootstrap interval.
        num_benchmarks: how many count.

    Args:
        scores: as `scores_over_benchmarks` gives them.
        against: the first method of every pair; None: all ordered pairs.

    Raises:
        AnalysisError: for a name that is of no method, or of several.

    >>> from cl_bench.analysis.over_benchmarks import Scores
    >>> strata = {"ewc": [np.array([0.9]), np.array([0.5])]}
    >>> strata |= {"si": [np.array([0.8]), np.array([0.5])]}
    >>> scores = Scores(strata, ["a", "b"], "average_accuracy")
    >>> improvements(scores)[["first", "second", "value"]]
      first second  value
    0   ewc     si   0.75
    1    si    ewc   0.25
    """
    if against is not None:
        against = compared_method(scores, against)
    sign = 1 if scores.higher_is_better else -1
    strata = {method: [sign * each for each in found] for method, found in scores.strata.items()}
    rows: list[dict[str, Any]] = []
    for first, second in permutations(best_first(scores), 2):
        if against in (None, first):
            found = probability_of_improvement(
                strata[first], strata[second], seed=seed, level=level, num_resamples=num_resamples
            )
            rows.append(
                {"metric": scores.name, "first": first, "second": second}
                | {key: float(value) for key, value in found._asdict().items()}
                | {"num_benchmarks": len(scores.benchmarks)}
            )
    return pd.DataFrame(rows)


def _wins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 where x_i > y_j, 1/2 where they are equal, else 0: [n, m]."""
    return (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])


def _counts(places: np.ndarray) -> np.ndarray:
    """How often each resample has each place, [num_resamples, n] of places [num_resamples, n]."""
    resamples, number = places.shape
    offsets = number * np.arange(resamples)[:, None]
    return np.bincount((places + offsets).ravel(), minlength=places.size).reshape(resamples, number)
