"""Each method's median, interquartile mean, mean and optimality gap over benchmarks, with intervals."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.bootstrap import NUM_RESAMPLES, bootstrapped, of_all_runs
from cl_bench.analysis.over_benchmarks import Scores, best_first

Statistic = Callable[[Sequence[np.ndarray]], np.ndarray]


def median_of_means(strata: Sequence[np.ndarray]) -> np.ndarray:
    """The median over benchmarks of the mean over runs.

    Of two benchmarks it is their mean. Source: Agarwal et al. 2021.

    Args:
        strata: the scores on each benchmark, [..., n_b].

    Returns:
        [...].

    >>> float(median_of_means([np.array([0.1, 0.3]), np.array([0.9]), np.array([0.4])]))
    0.4
    """
    return np.median(_means(strata), axis=0)


def mean_of_means(strata: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over benchmarks of the mean over runs: benchmarks count alike, however many runs they have.

    Args:
        strata: the scores on each benchmark, [..., n_b].

    Returns:
        [...].

    >>> float(mean_of_means([np.array([0.1, 0.3]), np.array([0.8])]))
    0.5
    """
    return _means(strata).mean(axis=0)


def optimality_gap(strata: Sequence[np.ndarray], *, target: float = 1.0) -> np.ndarray:
    """The mean distance to the target of scores below it; what is above makes up for nothing.

        mean over benchmarks of the mean over runs of max(0, target - x)

    Of accuracies, whose target is 1, it is the mean error. Source: Agarwal et al. 2021.

    Args:
        strata: the scores on each benchmark, higher is better, [..., n_b].

    Returns:
        [...].

    >>> round(float(optimality_gap([np.array([0.9, 0.7]), np.array([1.3])])), 4)
    0.1
    """
    return mean_of_means([np.maximum(0.0, target - stratum) for stratum in strata])


STATISTICS: dict[str, Statistic] = {
    "median": median_of_means,
    "IQM": of_all_runs,
    "mean": mean_of_means,
    "optimality gap": optimality_gap,
}


def aggregate_scores(
    scores: Scores, *, seed: int = 0, level: float = 0.95, num_resamples: int = NUM_RESAMPLES
) -> pd.DataFrame:
    """The statistics of every method over benchmarks and seeds, that of the best interquartile mean first.

    With fewer than some ten runs in all, the intervals are too narrow.

    Columns:
        metric: the name of the scores.
        method: what the row describes.
        statistic: of `STATISTICS`.
        value: in the unit of the scores. The optimality gap is lower where a method is better.
        low, high: the stratified bootstrap interval, see `bootstrapped`.
        num_benchmarks, num_runs: how many count.

    Args:
        scores: as `scores_over_benchmarks` gives them.

    >>> from cl_bench.analysis.over_benchmarks import Scores
    >>> strata = {"ewc": [np.array([0.9]), np.array([0.5])]}
    >>> strata |= {"si": [np.array([0.8]), np.array([0.4])]}
    >>> scores = Scores(strata, ["a", "b"], "average_accuracy")
    >>> table = aggregate_scores(scores)
    >>> table[table["statistic"] == "IQM"][["method", "value"]].round(4)
      method  value
    1    ewc    0.7
    5     si    0.6
    """
    rows: list[dict[str, Any]] = []
    for method in best_first(scores):
        strata = scores.strata[method]
        for name, statistic in _statistics(scores).items():
            found = bootstrapped(strata, statistic, seed=seed, level=level, num_resamples=num_resamples)
            rows.append(
                {"metric": scores.name, "method": method, "statistic": name}
                | {key: float(value) for key, value in found._asdict().items()}
                | {"num_benchmarks": len(strata), "num_runs": sum(map(len, strata))}
            )
    return pd.DataFrame(rows)


def _statistics(scores: Scores) -> dict[str, Statistic]:
    """`STATISTICS`, with the gap to what is perfect."""
    sign = 1 if scores.higher_is_better else -1

    def gap(strata: Sequence[np.ndarray]) -> np.ndarray:
        return optimality_gap([sign * stratum for stratum in strata], target=sign * scores.target)

    return STATISTICS | {"optimality gap": gap}


def _means(strata: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([np.asarray(stratum, dtype=float).mean(axis=-1) for stratum in strata])
