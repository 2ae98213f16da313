"""What is bold in a table of a paper: the best of a column, and what is not told from it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from cl_bench.analysis.comparison import ALPHA, comparison
from cl_bench.analysis.registry import Metric
from cl_bench.analysis.summary import REFERENCE

TIES, BEST, NONE = "ties", "best", "none"
BOLD = (TIES, BEST, NONE)
LEAST_SEEDS = 3  # in common; of fewer a t-test tells next to nothing apart


class Bold(NamedTuple):
    """The bold cells, and what was tested for them."""

    cells: set[tuple[str, str, str]]  # (benchmark, metric, method)
    tested: bool  # at least one pair
    untested: bool  # at least one pair, though a test was asked for

    def sentences(self, *, reference: str) -> list[str]:
        """What bold means, without a full stop; `reference` is the method that is not among the best."""
        joint = f"{reference} training aside" if reference else ""
        if not self.tested:
            why = f"fewer than {LEAST_SEEDS} matched seeds, so no test" if self.untested else ""
            aside = "; ".join(filter(None, [why, joint]))
            return ["Bold: the best of a column" + (f" ({aside})" if aside else "")]
        said = [
            "Bold: the best of a column, and what a paired t-test on matched seeds does not tell from it "
            f"(p above {ALPHA:g} after Holm over all pairs{f', {joint}' if joint else ''})"
        ]
        if self.untested:
            said.append(f"Methods with fewer than {LEAST_SEEDS} seeds in common are not tested")
        return said


def bold_of(values: pd.DataFrame, metrics: Sequence[Metric], *, which: str) -> Bold:
    """Find the best of each benchmark and metric, and with `which="ties"` what a test does not tell from it.

    Args:
        values: one row per run, as `run_metrics` gives them.
        which: one of `BOLD`.
    """
    contenders = values[values["strategy"] != REFERENCE]
    directed = [metric for metric in metrics if metric.better and which != NONE]
    p_values = _p_values(contenders, directed) if which == TIES else {}
    cells, tested, untested = set(), False, False
    for benchmark, runs in contenders.groupby("benchmark", sort=False):
        for metric in directed:
            means = runs.groupby("method", sort=False)[metric.name].mean().dropna()
            if len(means) < 2:
                continue
            best = means.max() if metric.better == "higher" else means.min()
            (first, *_) = means.index[means == best]
            for method, mean in means.items():
                pair = frozenset((str(first), str(method)))
                p = p_values.get((str(benchmark), metric.name, pair), math.nan)
                tested |= math.isfinite(p)
                untested |= which == TIES and method != first and math.isnan(p)
                if mean == best or p > ALPHA:
                    cells.add((str(benchmark), metric.name, str(method)))
    return Bold(cells, tested, untested)


def _p_values(
    values: pd.DataFrame, metrics: Sequence[Metric]
) -> dict[tuple[str, str, frozenset[str]], float]:
    """Holm's p of each benchmark, metric and pair of methods that has enough seeds in common."""
    pairs = comparison(values, metrics=[metric.name for metric in metrics])
    return {
        (row["benchmark"], row["metric"], frozenset((row["first"], row["second"]))): row["p_student_holm"]
        for row in pairs.to_dict("records")
        if row["num_seeds"] >= LEAST_SEEDS
    }
