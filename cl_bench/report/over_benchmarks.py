"""Kinds of figures over several benchmarks: forgetting, profiles, probability of improvement, aggregates."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from cl_bench.analysis.aggregates import aggregate_scores
from cl_bench.analysis.comparison import of_the_best
from cl_bench.analysis.improvement import improvements
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.over_benchmarks import Scores, compared_method, scores_over_benchmarks, with_bounds
from cl_bench.analysis.profiles import performance_profiles
from cl_bench.analysis.results import Results
from cl_bench.records.errors import AnalysisError, NotMeasuredError
from cl_bench.records.runs import Run

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from matplotlib.figure import Figure


def forgetting_over_benchmarks(
    results: Results,
    *,
    metric: str = "accuracy",
    ylim: tuple[float, float] | None = None,
    **look: Any,
) -> "Figure":
    """Mean over the tasks seen, as more are learned: one panel per benchmark, of two or more."""
    from cl_bench.figures.forgetting_over_benchmarks import forgetting_over_benchmarks_figure
    from cl_bench.figures.measures import measure_of

    measure = measure_of(metric)
    found = sorted({run.benchmark for run in _complete(results)})
    if len(found) < 2:
        raise NotMeasuredError(f"this figure needs 2 benchmarks or more, these runs are of {found[0]}")
    _, averages = results.curves_of(metric)
    if averages.empty:
        raise NotMeasuredError(f"no run has measured {metric} in each test; run again")
    return forgetting_over_benchmarks_figure(averages, measure=measure, ylim=ylim, **look)


def performance_profile(
    results: Results, *, metric: str = average_accuracy.__name__, title: str | None = "", **look: Any
) -> "Figure":
    """Share of runs over two benchmarks or more that reach a score, for every score."""
    from cl_bench.figures.performance_profile import performance_profile_figure

    scores = _scores(results, metric)
    profiles = with_bounds(performance_profiles(scores), results.interval)
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
    improved = improvements(scores, against=compared_method(scores, against))
    improved = with_bounds(improved, results.interval)
    return improvement_figure(improved, score=scores.title, title=_titled(title, scores), **look)


def aggregate(
    results: Results, *, metric: str = average_accuracy.__name__, title: str | None = "", **look: Any
) -> "Figure":
    """Median, interquartile mean (IQM), mean and optimality gap over two benchmarks or more."""
    from cl_bench.figures.estimates import aggregate_figure

    scores = _scores(results, metric)
    aggregated = with_bounds(aggregate_scores(scores), results.interval)
    return aggregate_figure(aggregated, **_axis(scores), title=_titled(title, scores), **look)


def tables_over_benchmarks(values: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The numbers of these figures, by file name: of each study with two benchmarks or more, if there is one.

    Args:
        values: one row per run, as `run_metrics` gives them.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for study, runs in values.groupby("study", sort=False):
        try:
            scores = scores_over_benchmarks(of_the_best(runs))
        except NotMeasuredError:
            continue
        for name, table in (
            ("aggregates.csv", aggregate_scores(scores)),
            ("improvements.csv", improvements(scores, against=compared_method(scores))),
            ("performance_profiles.csv", performance_profiles(scores)),
        ):
            table.insert(0, "study", study)
            found.setdefault(name, []).append(table)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}


# scores of the methods that were run on all benchmarks
OF_SEVERAL_BENCHMARKS = (performance_profile, improvement, aggregate)


def _scores(results: Results, metric: str) -> Scores:
    _ = _complete(results)
    return scores_over_benchmarks(results.metrics, metric)


def _complete(results: Results) -> list[Run]:
    if not results.complete:
        raise AnalysisError("no run is complete: each must have tested all that was to be tested")
    return results.complete


def _axis(scores: Scores) -> dict[str, Any]:
    return {
        "score": f"{scores.heading} on {len(scores.benchmarks)} benchmarks",
        "higher_is_better": scores.higher_is_better,
        "factor": scores.factor,
    }


def _titled(title: str | None, scores: Scores) -> str | None:
    """The title, and who is not in the figure; no title stays none."""
    return "; ".join([title, *scores.left_out]) if title else title
