"""One panel, drawn onto axes of one's own: what methods believe, and what happens on the way.

Each function takes what `cl_bench.analysis` reads (`load`, `states`, `calibration`, `probes`,
`read_foreign`) for one benchmark. It draws onto the axes that it is given: their size, letters and legend are
the caller's. Three choices are those of all: `methods` and `labels` as
`cl_bench.analysis.selection.select` takes them, and `styles`, the looks of methods by name
(`method_styles`); by default they follow from the names.
"""

import pandas as pd
from matplotlib.axes import Axes

from cl_bench.analysis.curves import gap_curves, off_step, probe_curves, seen_and_unseen, state_curves
from cl_bench.analysis.foreign import foreign_curves
from cl_bench.analysis.reliability import reliability
from cl_bench.figures import layout
from cl_bench.figures.calibration import draw_reliability
from cl_bench.figures.drift import draw_drift, draw_frozen
from cl_bench.figures.forgetting import checked_tasks, limits_of
from cl_bench.figures.limits import show
from cl_bench.figures.out_of_distribution import LABELS as FOREIGN_LABELS
from cl_bench.figures.out_of_distribution import draw_foreign
from cl_bench.figures.panel_choices import (
    Labels,
    Names,
    Styles,
    check_axes,
    check_one_benchmark,
    check_some,
    chosen_of,
)
from cl_bench.figures.stability_gap import draw_gaps, draw_probes
from cl_bench.figures.uncertainty import LABELS, draw_auroc, draw_uncertainty
from cl_bench.figures.variance import draw_variance
from cl_bench.records.errors import AnalysisError


def calibration(
    bins: pd.DataFrame, *, axes: Axes, method: str, interval: str = "t", styles: Styles = None
) -> None:
    """Draw the reliability diagram of a method: earlier tasks when they were learned, and in the end.

    Args:
        bins: as `calibration` gives them, of one benchmark.
        method: its name.
        axes, interval, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> bins = pd.DataFrame({"after_task": [1, 2], "accuracy": [0.9, 0.5]})
    >>> bins = bins.assign(on_task=1, num_tasks=2, num_examples=100, bin=14)
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> calibration(bins.assign(**about, confidence=0.9), axes=axes, method="ewc")
    >>> axes.get_legend_handles_labels()[1]
    ['just learned', 'after the last task']
    """
    chosen, looks = chosen_of(bins, [method], None, styles, axes=axes)
    (name,) = chosen.labels
    rows = chosen.of(reliability(bins, interval=interval))
    check_some(rows, "no task was tested after a later one")
    draw_reliability(axes, rows, style=looks[name])
    axes.set_xlabel("confidence (%)")
    axes.set_ylabel("accuracy (%)")


