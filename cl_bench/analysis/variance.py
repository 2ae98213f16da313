"""Which part of the randomness (first weights, task order, batches, noise) the spread of a metric is due to.

The model:

    y = mean + sum over factors f of effect_f(level of f) + interaction

Each effect is drawn once a level, independent, with mean 0 and variance sigma_f^2. The interaction is drawn
once a combination of levels, with variance sigma_0^2. Then for two runs, half the squared difference has the
expectation

    E (y - y')^2 / 2 = sigma_0^2 + sum over the factors that differ of sigma_f^2

so that averages over the pairs that differ in the same factors give linear equations for the variances (the
symmetric sums of Koch 1967). They are solved by least squares, each weighted by its number of pairs. The
estimates are unbiased for any design: one factor swept at a time, all crossed, or both with gaps. In a
balanced crossed design of two factors they are those of the analysis of variance. An unbiased estimate of a
small variance may be negative; shares count it as 0. Where each run is needed to tell the factors' effects
apart (one factor swept at a time), interactions cannot be seen, and are assumed to be none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cl_bench.analysis.matched_seeds import moving_together

INTERACTION = "interaction"
COLUMNS = ("study", "benchmark", "method", "metric", "part", "num_levels", "num_runs", "variance", "share")


def variance_components(values: ArrayLike, factors: Mapping[str, ArrayLike]) -> dict[str, float]:
    """The variance of a metric that each part of the randomness is due to.

        E (y - y')^2 / 2 = sigma_0^2 + sum over the factors that differ of sigma_f^2

    The equations are solved by least squares; see the top of this file for the model. Source: the symmetric
    sums of Koch 1967.

    Args:
        values: y of n runs, [n].
        factors: name -> level of each run, [n]. A factor that two runs share has the same effect on both.

    Returns:
        Factor -> its variance, and `interaction` where the design shows it.

    Raises:
        ValueError: where the runs cannot tell the factors apart.

    >>> levels = {"init": [0, 0, 1, 1], "order": [0, 1, 0, 1]}
    >>> # the order does not matter
    >>> found = variance_components([0.80, 0.80, 0.90, 0.90], levels)
    >>> {name: round(variance, 4) + 0.0 for name, variance in found.items()}
    {'init': 0.005, 'order': 0.0, 'interaction': 0.0}
    """
    observed = np.asarray(values, dtype=float)
    levels = np.array([np.asarray(level) for level in factors.values()])  # [F, n]
    if levels.shape != (len(factors), len(observed)) or not factors:
        raise ValueError(f"factors must have a level a run, [{len(observed)}], got {levels.shape[1:]}")
    squares: dict[tuple[bool, ...], list[float]] = defaultdict(list)
    for one, other in combinations(range(len(observed)), 2):
        differ = tuple((levels[:, one] != levels[:, other]).tolist())
        if any(differ):  # not the same run twice
            squares[differ].append((observed[one] - observed[other]) ** 2 / 2)
    equations = np.array(list(squares), dtype=float).reshape(-1, len(factors))
    names = list(factors)
    if _interactions_seen(levels):
        equations = np.column_stack([equations, np.ones(len(equations))])
        names.append(INTERACTION)
    if np.linalg.matrix_rank(equations) < len(names):
        raise ValueError(f"these runs cannot tell {', '.join(names)} apart: vary one of them alone")
    weights = np.sqrt([len(pairs) for pairs in squares.values()])
    means = np.array([np.mean(pairs) for pairs in squares.values()])
    solved = np.linalg.lstsq(equations * weights[:, None], means * weights, rcond=None)[0]
    return dict(zip(names, solved.tolist(), strict=True))


def variance_shares(values: pd.DataFrame, parts: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """The variance of each metric by part of the seed, for methods of which parts were varied alone.

    The share is of the sum of all parts, negative variances counting as 0; nan where all are. Parts that
    always changed together are one. Methods whose runs cannot tell parts apart have no rows. Columns:
    `COLUMNS`.

    Args:
        values: one row per run: those of `run_metrics`, and a column for each of `parts` with the seed in
            force (`seed_parts`).

    >>> values = pd.DataFrame({"init": [0, 0, 1, 1], "order": [0, 1, 0, 1]})
    >>> values["forgetting"] = [0.1, 0.1, 0.2, 0.2]
    >>> values = values.assign(study="few", benchmark="digits", method="ewc")
    >>> found = variance_shares(values, ["init", "order"], ["forgetting"])
    >>> found[["part", "share"]].round(4)
              part  share
    0         init    1.0
    1        order    0.0
    2  interaction    0.0
    """
    rows = []
    for (study, benchmark, method), group in values.groupby(["study", "benchmark", "method"], sort=False):
        factors = moving_together(group[list(parts)])
        if len(factors) < 2 and not (factors and _some_part_stands_still(group[list(parts)])):
            continue
        for metric in metrics:
            measured = group[metric].to_numpy(dtype=float)
            try:
                found = variance_components(measured, factors)
            except ValueError:
                break
            positive = {name: max(variance, 0.0) for name, variance in found.items()}
            total = sum(positive.values())
            for name, variance in found.items():
                levels = len(set(factors[name].tolist())) if name in factors else len(group)
                share = positive[name] / total if total > 0 else float("nan")
                about = (study, benchmark, method, metric, name, levels, len(group), variance, share)
                rows.append(dict(zip(COLUMNS, about, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _interactions_seen(levels: np.ndarray) -> bool:
    """Whether more combinations were run than main effects need: degrees of freedom are left."""
    cells = np.unique(levels, axis=1)
    main = [np.ones(cells.shape[1])]
    main += [(row == level).astype(float) for row in cells for level in np.unique(row)]
    return len(levels) > 1 and cells.shape[1] > np.linalg.matrix_rank(np.array(main))


def _some_part_stands_still(parts: pd.DataFrame) -> bool:
    return bool((parts.nunique() == 1).any())
