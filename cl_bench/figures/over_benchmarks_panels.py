"""One panel, drawn onto axes of one's own: how good methods are over several benchmarks.

The arguments that all have in common are those of `accuracy_panels`; the frame is of two benchmarks or more,
but for `forgetting_over_benchmarks`.
"""

import pandas as pd
from matplotlib.axes import Axes

from cl_bench.analysis.aggregates import STATISTICS, aggregate_scores
from cl_bench.analysis.curves import average_curves
from cl_bench.analysis.improvement import improvements
from cl_bench.analysis.looks import MethodStyle, ordered
from cl_bench.analysis.matrix import matrices
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.over_benchmarks import Scores, compared_method, scores_over_benchmarks, with_bounds
from cl_bench.analysis.profiles import performance_profiles
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.figures.estimates import arrow_of, chance_of, draw_estimates, draw_improvement
from cl_bench.figures.forgetting_over_benchmarks import draw_benchmark
from cl_bench.figures.measures import measure_of
from cl_bench.figures.panel_choices import Labels, Names, Styles, check_some, chosen_of
from cl_bench.figures.performance_profile import draw_performance_profile
from cl_bench.records.errors import AnalysisError

METRIC = average_accuracy.__name__


def forgetting_over_benchmarks(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    metric: str = "accuracy",
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw one benchmark's mean over the tasks seen, with a bar a method and task.

    Where errors differ much, the vertical axis is logarithmic in them.

    Args:
        frame: as `load` gives it, of one benchmark; draw each onto axes of its own.
        axes, metric, interval, methods, labels, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> frame = load("results/reference/comparison").query("benchmark == 'permuted_mnist'")
    >>> axes = Figure().subplots()
    >>> forgetting_over_benchmarks(frame, axes=axes, methods="ewc,finetune")
    >>> axes.get_yscale(), axes.get_xlabel()
    ('function', 'after task')
    """
    measure = measure_of(metric)
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes)
    curves = average_curves(frame, found=matrices(frame, column=metric), interval=interval)
    shown = chosen.of(curves)
    check_some(shown, f"no complete run has measured {metric}")
    draw_benchmark(axes, shown, methods=ordered(shown["method"], looks), styles=looks, measure=measure)
    axes.set_xlabel("after task")


def performance_profile(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    metric: str = METRIC,
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw the share of runs that reach a score, for every score.

    Args:
        frame: as `load` gives it, of several benchmarks.
        metric: of each run's accuracies, or normalised_accuracy (fine-tuning 0, joint training 1).
        interval: t, which here is a bootstrap's 95 %, or none.
        axes, methods, labels, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`, and where two methods were not run on the same two benchmarks.

    >>> axes = Figure().subplots()
    >>> performance_profile(load("results/reference/digits"), axes=axes)
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('average accuracy (%): τ', 'runs of τ or more (%)')
    """
    scores, looks = _scores(frame, metric, methods, labels, styles, axes)
    draw_performance_profile(
        axes,
        with_bounds(performance_profiles(scores), interval),
        styles=looks,
        score=scores.heading,
        higher_is_better=scores.higher_is_better,
        factor=scores.factor,
    )


def improvement(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    against: str | None = None,
    metric: str = METRIC,
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw how probable it is that a run of one method beats one of each other method.

    Args:
        against: the one method; None: the best, joint training aside.
        frame, axes, metric, interval, methods, labels, styles: as in `performance_profile`.

    Raises:
        AnalysisError: as in `performance_profile`.

    >>> axes = Figure().subplots()
    >>> improvement(load("results/reference/digits"), axes=axes, against="vcl")
    >>> axes.get_xlabel()
    'chance that a run of vcl has the better average accuracy (%)'
    """
    scores, looks = _scores(frame, metric, methods, labels, styles, axes)
    first = compared_method(scores, against)
    draw_improvement(axes, with_bounds(improvements(scores, against=first), interval), styles=looks)
    axes.set_xlabel(chance_of(first, scores.title))


def aggregate(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    statistic: str = "IQM",
    metric: str = METRIC,
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw a statistic of every method over benchmarks, the best interquartile mean on top.

    Args:
        statistic: IQM, median, mean or optimality gap.
        frame, axes, metric, interval, methods, labels, styles: as in `performance_profile`.

    Raises:
        AnalysisError: as in `performance_profile`, and for another statistic.

    >>> axes = Figure().subplots()
    >>> aggregate(load("results/reference/digits"), axes=axes, methods="ewc,vcl")
    >>> axes.get_xlabel()
    'IQM → of average accuracy (%)'
    """
    if statistic not in STATISTICS:
        raise AnalysisError(f"a statistic is one of {', '.join(STATISTICS)}, got {statistic=}")
    scores, looks = _scores(frame, metric, methods, labels, styles, axes)
    table = with_bounds(aggregate_scores(scores), interval)
    rows = table[table["statistic"] == statistic]
    draw_estimates(axes, rows, methods=list(rows["method"]), styles=looks, factor=scores.factor)
    arrow = arrow_of(statistic, higher_is_better=scores.higher_is_better)
    axes.set_xlabel(f"{statistic} {arrow} of {scores.heading}")


def _scores(
    frame: pd.DataFrame, metric: str, methods: Names, labels: Labels, styles: Styles, axes: Axes
) -> tuple[Scores, dict[str, MethodStyle]]:
    """The scores of the methods that are shown, and their looks."""
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes, several=True)
    return scores_over_benchmarks(chosen.of(run_metrics(frame)), metric), looks