def uncertainty(
    frame: pd.DataFrame,
    *,
    axes: Axes,
    measure: str = "entropy",
    seen: bool = True,
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw how uncertain methods are on tasks they have learned, or on those still to come.

    Args:
        frame: as `load` gives it; for ood_auroc as `states` gives it.
        measure: entropy, mutual_information, or ood_auroc (how well confidence tells seen from unseen).
        seen: whether tasks learned are meant; of no meaning for ood_auroc.
        axes, interval, methods, labels, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> frame = load("results/reference/digits")
    >>> frame = frame[frame["benchmark"] == "permuted_digits"]
    >>> uncertainty(frame, axes=axes, seen=False, methods="vcl")
    >>> axes.get_ylabel()
    'entropy (nats)'
    """
    if measure not in (*LABELS, "ood_auroc"):
        raise AnalysisError(f"a measure is one of {', '.join(LABELS)}, ood_auroc, got {measure=}")
    chosen, looks = chosen_of(frame, methods, labels, styles, axes=axes)
    if measure == "ood_auroc":
        curves = chosen.of(state_curves(frame, measure, interval=interval))
    else:
        curves = chosen.of(seen_and_unseen(frame, measure, interval=interval))
        curves = curves[curves["seen"] == seen]
    to_come = "" if seen and measure != "ood_auroc" else " of tasks to come that have a trained head"
    check_some(curves, f"no run has measured {measure}{to_come}")
    if measure == "ood_auroc":
        draw_auroc(axes, curves, styles=looks)
    else:
        draw_uncertainty(axes, curves, styles=looks)
        axes.set_ylabel(LABELS[measure])
    axes.set_xlabel("after task")
    layout.task_ticks(axes.xaxis)


def out_of_distribution(
    foreign: pd.DataFrame,
    *,
    axes: Axes,
    dataset: str | None = None,
    measure: str = "confidence",
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw how well a foreign data set is told from the tasks seen, after each task.

    Args:
        foreign: as `read_foreign` gives it, of one benchmark.
        dataset: its name; None: the one that there is.
        measure: confidence, entropy or mutual_information.
        axes, interval, methods, labels, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`; and for None where there are several data sets.

    >>> axes = Figure().subplots()
    >>> about = {"study": "few", "benchmark": "digits", "method": "vcl", "dataset": "letters"}
    >>> foreign = pd.DataFrame({"after_task": [1, 2], "auroc_confidence": [0.5, 0.9]}).assign(**about)
    >>> out_of_distribution(foreign, axes=axes)
    >>> axes.lines[-1].get_ydata().tolist()
    [0.5, 0.9]
    """
    chosen, looks = chosen_of(foreign, methods, labels, styles, axes=axes)
    curves = chosen.of(foreign_curves(foreign, measure, interval=interval))
    names = sorted(set(curves["dataset"]))
    if dataset is None and len(names) > 1:
        raise AnalysisError(f"there are several foreign data sets, choose one: dataset={' or '.join(names)}")
    if dataset is not None:
        curves = curves[curves["dataset"] == dataset]
    of_which = "" if dataset is None else f" on {dataset}"
    check_some(curves, f"no run has measured the AUROC of the {measure}{of_which}")
    draw_foreign(axes, curves, styles=looks)
    axes.set_xlabel("after task")
    axes.set_ylabel(FOREIGN_LABELS[measure])
    layout.task_ticks(axes.xaxis)


def stability_gap(
    probes: pd.DataFrame,
    *,
    axes: Axes,
    task: int | None = None,
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw the accuracy on a task step by step, or what a new task does to those before it on average.

    Methods that take other numbers of steps than most are points at the ends of tasks, and no part of the
    average.

    Args:
        probes: as `probes` gives them, of one benchmark.
        task: its number; None: the average.
        axes, interval, methods, labels, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=["training_on", "on_task", "step", "accuracy"])
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> stability_gap(probes.assign(**about), axes=axes)
    >>> axes.lines[-1].get_ydata().round(4).tolist()
    [-40.0, -10.0]
    """
    chosen, looks = chosen_of(probes, methods, labels, styles, axes=axes)
    curves = chosen.of(probe_curves(probes, interval=interval))
    check_some(curves, "no run was probed")
    if task is not None:
        checked_tasks([task], int(curves["on_task"].max()))
        draw_probes(axes, curves, task=task, styles=looks)
        show(axes, "y", *limits_of(curves[curves["on_task"] == task]))
        axes.set_xlabel("step")
        axes.set_ylabel("accuracy (%)")
        return
    gaps = chosen.of(gap_curves(probes, interval=interval))
    gaps = gaps[~gaps["method"].isin(off_step(curves).methods)]
    check_some(gaps, "no task was tested while a later one was learned")
    draw_gaps(axes, gaps, styles=looks)


def drift(
    states: pd.DataFrame,
    *,
    axes: Axes,
    measure: str = "drift",
    interval: str = "t",
    methods: Names = None,
    labels: Labels = None,
    styles: Styles = None,
) -> None:
    """Draw how far the posterior moves with each task, or the share of weights that no longer can.

    Args:
        states: as `states` gives them, of one benchmark.
        measure: drift or frozen.
        axes, interval, methods, labels, styles: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> table = states("results/reference/digits")
    >>> table = table[table["benchmark"] == "permuted_digits"]
    >>> drift(table, axes=axes, methods="vcl", interval="none")
    >>> axes.get_yscale()
    'log'
    """
    drawn = {"drift": draw_drift, "frozen": draw_frozen}
    if measure not in drawn:
        raise AnalysisError(f"a measure is one of {', '.join(drawn)}, got {measure=}")
    chosen, looks = chosen_of(states, methods, labels, styles, axes=axes)
    curves = chosen.of(state_curves(states, measure, interval=interval))
    check_some(curves, "none of these methods has a posterior")
    drawn[measure](axes, curves, styles=looks)
    axes.set_xlabel("after task")
    layout.task_ticks(axes.xaxis)


def variance(shares: pd.DataFrame, *, axes: Axes, metric: str = "average_accuracy") -> None:
    """Draw which part of the randomness the spread of a metric is due to, a bar a method.

    Args:
        shares: as `cl_bench.analysis.variance.variance_shares` gives them, of one benchmark.
        metric: one of theirs.
        axes: as in `forgetting`.

    Raises:
        AnalysisError: as in `forgetting`.

    >>> axes = Figure().subplots()
    >>> shares = pd.DataFrame({"part": ["init", "order"], "share": [0.8, 0.2]})
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc"}
    >>> variance(shares.assign(**about, metric="forgetting"), axes=axes, metric="forgetting")
    >>> [round(bar.get_width()) for bar in axes.patches]
    [80, 20]
    """
    check_axes(axes)
    check_one_benchmark(shares)
    rows = shares[shares["metric"] == metric]
    check_some(rows, f"there are no shares of {metric}")
    draw_variance(axes, rows)
    axes.set_xlabel("share of the variance (%)")
