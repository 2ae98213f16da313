"""Which methods differ, by how much, and how sure it is: a table of all pairs, and one over benchmarks."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from cl_bench.analysis.bootstrap import iqm
from cl_bench.analysis.losses import higher_is_better
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.paired_tests import differences, holm, paired, seeds_needed, tost
from cl_bench.analysis.ranks import ranks
from cl_bench.analysis.registry import compared_metrics
from cl_bench.analysis.summary import MOST_METHODS
from cl_bench.moved import moved_name

ALPHA = 0.05
FEWEST_BENCHMARKS = 3  # for ranks: with two, the critical difference is more than any ranks can differ
MARGIN = 0.01  # of accuracy and forgetting: methods within one point are as good as each other

COMPARISON = (
    "study", "benchmark", "metric", "first", "second", "num_seeds", "difference", "low", "high",
    "p_student", "p_student_holm", "p_wilcoxon", "p_wilcoxon_holm", "p_equivalent", "seeds_needed",
)  # fmt: skip
AGGREGATE = (
    "study", "metric", "method", "num_benchmarks", "num_runs", "iqm", "low", "high",
    "average_rank", "critical_difference", "p_friedman",
)  # fmt: skip


def comparison(
    values: pd.DataFrame, *, metrics: Sequence[str] | None = None, margin: float = MARGIN
) -> pd.DataFrame:
    """All pairs of methods of each study and benchmark, on matched seeds: differences, intervals and tests.

    Of more than `MOST_METHODS` methods those of the best average accuracy are compared. Runs match where
    `draw` is the same, if there is such a column (`seed_parts`), or else `seed`. Of a run done twice the mean
    counts.

    Columns:
        study, benchmark, metric: where the two methods are compared.
        first, second: the two methods.
        num_seeds: matched seeds.
        difference: first - second.
        low, high: the 95 % Student t interval of the difference.
        p_student: p-value of the paired t-test.
        p_wilcoxon: p-value of the signed ranks.
        p_student_holm, p_wilcoxon_holm: both, adjusted by Holm over the pairs of the benchmark and metric.
        p_equivalent: p-value of TOST against the margin.
        seeds_needed: seeds in all, for a t-test of power 0.8 at the level of Holm's first step. NA where it
            cannot be said.

    Args:
        values: one row per run, as `run_metrics` gives them.
        margin: of what counts as equivalent, in the unit of the metrics.

    >>> values = pd.DataFrame({"seed": [0, 1, 2] * 2})
    >>> values["method"] = ["ewc"] * 3 + ["si"] * 3
    >>> values["average_accuracy"] = [0.90, 0.92, 0.91, 0.80, 0.81, 0.83]
    >>> values = values.assign(study="few", benchmark="digits")
    >>> table = comparison(values, metrics=["average_accuracy"])
    >>> table[["first", "second", "difference", "p_student"]].round(4)
      first second  difference  p_student
    0   ewc     si      0.0967     0.0082
    """
    rows: list[dict[str, Any]] = []
    for (study, benchmark), everything in values.groupby(["study", "benchmark"], sort=False):
        group = of_the_best(everything)
        measured = _measured(group)
        for metric in compared_metrics() if metrics is None else metrics:
            scores = _by_method(group, metric)
            pairs: list[dict[str, Any]] = []
            pairs_of_methods = [
                (first, second)
                for first, second in combinations(scores, 2)
                if measured[first] == measured[second]
            ]
            for first, second in pairs_of_methods:
                observed = differences(scores[first], scores[second])
                test, needed = paired(observed), seeds_needed(observed, alpha=ALPHA / len(pairs_of_methods))
                pairs.append(
                    {"study": study, "benchmark": benchmark, "metric": metric, "first": first}
                    | {"second": second}
                    | test._asdict()
                    | {"p_equivalent": tost(observed, margin=margin).p, "seeds_needed": needed}
                )
            for name in ("p_student", "p_wilcoxon"):
                adjusted = holm([pair[name] for pair in pairs])
                for pair, p in zip(pairs, adjusted, strict=True):
                    pair[f"{name}_holm"] = float(p)
            rows += pairs
    return pd.DataFrame(rows, columns=list(COMPARISON)).astype({"seeds_needed": "Int64"})


def aggregate(values: pd.DataFrame, *, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Each method over the benchmarks of its study on which all of the study's methods were run.

    Columns:
        study, metric, method: what the row describes.
        num_benchmarks, num_runs: how many count.
        iqm: interquartile mean over benchmarks and seeds.
        low, high: its 95 % stratified bootstrap interval.
        average_rank: 1 is the best.
        critical_difference: of average ranks (Nemenyi).
        p_friedman: p-value of Friedman's test.

    The columns of ranks are nan with fewer than three benchmarks or two methods.

    Args:
        values: one row per run, as `run_metrics` gives them.

    >>> values = pd.DataFrame({"benchmark": ["a", "b", "c"] * 2, "seed": 0})
    >>> values["method"] = ["ewc"] * 3 + ["si"] * 3
    >>> values["average_accuracy"] = [0.9, 0.8, 0.7, 0.5, 0.6, 0.4]
    >>> table = aggregate(values.assign(study="few"), metrics=["average_accuracy"])
    >>> table[["method", "num_benchmarks", "iqm", "average_rank"]].round(4)
      method  num_benchmarks  iqm  average_rank
    0    ewc               3  0.8           1.0
    1     si               3  0.5           2.0
    """
    rows: list[dict[str, Any]] = []
    for study, everything in values.groupby("study", sort=False):
        group = of_the_best(everything)
        methods = list(dict.fromkeys(group["method"]))
        for metric in compared_metrics() if metrics is None else metrics:
            known = group.dropna(subset=[metric])
            means = known.pivot_table(index="benchmark", columns="method", values=metric, aggfunc="mean")
            means = means.reindex(columns=methods).dropna()
            if means.empty:
                continue
            ranked = None
            if len(means) >= FEWEST_BENCHMARKS and len(methods) > 1:
                ranked = ranks(means.to_numpy(), higher_is_better=higher_is_better(metric))
            for place, method in enumerate(methods):
                runs = known[(known["method"] == method) & known["benchmark"].isin(means.index)]
                strata = [part.to_numpy() for _, part in runs.groupby("benchmark")[metric]]
                mean = iqm(strata)
                row: tuple[Any, ...] = (study, metric, method, len(means), len(runs), *mean)
                row += (
                    (math.nan, math.nan, math.nan)
                    if ranked is None
                    else (float(ranked.average[place]), ranked.critical_difference, ranked.p_friedman)
                )
                rows.append(dict(zip(AGGREGATE, row, strict=True)))
    return pd.DataFrame(rows, columns=list(AGGREGATE))


