"""Every kind of figure: what `cl-bench plot` and the report draw is what stands in `KINDS`.

A kind is a function of the results of one benchmark (or of several, where it is in `OVER_BENCHMARKS`) and of
the look of the figure: `styles`, `title`, `width`, `height`. What else a user may choose for it are its own
keywords: `metric`, `tasks`, `ylim`. It computes the numbers, then has them drawn. Where they
cannot be drawn it raises an AnalysisError that says why, NotMeasuredError where the runs left no such
numbers. The first line of its docstring is what `cl-bench plot --help` says.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cl_bench.analysis.by_class import confusion_curves, confusion_frame
from cl_bench.analysis.comparison import aggregate, why_no_ranks
from cl_bench.analysis.curves import gap_curves, probe_curves, seen_and_unseen, state_curves
from cl_bench.analysis.foreign import foreign_curves
from cl_bench.analysis.matched_seeds import parts_of, purposes
from cl_bench.analysis.pareto import COSTS, cost_of
from cl_bench.analysis.pareto import pareto as pareto_front
from cl_bench.analysis.registry import MATRIX, WITH_REFERENCE, compared_metrics, metric_of, registered
from cl_bench.analysis.reliability import calibration_errors, reliability
from cl_bench.analysis.results import Results
from cl_bench.analysis.variance import variance_shares
from cl_bench.records.errors import AnalysisError, NotMeasuredError
from cl_bench.records.row_files import RecordsError
from cl_bench.report.over_benchmarks import OF_SEVERAL_BENCHMARKS, forgetting_over_benchmarks

if TYPE_CHECKING:  # matplotlib is imported when something is drawn, so that --help and the report are quick
    from matplotlib.figure import Figure


Tasks = Sequence[int | str]
Limits = tuple[float, float]


def forgetting(
    results: Results,
    *,
    metric: str = "accuracy",
    tasks: Tasks | None = None,
    ylim: Limits | None = None,
    **look: Any,
) -> "Figure":
    """Accuracy on each task as later ones are learned, and the mean over tasks seen."""
    from cl_bench.figures.forgetting import forgetting_figure
    from cl_bench.figures.measures import measure_of

    measure = measure_of(metric)
    _some_run_complete(results)
    curves = results.curves_of(metric)
    if curves[0].empty:
        raise NotMeasuredError(f"no run has measured {metric} in each test; run again")
    return forgetting_figure(*curves, measure=measure, tasks=tasks, ylim=ylim, **look)


def comparison(
    results: Results, *, metric: str = "average_accuracy", ylim: Limits | None = None, **look: Any
) -> "Figure":
    """Average accuracy against forgetting."""
    from cl_bench.figures.comparison import METRICS, comparison_figure, drawable

    names = tuple(metric_of(name.strip()).name for name in metric.split(","))
    vertical, horizontal = names if len(names) == 2 else (*names[:1], METRICS[1])
    if len(names) > 2 or vertical == horizontal:
        raise AnalysisError(
            f"a comparison is of two metrics, of which forgetting is the second by default, got {metric=}; "
            "such as metric=learning_accuracy,forgetting"
        )
    _some_run_complete(results)
    if drawable(results.summary, (vertical, horizontal)).empty:
        if "forgetting" in (vertical, horizontal):
            raise AnalysisError("forgetting is of a task that is tested again after a later one")
        raise NotMeasuredError(f"no run has measured both {vertical} and {horizontal}")
    return comparison_figure(results.summary, metrics=(vertical, horizontal), ylim=ylim, **look)


def heatmap(
    results: Results, *, metric: str = "accuracy", ylim: Limits | None = None, **look: Any
) -> "Figure":
    """Each method's matrix of accuracies: task tested by task last learned."""
    from cl_bench.figures.heatmap import heatmap_figure
    from cl_bench.figures.measures import measure_of

    measure = measure_of(metric)
    _some_run_complete(results)
    curves, _ = results.curves_of(metric)
    if curves.empty:
        raise NotMeasuredError(f"no run has measured {metric} in each test; run again")
    return heatmap_figure(curves, measure=measure, limits=ylim, **look)


