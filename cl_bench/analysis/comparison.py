"""Which methods differ, by how much, and how sure it is: as a table of all pairs, and in plain sentences."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from cl_bench.analysis.bootstrap import iqm
from cl_bench.analysis.losses import higher_is_better
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.paired_tests import differences, holm, paired, seeds_needed, smallest_wilcoxon, tost
from cl_bench.analysis.ranks import ranks
from cl_bench.analysis.registry import compared_metrics
from cl_bench.analysis.summary import MOST_METHODS, REFERENCE
from cl_bench.records.text import counted

ALPHA = 0.05
FEWEST_BENCHMARKS = 3  # for ranks: with two, the critical difference is more than any ranks can differ
MARGIN = 0.01  # of accuracy and forgetting: methods within one point are as good as each other

COMPARISON = (
    *("study", "benchmark", "metric", "first", "second", "num_seeds", "difference", "low", "high"),
    *("p_student", "p_student_holm", "p_wilcoxon", "p_wilcoxon_holm", "p_equivalent", "seeds_needed"),
)
AGGREGATE = (
    *("study", "metric", "method", "num_benchmarks", "num_runs", "iqm", "low", "high"),
    *("average_rank", "critical_difference", "p_friedman"),
)


def comparison(
    values: pd.DataFrame, *, metrics: Sequence[str] | None = None, margin: float = MARGIN
) -> pd.DataFrame:
    """All pairs of methods of each study and benchmark, on matched seeds; of more than `MOST_METHODS` methods
    those of the best average accuracy.

    `values` has a row a run, those of `measured.run_metrics`; runs match where `draw` is the same, if there
    is such a column (`seeds.seed_parts`), or else `seed`. Of a run done twice the mean counts.

    Columns: study, benchmark, metric, first, second, num_seeds, difference (first - second), low, high (95 %
    Student t interval), p_student (paired t-test), p_wilcoxon (signed ranks), both also adjusted by Holm over
    the pairs of the benchmark and metric, p_equivalent (TOST against the margin), seeds_needed (in all, for a
    t-test of power 0.8 at the level of Holm's first step; NA where it cannot be said).
    """
    rows: list[dict[str, Any]] = []
    for (study, benchmark), everything in values.groupby(["study", "benchmark"], sort=False):
        group = _of_the_best(everything)
        for metric in compared_metrics() if metrics is None else metrics:
            scores = _by_method(group, metric)
            pairs: list[dict[str, Any]] = []
            pairs_of_methods = list(combinations(scores, 2))
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

    Columns: study, metric, method, num_benchmarks, num_runs, iqm, low, high (interquartile mean over
    benchmarks and seeds, 95 % stratified bootstrap interval), average_rank (1 is the best),
    critical_difference (Nemenyi; of average ranks), p_friedman; nan with fewer than three benchmarks or two
    methods.
    """
    rows: list[dict[str, Any]] = []
    for study, everything in values.groupby("study", sort=False):
        group = _of_the_best(everything)
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


def _of_the_best(values: pd.DataFrame) -> pd.DataFrame:
    """The runs of `MOST_METHODS` methods at most: the number of pairs is the square of theirs."""
    if values["method"].nunique() <= MOST_METHODS:
        return values
    means = values.groupby("method", sort=False)[average_accuracy.__name__].mean()
    best = means.sort_values(ascending=False, kind="stable").index[:MOST_METHODS]
    return values[values["method"].isin(best)]


def sentences(compared: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """The best method of each study and benchmark (the reference `joint` apart) against each other method.

    A block of text a benchmark, from the rows of `comparison` on average accuracy and those of `summary`. A
    difference is one where the paired t-test, adjusted by Holm over all pairs of the benchmark, has p <= 5 %.
    """
    blocks = []
    accuracy = compared[compared["metric"] == average_accuracy.__name__]
    several = summary["study"].nunique() > 1
    for (study, benchmark), pairs in accuracy.groupby(["study", "benchmark"], sort=False):
        here = summary[(summary["study"] == study) & (summary["benchmark"] == benchmark)]
        here = here[here["num_seeds"] > 0]
        contenders = here[here["strategy"] != REFERENCE]
        if contenders.empty or len(here) < 2:
            continue
        best = str(contenders["method"].iloc[0])  # summaries have the best first
        compared_with = {*pairs["first"], *pairs["second"]}
        others = [str(method) for method in here["method"] if method != best and method in compared_with]
        rows = {(row["first"], row["second"]): row for row in pairs.to_dict("records")}
        found = [_towards(best, other, rows) for other in others]
        if max(pair["num_seeds"] for pair in found) < 2:
            continue
        title = f"{study}: {benchmark}" if several else str(benchmark)
        lines = [f"{title}: accuracy after the last task, averaged over tasks; {best} on matched seeds"]
        lines += [f"  {sentence(pair, num_pairs=len(pairs))}" for pair in found]
        note = _wilcoxon_note(found, num_pairs=len(pairs))
        blocks.append("\n".join([*lines, *([f"  {note}"] if note else [])]))
    return blocks


def sentence(pair: dict[str, Any], *, num_pairs: int, margin: float = MARGIN) -> str:
    """A row of `comparison` on average accuracy, in words."""
    first, second, number = pair["first"], pair["second"], int(pair["num_seeds"])
    difference, low, high = (100 * pair[name] for name in ("difference", "low", "high"))
    if number == 0:
        return f"{first} and {second} have no seed in common."
    if number == 1:
        return f"{_apart(first, second, difference)} with the one seed they share; no interval."
    if difference == low == high == 0:
        return f"{first} and {second} are as accurate as each other with each of {number} seeds."
    if difference < 0:
        low, high = -high, -low
    interval = f" (95 % interval {_number(low)} to {_number(high)}, {number} seeds)"
    said = _apart(first, second, difference, interval)
    adjusted = f"{'Holm-adjusted ' if num_pairs > 1 else ''}{_p(pair['p_student_holm'])}"
    if pair["p_student_holm"] <= ALPHA:
        return f"{said}; {adjusted}."
    if pair["p_equivalent"] <= ALPHA:
        points = "1 point" if margin == 0.01 else f"{100 * margin:g} points"
        return f"{said}: the same within {points} (TOST, {_p(pair['p_equivalent'])})."
    short = f"is not enough among {num_pairs} pairs" if low > 0 else "does not tell them apart"
    return f"{said}, which {short} ({adjusted}); {_more_seeds(pair, number)}."


def _more_seeds(pair: dict[str, Any], number: int) -> str:
    needed = pair["seeds_needed"]
    if pd.isna(needed):
        return "no number of seeds in sight would separate them"
    more = int(needed) - number
    if more < 1:  # with this difference and spread; these seeds were less lucky than four in five
        return "more seeds may decide it"
    return f"about {counted(more, 'more seed')} {'is' if more == 1 else 'are'} needed"


def _wilcoxon_note(pairs: Sequence[dict[str, Any]], *, num_pairs: int) -> str:
    """What Wilcoxon's test can say with so few seeds; empty where it can say as much as Student's."""
    number = max(int(pair["num_seeds"]) for pair in pairs)
    smallest = smallest_wilcoxon(number)
    if smallest * num_pairs <= ALPHA:
        return ""
    adjusted = f", {min(1.0, smallest * num_pairs):.2g} after Holm" if num_pairs > 1 else ""
    return (
        "p is of paired t-tests, which take differences for normal; Wilcoxon's test cannot decide with "
        f"{number} seeds: its smallest p is {smallest:.2g}{adjusted}."
    )


def _towards(first: str, second: str, pairs: Mapping[Any, Mapping[Any, Any]]) -> dict[str, Any]:
    """The pair's row, as first - second."""
    if (first, second) in pairs:
        return dict(pairs[first, second])
    row = pairs[second, first]
    turned = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
    return {**row, **turned, "first": first, "second": second}


def _by_method(group: pd.DataFrame, metric: str) -> dict[str, dict[Any, float]]:
    """Method -> draw -> score."""
    matched = "draw" if "draw" in group else "seed"
    means = group.groupby(["method", matched], sort=False)[metric].mean()
    scores: dict[str, dict[Any, float]] = {}
    for (method, draw), score in zip(means.index, means, strict=True):
        scores.setdefault(str(method), {})[draw] = float(score)
    return scores


def _apart(first: str, second: str, difference: float, interval: str = "") -> str:
    """Write a difference in points; one that would be written as 0.0 is less than 0.1."""
    better = "more accurate" if difference >= 0 else "less accurate"
    if difference == 0:
        return f"{first} is as accurate as {second}{interval}"
    size = "less than 0.1" if abs(difference) < 0.05 else f"{abs(difference):.1f}"
    return f"{first} is {size} points{interval} {better} than {second}"


def _number(value: float) -> str:
    return "0.0" if f"{value:.1f}" == "-0.0" else f"{value:.1f}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"
