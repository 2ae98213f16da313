"""One panel, drawn onto axes of one's own: how accurate methods are.

Each function takes what `cl_bench.analysis` reads (`load`, `states`, `calibration`, `probes`) for one
benchmark, and draws onto the axes that it is given: their size, letters and legend are the caller's. Three
choices are those of all: `methods` and `labels` as `cl_bench.analysis.selection.select` takes them, and
`styles`, the looks of methods by name (`method_styles`); by default they follow from the names.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from cl_bench.analysis.by_class import confusion_curves
from cl_bench.analysis.comparison import aggregate, why_no_ranks
from cl_bench.analysis.curves import average_curves, forgetting_curves
from cl_bench.analysis.matrix import matrices
from cl_bench.analysis.pareto import cost_of
from cl_bench.analysis.pareto import pareto as pareto_front
from cl_bench.analysis.registry import metric_of
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.analysis.summary import summary
from cl_bench.figures import layout
from cl_bench.figures.comparison import METRICS, draw_comparison, drawable
from cl_bench.figures.confusion import draw_confusion, share_matrix
from cl_bench.figures.critical_difference import draw_critical_difference
from cl_bench.figures.forgetting import checked_tasks, draw_forgetting, limits_of
from cl_bench.figures.heatmap import colour_limits, draw_heatmap, mean_matrix
from cl_bench.figures.limits import show
from cl_bench.figures.measures import measure_of
from cl_bench.figures.panel_choices import Labels, Names, Styles, check_some, checked_limits, chosen_of
from cl_bench.figures.pareto import cost_label, draw_pareto, has_prefixes
from cl_bench.records.errors import AnalysisError


def forgetting(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    task: int | None = None,
    metric: str = "accuracy",
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw the accuracy on a task as later ones are learned, or the mean over the tasks seen.

    Args:
        frame: as `load` gives it, of one benchmark.
        axes: of matplotlib.
        task: its number; None: the mean over the tasks seen so far.
        metric: another column of the records, such as nll.
        interval: over seeds: t (95 %), se, iqr (around the median) or none.
        methods, labels: see `analysis.selection.select`.
        styles: looks of methods by name, see `method_styles`; None: they follow from the names.

    Raises:
        AnalysisError: for a frame of several benchmarks, and for a task, metric or method that it has not.

    >>> axes = Figure().subplots()
    >>> frame = load("results/reference/digits")
    >>> frame = frame[frame["benchmark"] == "permuted_digits"]
    >>> forgetting(frame, axes=axes, methods="ewc,vcl", labels="vcl=VCL (ours)")
    >>> axes.get_legend_handles_labels()[1]
    ['ewc', 'VCL (ours)']
    """
    measure = measure_of(metric)
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes)
    found = matrices(frame, column=metric)
    curves = chosen.of(forgetting_curves(frame, found=found, interval=interval))
    shown = chosen.of(average_curves(frame, found=found, interval=interval))
    if task is not None:
        checked_tasks([task], int(frame["num_tasks"].max()))
        shown = curves[curves["on_task"] == task]
    check_some(shown, f"no complete run has measured {metric}")
    draw_forgetting(axes, shown, styles=looks, scale=measure.scale)
    show(axes, "y", *limits_of(shown, measure))
    axes.set_xlabel("after task")
    layout.task_ticks(axes.xaxis)
    axes.set_ylabel(measure.label)


def heatmap(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    method: str,
    metric: str = "accuracy",
    limits: tuple[float, float] | None = None,
) -> Any:
    """Draw the matrix of a method: task tested by task last learned.

    Args:
        frame, axes, metric: as in `forgetting`.
        method: its name.
        limits: ends of the colour scale, as drawn (percent); None: those of all methods of the frame.

    Returns:
        The image, for a colour bar.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> frame = load("results/reference/digits")
    >>> frame = frame[frame["benchmark"] == "permuted_digits"]
    >>> heatmap(frame, axes=axes, method="ewc").get_array().shape
    (6, 5)
    """
    scale = measure_of(metric).scale / 100
    chosen, _ = chosen_of(frame, [method], None, None, axes=axes)
    curves = forgetting_curves(frame, found=matrices(frame, column=metric))
    check_some(chosen.of(curves), f"no complete run has measured {metric}")
    curves = curves.assign(mean=scale * curves["mean"])
    low, high = colour_limits(curves) if limits is None else checked_limits(limits)
    image = draw_heatmap(axes, mean_matrix(chosen.of(curves)), limits=(low, high))
    axes.set_xlabel("on task")
    axes.set_ylabel("after task")
    return image