def confusion(results: Results, **look: Any) -> "Figure":
    """Which task's classes the examples of each task are taken for (class-incremental, saved predictions)."""
    from cl_bench.figures.confusion import confusion_figure

    _some_run_complete(results)
    try:
        curves = confusion_curves(confusion_frame(results.complete))
    except (RecordsError, OSError) as error:
        raise AnalysisError(str(error)) from error
    return confusion_figure(curves, **look)


def pareto(
    results: Results,
    *,
    metric: str = "average_accuracy",
    cost: str = ",".join(COSTS),
    ylim: Limits | None = None,
    **look: Any,
) -> "Figure":
    """Average accuracy against stored bits and against training time, with the Pareto front."""
    from cl_bench.figures.pareto import pareto_figure

    gain = metric_of(metric)
    if gain.better != "higher":
        raise AnalysisError(
            f"a Pareto front is of a metric of which more is better, got metric={gain.name!r}"
        )
    costs = [cost_of(name.strip()).name for name in cost.split(",")]
    fronts = {each: pareto_front(results.summary, each, gain=metric) for each in costs}
    known = {each: front for each, front in fronts.items() if len(front)}
    if not known:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no states.csv, which has bits and seconds: these runs are from before it; run again"
        )
    return pareto_figure(known, metric=metric, ylim=ylim, **look)


def calibration(results: Results, **look: Any) -> "Figure":
    """Reliability diagrams of tasks when they were learned, and in the end."""
    from cl_bench.figures.calibration import calibration_figure

    _some_run_complete(results)
    if results.calibration.empty:
        raise NotMeasuredError("no calibration.csv: these runs are from before it was written; run again")
    bins = reliability(results.calibration, interval=results.interval)
    if bins.empty:
        raise NotMeasuredError(
            "calibration before and after later tasks needs a task that is tested after a later one"
        )
    return calibration_figure(bins, calibration_errors(results.calibration), **look)


def uncertainty(
    results: Results, *, metric: str | None = None, ylim: Limits | None = None, **look: Any
) -> "Figure":
    """Entropy and its epistemic part on tasks seen and on tasks to come."""
    from cl_bench.figures.uncertainty import LABELS, uncertainty_figure

    wanted = _one_of(metric, (*LABELS, "ood_auroc"), ylim)
    measures = {
        name: seen_and_unseen(results.records, name, interval=results.interval)
        for name in LABELS
        if name in wanted
    }
    auroc = state_curves(results.states, "ood_auroc", interval=results.interval)
    auroc = auroc if "ood_auroc" in wanted else auroc.iloc[:0]
    known = {name: curves for name, curves in measures.items() if len(curves)}
    if not known and (metric != "ood_auroc" or auroc.empty):
        _some_run_complete(results)
        raise NotMeasuredError(
            "no entropy in records.csv: these runs are from before it was measured; run again"
        )
    return uncertainty_figure(known, auroc, ylim=ylim, **look)


def out_of_distribution(
    results: Results, *, metric: str = "confidence", ylim: Limits | None = None, **look: Any
) -> "Figure":
    """How well foreign data sets are told from the tasks seen, after each task."""
    from cl_bench.figures.out_of_distribution import out_of_distribution_figure

    curves = foreign_curves(results.foreign, metric, interval=results.interval)
    if curves.empty:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no ood.csv: run with training.ood=[fashion_mnist] or another data set"
            if results.foreign.empty
            else f"none of these methods has a {metric}, which needs several weight samples"
        )
    return out_of_distribution_figure(curves, measure=metric, ylim=ylim, **look)


def stability_gap(
    results: Results, *, tasks: Tasks | None = None, ylim: Limits | None = None, **look: Any
) -> "Figure":
    """Accuracy on earlier tasks, step by step, while others are learned."""
    from cl_bench.figures.stability_gap import stability_gap_figure

    if results.probes.empty:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no probes.csv: run with training.probe_every (10, say: a test every 10 steps)"
        )
    gaps = gap_curves(results.probes, interval=results.interval)
    if gaps.empty:
        raise NotMeasuredError("a stability gap is of a task that is tested while a later one is learned")
    curves = probe_curves(results.probes, interval=results.interval)
    return stability_gap_figure(curves, gaps, tasks=tasks, ylim=ylim, **look)


