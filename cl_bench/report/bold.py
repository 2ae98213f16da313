"""What is bold in a table of a paper: the best of a column, and what is not told from it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from cl_bench.analysis.comparison import ALPHA, comparison
from cl_bench.analysis.paired_tests import holm
from cl_bench.analysis.registry import Metric
from cl_bench.analysis.summary import REFERENCE

TIES, BEST, NONE = "ties", "best", "none"
BOLD = (TIES, BEST, NONE)
LEAST_SEEDS = 3  # in common; of fewer a t-test tells next to nothing apart


SEVERAL = (
    "Methods of a column that were measured otherwise (scenario, tasks or images), as their names say, are "
    "compared among themselves"
)


class Bold(NamedTuple):
    """The bold cells, and what was tested for them."""

    cells: set[tuple[str, str, str]]  # (benchmark, metric, method)
    tested: bool  # at least one pair
    untested: bool  # at least one pair, though a test was asked for
    several: bool = False  # measures in one column: scenarios, numbers of tasks, or images that are tested

    def sentences(self, *, reference: str) -> list[str]:
        """What bold means, without a full stop; `reference` is the method that is not among the best."""
        return [*self._meaning(reference), *([SEVERAL] if self.several else [])]

    def _meaning(self, reference: str) -> list[str]:
        joint = f"{reference} training aside" if reference else ""
        if not self.tested:
            why = f"fewer than {LEAST_SEEDS} matched seeds, so no test" if self.untested else ""
            aside = "; ".join(filter(None, [why, joint]))
            return ["Bold: the best of a column" + (f" ({aside})" if aside else "")]
        said = [
            "Bold: the best of a column, and what a paired t-test on matched seeds does not tell from it "
            f"(p above {ALPHA:g} after Holm over the methods{f', {joint}' if joint else ''})"
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
    pairs = _pairs(contenders, directed if which == TIES else [])
    cells, tested, untested = set(), False, False
    alike = ["benchmark", *(["measured"] if "measured" in contenders else [])]
    groups = [(str(place[0]), runs) for place, runs in contenders.groupby(alike, sort=False)]
    for benchmark, runs in groups:
        for metric in directed:
            means = runs.groupby("method", sort=False)[metric.name].mean().dropna()
            if len(means) < 2:
                continue
            best = means.max() if metric.better == "higher" else means.min()
            (first, *_) = means.index[means == best]
            beside = _beside(
                str(first), pairs[(pairs["benchmark"] == benchmark) & (pairs["metric"] == metric.name)]
            )
            for method, mean in means.items():
                p = beside.get(str(method), math.nan)
                tested |= math.isfinite(p)
                untested |= which == TIES and method != first and math.isnan(p)
                if mean == best or p > ALPHA:
                    cells.add((benchmark, metric.name, str(method)))
    several = len(groups) > contenders["benchmark"].nunique()
    return Bold(cells, tested, untested, several)


def _pairs(values: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """The pairs of methods that have enough seeds in common, on each benchmark and metric."""
    pairs = comparison(values, metrics=[metric.name for metric in metrics])
    return pairs[pairs["num_seeds"] >= LEAST_SEEDS]


def _beside(best: str, pairs: pd.DataFrame) -> dict[str, float]:
    """The p of each method's t-test against the best one, adjusted by Holm over these tests."""
    of_best = pairs[(pairs["first"] == best) | (pairs["second"] == best)]
    others = of_best["first"].where(of_best["first"] != best, of_best["second"])
    return dict(zip(others, map(float, holm(of_best["p_student"])), strict=True))