def why_no_ranks(values: pd.DataFrame) -> str:
    """Say why `aggregate` has no ranks of these runs, and of which methods it would have some.

    >>> values = pd.DataFrame({"method": ["ewc", "si"] * 3 + ["vcl"], "benchmark": [*"aabbcc", "a"]})
    >>> why_no_ranks(values)
    'vcl was not run on b, c; leave it out: ranks need methods that were all run on 3 benchmarks or more'
    """
    rule = f"ranks need methods that were all run on {FEWEST_BENCHMARKS} benchmarks or more"
    where = {str(method): set(found) for method, found in values.groupby("method")["benchmark"]}
    benchmarks = sorted(set().union(*where.values()))
    if len(benchmarks) < FEWEST_BENCHMARKS:
        return f"these runs are of {', '.join(benchmarks)}; {rule}"
    if len(where) < 2:
        return f"these runs are of {', '.join(where)} alone; {rule}"
    # the fewest whose absence leaves enough benchmarks: those with the fewest benchmarks go first
    common, left_out = set[str](), dict[str, list[str]]()
    for method in sorted(where, key=lambda each: len(where[each])):
        common = set.intersection(*(where[each] for each in where if each not in left_out))
        if len(common) >= FEWEST_BENCHMARKS:
            break
        left_out[method] = [each for each in benchmarks if each not in where[method]]
    if len(common) < FEWEST_BENCHMARKS or len(where) - len(left_out) < 2:
        return f"no two methods have {FEWEST_BENCHMARKS} benchmarks in common; {rule}"
    lacks = " and ".join(f"{method} was not run on {', '.join(these)}" for method, these in left_out.items())
    return f"{lacks}; leave {'it' if len(left_out) == 1 else 'them'} out: {rule}"


def of_the_best(values: pd.DataFrame) -> pd.DataFrame:
    """The runs of `MOST_METHODS` methods at most: the number of pairs is the square of theirs.

    >>> runs = {"method": [f"m{number}" for number in range(41)]}
    >>> values = pd.DataFrame(runs | {"average_accuracy": np.linspace(0, 1, 41)})
    >>> len(of_the_best(values)), "m0" in set(of_the_best(values)["method"])
    (40, False)
    """
    if values["method"].nunique() <= MOST_METHODS:
        return values
    means = values.groupby("method", sort=False)[average_accuracy.__name__].mean()
    best = means.sort_values(ascending=False, kind="stable").index[:MOST_METHODS]
    return values[values["method"].isin(best)]


def _measured(group: pd.DataFrame) -> dict[str, frozenset[str]]:
    """What is measured of each method: in which scenario, on how many tasks, on which images."""
    told = group["measured"] if "measured" in group else pd.Series("", index=group.index)
    return {str(method): frozenset(each) for method, each in told.groupby(group["method"])}


def _by_method(group: pd.DataFrame, metric: str) -> dict[str, dict[Any, float]]:
    """Method -> draw -> score."""
    matched = "draw" if "draw" in group else "seed"
    means = group.groupby(["method", matched], sort=False)[metric].mean()
    scores: dict[str, dict[Any, float]] = {}
    for (method, draw), score in zip(means.index, means, strict=True):
        scores.setdefault(str(method), {})[draw] = float(score)
    return scores


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