def drift(
    results: Results, *, metric: str | None = None, ylim: Limits | None = None, **look: Any
) -> "Figure":
    """How far the posterior moves with each task, and the share of frozen weights."""
    from cl_bench.figures.drift import drift_figure

    both = ("drift", "frozen")
    wanted = _one_of(metric, both, ylim)
    tables = [state_curves(results.states, name, interval=results.interval) for name in both]
    tables = [each if name in wanted else each.iloc[:0] for name, each in zip(both, tables, strict=True)]
    if all(table.empty for table in tables):
        _some_run_complete(results)
        raise NotMeasuredError(
            "no states.csv: these runs are from before it was written; run again"
            if results.states.empty
            else "none of these methods has a posterior (vcl, bayesbinn, mesu and others have)"
        )
    return drift_figure(*tables, ylim=ylim, **look)


def variance(results: Results, *, metric: str | None = None, **look: Any) -> "Figure":
    """Which part of the randomness (first weights, task order, ...) the spread of a metric is due to."""
    from cl_bench.figures.variance import variance_figure

    shares = None
    if any(part != run.seed for run in results.found for part in parts_of(run.seed, run.settings).values()):
        names = _of_matrix(metric)
        shares = variance_shares(results.metrics, purposes(results.complete), names)
    if shares is None or shares.empty:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no part of the seed was varied alone: run -m seed_for.init=0,1,2 seed_for.order=0,1,2"
        )
    return variance_figure(shares, **look)


def critical_difference(results: Results, *, metric: str | None = None, **look: Any) -> "Figure":
    """Average ranks over three benchmarks or more, and which of them may be chance."""
    from cl_bench.figures.critical_difference import critical_difference_figure

    together = results.metrics.assign(study="all")  # of one study already, or to be compared across studies
    ranked = aggregate(together, metrics=_of_matrix(metric)).dropna(subset=["average_rank"])
    if ranked.empty:
        _some_run_complete(results)
        raise NotMeasuredError(why_no_ranks(together))
    return critical_difference_figure(ranked, **look)


KINDS: dict[str, Callable[..., "Figure"]] = {
    function.__name__: function
    for function in (
        forgetting,
        comparison,
        heatmap,
        confusion,
        pareto,
        calibration,
        uncertainty,
        out_of_distribution,
        stability_gap,
        drift,
        variance,
        critical_difference,
        forgetting_over_benchmarks,
        *OF_SEVERAL_BENCHMARKS,
    )
}
OVER_BENCHMARKS = tuple(
    kind.__name__ for kind in (critical_difference, forgetting_over_benchmarks, *OF_SEVERAL_BENCHMARKS)
)
# of one over seeds
WITHOUT_INTERVALS = tuple(kind.__name__ for kind in (heatmap, confusion, variance, critical_difference))


def _one_of(metric: str | None, names: Sequence[str], ylim: Limits | None) -> Sequence[str]:
    """The panels that are drawn; a limit of the axis is of one."""
    if metric is not None and metric not in names:
        raise AnalysisError(f"the metric of this kind is one of {', '.join(names)}, got {metric=}")
    if metric is None and ylim is not None:
        raise AnalysisError(f"each panel has a unit of its own: for ylim choose metric={' or '.join(names)}")
    return names if metric is None else (metric,)


def _of_matrix(metric: str | None) -> Sequence[str]:
    """The metrics that are compared by default, or the one, which is of the accuracy matrix."""
    if metric is None:
        return compared_metrics()
    if metric_of(metric).of not in (MATRIX, WITH_REFERENCE):
        known = ", ".join(each.name for each in registered(MATRIX, WITH_REFERENCE))
        raise AnalysisError(
            f"this kind needs a metric of each run's accuracies, one of {known}, got {metric=}"
        )
    return (metric,)


def _some_run_complete(results: Results) -> None:
    if not results.complete:
        raise AnalysisError("no run is complete: each must have tested all that was to be tested")
