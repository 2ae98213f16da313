"""Kinds of figures over several benchmarks: profiles, probability of improvement, aggregates."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from cl_bench.analysis.aggregates import aggregate_scores
from cl_bench.analysis.comparison import of_the_best
from cl_bench.analysis.improvement import contender, improvements
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.over_benchmarks import Scores, scores_over_benchmarks
from cl_bench.analysis.profiles import performance_profiles
from cl_bench.analysis.results import Results
from cl_bench.records.errors import AnalysisError, NotMeasuredError

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from matplotlib.figure import Figure


def performance_profile(
    results: Results, *, metric: str = average_accuracy.__name__, title: str | None = "", **look: Any
) -> "Figure":
    """Share of runs over two benchmarks or more that reach a score, for every score."""
    from cl_bench.figures.performance_profile import performance_profile_figure

    scores = _scores(results, metric)
    profiles = _bounded(performance_profiles(scores), results.interval)
    return performance_profile_figure(profiles, **_axis(scores), title=_titled(title, scores), **look)


def improvement(
    results: Results,
    *,
    metric: str = average_accuracy.__name__,
    against: str | None = None,
    title: str | None = "",
    **look: Any,
) -> "Figure":
    """Probability that a run of the best method beats each other one's, over two benchmarks or more."""
    from cl_bench.figures.estimates import improvement_figure

    scores = _scores(results, metric)
    first = contender(scores) if against is None else _meant(results, scores, against)
    improved = _bounded(improvements(scores, against=first), results.interval)
    return improvement_figure(improved, title=_titled(title, scores, scores.title), **look)


def aggregate(
    results: Results, *, metric: str = average_accuracy.__name__, title: str | None = "", **look: Any
) -> "Figure":
    """Median, interquartile mean (IQM), mean and optimality gap over two benchmarks or more."""
    from cl_bench.figures.estimates import aggregate_figure

    scores = _scores(results, metric)
    aggregated = _bounded(aggregate_scores(scores), results.interval)
    return aggregate_figure(aggregated, **_axis(scores), title=_titled(title, scores), **look)


def tables_over_benchmarks(values: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The numbers of these figures, by file name: of each study with two benchmarks or more, if there is one.

    Args:
        values: a row a run, as `run_metrics` gives them.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for study, runs in values.groupby("study", sort=False):
        try:
            scores = scores_over_benchmarks(of_the_best(runs))
        except NotMeasuredError:
            continue
        for name, table in (
            ("aggregates.csv", aggregate_scores(scores)),
            ("improvements.csv", improvements(scores, against=contender(scores))),
            ("performance_profiles.csv", performance_profiles(scores)),
        ):
            table.insert(0, "study", study)
            found.setdefault(name, []).append(table)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}


OF_SEVERAL_BENCHMARKS = (performance_profile, improvement, aggregate)


def _scores(results: Results, metric: str) -> Scores:
    if not results.complete:
        raise AnalysisError("no run is complete: each must have tested all that was to be tested")
    return scores_over_benchmarks(results.metrics, metric)


def _meant(results: Results, scores: Scores, name: str) -> str:
    """The method of this label, or else the only one of this strategy."""
    strategies = dict(zip(results.metrics["method"], results.metrics["strategy"], strict=True))
    of_strategy = [method for method in scores.strata if strategies[method] == name]
    found = [name] if name in scores.strata else of_strategy
    if len(found) != 1:
        why = f"is more than one of {', '.join(found)}" if found else "was not run on all benchmarks"
        raise AnalysisError(f"{name!r} {why}: choose one of {', '.join(scores.strata)}")
    return found[0]


def _bounded(table: pd.DataFrame, interval: str) -> pd.DataFrame:
    """The table with its intervals, or without any."""
    if interval == "none":
        return table.assign(low=math.nan, high=math.nan)
    if interval != "t":  # by default
        raise AnalysisError(
            f"intervals over benchmarks are bootstrapped, at 95 %: leave {interval=} out, or give none"
        )
    return table


def _axis(scores: Scores) -> dict[str, Any]:
    unit = f" ({scores.unit})" if scores.unit else ""
    return {
        "score": scores.title + unit,
        "higher_is_better": scores.higher_is_better,
        "factor": scores.factor,
    }


def _titled(title: str | None, scores: Scores, *said: str) -> str | None:
    """The title, with what the figure is of and who is not in it; no title stays none."""
    if not title:
        return title
    number = f"{len(scores.benchmarks)} benchmarks"
    return "; ".join([f"{title}: {', '.join([*said, number])}", *scores.left_out])
