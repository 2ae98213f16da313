"""Performance profiles: which share of a method's runs reaches a score, for every score."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cl_bench.analysis.bootstrap import NUM_RESAMPLES, Estimate, bootstrapped
from cl_bench.analysis.over_benchmarks import Scores, best_first

NUM_THRESHOLDS = 201  # along the axis of a figure


def performance_profile(
    strata: Sequence[ArrayLike],
    thresholds: ArrayLike,
    *,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """The share of runs that score tau or more, for each threshold tau, with a pointwise bootstrap band.

        F(tau) = mean over benchmarks of 1 / n sum_i 1[x_i >= tau]

    The area under it, of scores between 0 and 1, is their mean. Where one method's profile is above another's
    everywhere, it is stochastically better. Source: Agarwal et al. 2021, who ask for more than tau.

    Args:
        strata: the scores on each benchmark, higher is better, [n_b].
        thresholds: [T].

    Returns:
        [T] each.

    Raises:
        ValueError: for a level outside (0, 1), and for a stratum without a value.

    >>> performance_profile(
    ...     [[0.9, 0.7], [0.5, 0.5]], [0.5, 0.6, 0.9, 1.0]
    ... ).value.tolist()
    [1.0, 0.5, 0.25, 0.0]
    """
    taus = np.asarray(thresholds, dtype=float)

    def shares(drawn: list[np.ndarray]) -> np.ndarray:
        return np.mean([_share(np.asarray(each), taus) for each in drawn], axis=0)

    return bootstrapped(strata, shares, seed=seed, level=level, num_resamples=num_resamples)


def performance_profiles(
    scores: Scores,
    *,
    thresholds: ArrayLike | None = None,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
) -> pd.DataFrame:
    """The performance profile of every method, that of the best interquartile mean first.

    Columns:
        metric: the name of the scores.
        method: what the row describes.
        threshold: tau, in the unit of the scores.
        mean: the share of runs that are as good or better: of tau or more; of a metric of which less is
            better, of tau or less.
        low, high: its bootstrap band.

    Args:
        scores: as `scores_over_benchmarks` gives them.
        thresholds: [T]; by default even steps over all scores.

    >>> from cl_bench.analysis.over_benchmarks import Scores
    >>> strata = {"ewc": [np.array([0.9]), np.array([0.5])]}
    >>> strata |= {"si": [np.array([0.8]), np.array([0.4])]}
    >>> scores = Scores(strata, ["a", "b"], "average_accuracy")
    >>> table = performance_profiles(scores, thresholds=[0.45, 0.85])
    >>> table[["method", "threshold", "mean"]]
      method  threshold  mean
    0    ewc       0.45   1.0
    1    ewc       0.85   0.5
    2     si       0.45   0.5
    3     si       0.85   0.0
    """
    sign = 1 if scores.higher_is_better else -1
    taus = spread(scores) if thresholds is None else np.asarray(thresholds, dtype=float)
    tables = []
    for method in best_first(scores):
        found = performance_profile(
            [sign * stratum for stratum in scores.strata[method]],
            sign * taus,
            seed=seed,
            level=level,
            num_resamples=num_resamples,
        )
        columns = {"mean": found.value, "low": found.low, "high": found.high}
        tables.append(pd.DataFrame({"metric": scores.name, "method": method, "threshold": taus} | columns))
    return pd.concat(tables, ignore_index=True)


def spread(scores: Scores) -> np.ndarray:
    """Even steps from below the least score to above the largest.

    >>> from cl_bench.analysis.over_benchmarks import Scores
    >>> strata = {"ewc": [np.array([0.2]), np.array([0.8])]}
    >>> taus = spread(Scores(strata, ["a", "b"], "average_accuracy"))
    >>> len(taus), float(taus[0].round(4)), float(taus[-1].round(4))
    (201, 0.17, 0.83)
    """
    every = np.concatenate([stratum for found in scores.strata.values() for stratum in found])
    low, high = float(every.min()), float(every.max())
    margin = 0.05 * (high - low) or 0.01
    return np.linspace(low - margin, high + margin, NUM_THRESHOLDS)


def _share(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The share of values [..., n] that are at least each threshold, [..., T]."""
    ordered = np.sort(values, axis=-1)
    flat = ordered.reshape(-1, ordered.shape[-1])
    below = np.stack([np.searchsorted(row, thresholds, side="left") for row in flat])
    return 1 - below.reshape(*values.shape[:-1], len(thresholds)) / values.shape[-1]
