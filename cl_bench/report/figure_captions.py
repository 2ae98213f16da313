"""What is to be seen in a figure: what its kind shows, how to read it, and which methods stand out."""

import math
from typing import NamedTuple

import pandas as pd

from cl_bench.analysis.registry import registered
from cl_bench.analysis.summary import REFERENCE
from cl_bench.report.figure_kinds import KINDS
from cl_bench.report.page_tables import value_text


class Reading(NamedTuple):
    """How a kind of figure is read."""

    hint: str
    metrics: tuple[str, ...] = ()  # of which the best and the worst method are named
    numbers: str = "summary.csv"
    is_shaded: bool = False  # intervals are bands, or thin lines: see `figures.curves.draw_bands`


_READINGS = {
    "forgetting": Reading(
        "A line that falls is forgetting.", ("forgetting",), "forgetting_curves.csv", is_shaded=True
    ),
    "comparison": Reading("The best corner is the upper left one.", ("average_accuracy", "forgetting")),
    "heatmap": Reading(
        "A column that fades downwards is a task that is forgotten.",
        ("worst_task_accuracy",),
        "forgetting_curves.csv",
    ),
    "confusion": Reading(
        "Off the diagonal an example is taken for a class of another task.", numbers="the saved predictions"
    ),
    "pareto": Reading(
        "No method off the grey line is better in both respects than those on it.",
        ("average_accuracy", "stored_bits", "training_seconds"),
    ),
    "calibration": Reading(
        "On the diagonal, confidence is right. Below it, it is too high.", ("ece",), is_shaded=True
    ),
    "uncertainty": Reading(
        "Tasks to come should have the higher entropy. With one head per task they are left out: their heads "
        "are untrained.",
        ("ood_auroc",),
        is_shaded=True,
    ),
    "out_of_distribution": Reading(
        "At 1 all foreign images are told from those of the tasks, at 0.5 none.",
        ("foreign_auroc",),
        "ood.csv",
        is_shaded=True,
    ),
    "drift": Reading(
        "A posterior that hardly moves keeps old tasks, and learns less of new ones.",
        ("frozen",),
        is_shaded=True,
    ),
    "stability_gap": Reading(
        "A dip after a new task begins is the stability gap. Points without a line are methods with steps of "
        "their own, such as joint training.",
        ("forgetting",),
        is_shaded=True,
    ),
    "variance": Reading("A long bar is a part of the seed that matters.", numbers="seed_variance.csv"),
    "critical_difference": Reading("A bar joins methods that chance may order.", numbers="statistics.csv"),
    "forgetting_over_benchmarks": Reading(
        "A line that falls is forgetting. Where errors differ much the axis is logarithmic in them.",
        numbers="forgetting_curves.csv",
        is_shaded=True,
    ),
    "performance_profile": Reading(
        "Where one line is above another everywhere, its method is better at all levels.",
        numbers="performance_profiles.csv",
    ),
    "improvement": Reading(
        "Where a bar crosses the dashed line, either method may be the better one.",
        numbers="improvements.csv",
    ),
    "aggregate": Reading(
        "Bars that overlap tell of no difference; with few seeds they are too short.",
        numbers="aggregates.csv",
    ),
}


def title_of(kind: str) -> str:
    """The kind as a heading."""
    return kind.replace("_", " ")


def what(kind: str) -> str:
    """The first sentence on the kind, as `cl-bench plot --help` says it."""
    told = KINDS[kind].__doc__ if kind in KINDS else None
    return told.splitlines()[0] if told else f"{title_of(kind).capitalize()}."


def alternative(kind: str) -> str:
    """The text for those who do not see the figure."""
    return f"{what(kind)} The numbers are in {_READINGS.get(kind, Reading('')).numbers}."


def caption(kind: str, rows: pd.DataFrame) -> str:
    """`rows` are those of `analysis.summary` for the methods in the figure."""
    reading = _READINGS.get(kind, Reading(""))
    others = rows[rows["strategy"] != REFERENCE]
    found = [said for name in reading.metrics if (said := _extremes(name, others))]
    if found:
        aside = "Joint training aside, " if len(others) < len(rows) else ""
        found[0] = f"{aside}{found[0]}" if aside else f"{found[0][:1].upper()}{found[0][1:]}"
        found = [f"{'; '.join(found)}."]
    thin = "Of two seeds the thin lines are the ends of the interval." if _is_thin(reading, rows) else ""
    return " ".join(filter(None, [what(kind), reading.hint, thin, *found]))


def _is_thin(reading: Reading, rows: pd.DataFrame) -> bool:
    return reading.is_shaded and bool((rows["num_seeds"] == 2).any())


def _extremes(name: str, rows: pd.DataFrame) -> str:
    """Which method is best and which is worst; empty where fewer than two are known."""
    metric = next((each for each in registered() if each.name == name), None)
    if metric is None:
        return ""
    known = [
        (value, str(method))
        for method, value in zip(rows["method"], rows[f"{name}_mean"], strict=True)
        if not math.isnan(value)
    ]
    if len(known) < 2:
        return ""
    (low, lowest), (high, highest) = min(known), max(known)
    texts = [f"{value_text(metric, value)} {metric.unit}" for value in (low, high)]
    if texts[0] == texts[1]:
        return f"{metric.title} is {texts[0]} for all"
    ends = [f"lowest for {lowest} ({texts[0]})", f"highest for {highest} ({texts[1]})"]
    return f"{metric.title} is {' and '.join(ends[::-1] if metric.better == 'higher' else ends)}"