def confusion(table: pd.DataFrame, *, axes: Axes, method: str) -> Any:
    """Draw which task's classes the examples of each task are taken for by a method, after the last task.

    Args:
        table: as `cl_bench.analysis.by_class.task_confusion` gives it, of one benchmark.
        axes: as in `forgetting`.
        method: its name.

    Returns:
        The image, for a colour bar.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> pairs = [(1, 1, 0.8), (1, 2, 0.2), (2, 1, 0.1), (2, 2, 0.9)]
    >>> table = pd.DataFrame(pairs, columns=["on_task", "predicted_task", "share"])
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> confusion(table.assign(**about, after_task=2), axes=axes, method="ewc").get_array().shape
    (2, 2)
    """
    chosen, _ = chosen_of(table, [method], None, None, axes=axes)
    curves = confusion_curves(chosen.of(table))
    image = draw_confusion(axes, share_matrix(curves, int(curves["on_task"].max())))
    axes.set_xlabel("taken for task")
    axes.set_ylabel("task")
    return image


def comparison(
    frame: pd.DataFrame,
    states: pd.DataFrame | None = None,
    *,
    axes: Axes,
    metrics: tuple[str, str] = METRICS,
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw a point a method: average accuracy against forgetting, or another pair of metrics.

    Args:
        frame, axes, interval, methods, labels, styles: as in `forgetting`.
        states: as `states` gives them, for metrics that are of them (stored_bits, ...).
        metrics: of the vertical and of the horizontal axis.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> frame = load("results/reference/digits")
    >>> frame = frame[frame["benchmark"] == "permuted_digits"]
    >>> comparison(frame, axes=axes, methods="ewc")
    >>> axes.get_xlabel()
    'forgetting (percentage points; ← is better)'
    """
    for name in metrics:
        metric_of(name)
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes)
    rows = drawable(chosen.of(summary(frame, states, interval=interval)), metrics)
    check_some(rows, f"no method has both {metrics[0]} and {metrics[1]}")
    draw_comparison(axes, rows, styles=looks, metrics=metrics)


def pareto(
    frame: pd.DataFrame,
    states: pd.DataFrame,
    *,
    axes: Axes,
    cost: str = "stored_bits",
    metric: str = "average_accuracy",
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw a metric against what it costs, with the Pareto front of the methods that are shown.

    Args:
        frame, axes, interval, methods, labels, styles: as in `forgetting`.
        states: as `states` gives them.
        cost: a metric of its group: stored_bits, deployed_bits, gradient_evaluations, training_seconds, ...
        metric: of which more is better.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> both = load("results/reference/digits"), states("results/reference/digits")
    >>> both = [table[table["benchmark"] == "permuted_digits"] for table in both]
    >>> pareto(*both, axes=axes, cost="training_seconds")
    >>> axes.get_xlabel()
    'training (s); ← is better'
    """
    cost_of(cost)
    gain = metric_of(metric)
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes)
    front = pareto_front(chosen.of(summary(frame, states, interval=interval)), cost, gain=metric)
    check_some(front, f"no method has both {cost} and {metric}")
    draw_pareto(axes, front, styles=looks, metric=metric, prefixes=has_prefixes(cost))
    axes.set_xlabel(cost_label(cost))
    axes.set_ylabel(gain.heading)


def critical_difference(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    metric: str = "average_accuracy",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw average ranks over three benchmarks or more, and which of them may be chance.

    Args:
        frame: as `load` gives it, of several benchmarks.
        metric: of each run's accuracies.
        axes, methods, labels, styles: as in `forgetting`. Ranks are among the methods that are shown.

    Raises:
        AnalysisError: as in `forgetting`, and where ranks cannot be said.

    >>> axes = Figure().subplots()
    >>> runs = {"ewc": 0.9, "si": 0.5, "vcl": 0.7}
    >>> frames = [
    ...     matrix_frame([[0.1], [accuracy]], method=method, benchmark=benchmark)
    ...     for method, accuracy in runs.items()
    ...     for benchmark in "abc"
    ... ]
    >>> critical_difference(pd.concat(frames), axes=axes)
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['ewc', 'vcl', 'si']
    """
    metric_of(metric)
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes, several=True)
    values = chosen.of(run_metrics(frame)).assign(study="all")
    ranked = aggregate(values, metrics=[metric]).dropna(subset=["average_rank"])
    if ranked.empty:
        raise AnalysisError(f"there is nothing to draw: {why_no_ranks(values)}")
    rows = ranked.sort_values("average_rank", kind="stable")
    names = {str(method): str(method) for method in rows["method"]}
    draw_critical_difference(axes, rows, styles=looks, names=names)
    axes.set_xlabel("average rank (1 is the best)")
