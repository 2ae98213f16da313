"""One table over several benchmarks: chosen methods and metrics, the best in bold, as papers have it."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.intervals import standard_error, student_t
from cl_bench.analysis.registry import MATRIX, WITH_REFERENCE, Metric, metric_of
from cl_bench.analysis.results import Results
from cl_bench.analysis.selection import select
from cl_bench.analysis.summary import REFERENCE
from cl_bench.analysis.tuning import tuning_lines
from cl_bench.records.errors import AnalysisError
from cl_bench.records.runs import Run
from cl_bench.records.text import counted
from cl_bench.report.bold import BOLD, TIES, Bold, bold_of
from cl_bench.report.notes import recorded_notes

METRICS = "average_accuracy,forgetting"
MOST_EXCEPTIONS = 6  # that have other numbers of seeds, and are named
# what stands behind ±, and its words
SPREADS = {
    "t": "half width of the 95 % Student t interval",
    "se": "standard error",
    "sd": "standard deviation",
    "none": "",
}


class Column(NamedTuple):
    """A metric on a benchmark."""

    benchmark: str  # as it is called in the table
    metric: Metric
    title: str  # of the metric, as it is called in the table


class Number(NamedTuple):
    """What a method has reached there, in the metric's own unit; nan where it was not run or not measured."""

    mean: float
    half_width: float  # nan where there is none
    num_seeds: int
    bold: bool


class PaperTable(NamedTuple):
    """Rows of numbers, one for each column; the caption in sentences."""

    columns: list[Column]
    rows: dict[str, list[Number]]  # by method, as it is called in the table
    caption: list[str]  # what the numbers are


Names = str | Sequence[str]


def paper_table(
    *folders: str | os.PathLike[str],
    metrics: Names = METRICS,
    methods: Names | None = None,
    labels: Names | Mapping[str, str] | None = None,
    interval: str = "t",
    bold: str = TIES,
) -> PaperTable:
    """Put the runs below the folders into one table: methods in rows, benchmarks and metrics in columns.

    Bold are the best of a column, and with `bold="ties"` all that a paired t-test on matched seeds does not
    tell from it. Its p is adjusted by Holm over the methods that are tested against the best. The reference
    `joint` is not among them. Methods with fewer than 3 seeds in common are not tested.

    Args:
        metrics: names of registered metrics, or of `cl-bench metric`; one text has commas between them.
        methods: see `analysis.selection.select`; None: all, the most accurate on the first benchmark first.
        labels: what methods, benchmarks and metrics are called, as in `select`.
        interval: what stands behind ±: t, se, sd, or none.
        bold: ties, best (alone), or none.

    Raises:
        AnalysisError: where no run is complete, and for a name that is not there.
    """
    if interval not in SPREADS:
        raise AnalysisError(f"what stands behind ± is one of {', '.join(SPREADS)}, got {interval=}")
    if bold not in BOLD:
        raise AnalysisError(f"what is bold is one of {', '.join(BOLD)}, got {bold=}")
    results = Results.read(*folders).told_apart()
    if not results.complete:
        raise AnalysisError("no run is complete: each must have tested all that was to be tested")
    chosen = _metrics(metrics)  # now that those are known that runs have of `cl-bench metric`
    summary = results.summary
    benchmarks = list(dict.fromkeys(run.benchmark for run in results.complete))
    there = list(dict.fromkeys(summary["method"]))
    known = [*there, *benchmarks, *(metric.name for metric in chosen)]
    called = select(known, labels=labels, what="method, benchmark or metric").labels
    selected = select(there, methods=methods)
    shown = list(selected.labels) if selected.in_order else there
    values = values_of(results, chosen)
    values = values[values["method"].isin(shown)].assign(study="")
    best = bold_of(values, chosen, which=bold)
    columns = [(benchmark, metric) for benchmark in benchmarks for metric in chosen]
    groups = dict(list(values.groupby(["method", "benchmark"], sort=False)))
    rows = {
        called[method]: [
            _number(
                groups[method, benchmark][metric.name].to_numpy(dtype=float)
                if (method, benchmark) in groups
                else np.empty(0),
                interval=interval,
                is_constant=metric.is_constant,
                bold=(benchmark, metric.name, method) in best.cells,
            )
            for benchmark, metric in columns
        ]
        for method in shown
    }
    titles = {metric.name: _title(metric, called[metric.name]) for metric in chosen}
    named = [Column(called[benchmark], metric, titles[metric.name]) for benchmark, metric in columns]
    about = summary[summary["method"].isin(shown)]
    about = about.assign(method=about["method"].map(called), benchmark=about["benchmark"].map(called))
    runs = [
        run._replace(study="", method=called[run.method], benchmark=called[run.benchmark])
        for run in results.complete
        if run.method in shown
    ]
    made = PaperTable(named, rows, [])
    # a run that never tested anything has no row in the summary, nor has a method whose runs all failed
    left_out = [run for run in results.incomplete if methods is None or run.method in shown]
    said = _caption(made, about, runs, num_left_out=len(left_out), interval=interval, best=best)
    return made._replace(caption=said)


def _metrics(names: Names) -> list[Metric]:
    wanted = names.split(",") if isinstance(names, str) else names
    wanted = list(dict.fromkeys(name.strip() for name in wanted if name.strip()))
    if not wanted:
        raise AnalysisError(f"metrics must name one or more, got metrics={names!r}")
    return [metric_of(name) for name in wanted]


def values_of(results: Results, metrics: Iterable[Metric]) -> pd.DataFrame:
    """The metrics of complete runs, a row each, those that are not of the matrix too."""
    values = results.metrics
    for metric in metrics:
        if metric.of not in (MATRIX, WITH_REFERENCE):
            measured = metric.compute(getattr(results, metric.of))  # the table of this name
            runs = zip(values["study"], values["run"], strict=True)
            values = values.assign(**{metric.name: [measured.get(run, math.nan) for run in runs]})
    return values


def _number(observed: np.ndarray, *, interval: str, bold: bool, is_constant: bool) -> Number:
    observed = observed[np.isfinite(observed)]
    if len(observed) == 0:
        return Number(math.nan, math.nan, 0, bold=False)
    half = math.nan
    if len(observed) > 1 and interval == "sd":
        half = float(observed.std(ddof=1))
    elif len(observed) > 1 and interval != "none":
        found = student_t(observed) if interval == "t" else standard_error(observed)
        half = float(found.high - found.mean)
    if is_constant and not half > 0:
        half = math.nan
    return Number(float(observed.mean()), half, len(observed), bold)


def _title(metric: Metric, called: str) -> str:
    """The metric's label, or else its own title; its unit unless it is percent, and which way is better."""
    text = metric.title if called == metric.name else called
    unit = "" if metric.unit in ("%", "", "count") else f" ({metric.unit})"
    arrow = {"higher": " ↑", "lower": " ↓", "": ""}[metric.better]
    return f"{text[:1].upper()}{text[1:]}{unit}{arrow}"


def _caption(
    table: PaperTable,
    about: pd.DataFrame,
    runs: Sequence[Run],
    *,
    num_left_out: int,
    interval: str,
    best: Bold,
) -> list[str]:
    """What the numbers are, in sentences without a full stop."""
    metrics = dict.fromkeys(column.metric for column in table.columns)
    titles = list(dict.fromkeys(column.title for column in table.columns))
    said = [titles[0]] if len(titles) == 1 else []
    unit = "" if all(metric.unit != "%" for metric in metrics) else "percent, "
    numbers = [number for row in table.rows.values() for number in row]
    known = any(math.isfinite(number.half_width) for number in numbers)
    spread = f" ± {SPREADS[interval]}" if known else ""
    said.append(_capital(f"{unit}mean over {_seeds(table)}{spread}"))
    if any(number.bold for number in numbers):
        said += best.sentences(reference=REFERENCE if (about["strategy"] == REFERENCE).any() else "")
    for benchmark, rows in about.groupby("benchmark", sort=False):
        for last in sorted(set(rows["test_last"].dropna())):
            said.append(f"{benchmark}: the last {last} tasks tested")
    if num_left_out:
        said.append(f"{counted(num_left_out, 'incomplete run')} left out")
    if any(math.isnan(number.mean) for number in numbers):
        said.append("–: not run, or not measured")
    said += [note.removesuffix(".") for note in recorded_notes(runs)]
    return said + _tuning(table, about)


def _tuning(table: PaperTable, about: pd.DataFrame) -> list[str]:
    """How the settings were found: once where it is the same on all benchmarks, or else for each."""
    places = {method: place for place, method in enumerate(table.rows)}
    in_order = about.sort_values("method", key=lambda names: names.map(places), kind="stable")
    told = {
        str(benchmark): tuning_lines(rows[rows["num_seeds"] > 0])
        for benchmark, rows in in_order.groupby("benchmark", sort=False)
    }
    (first, *others) = told.values()
    if all(lines == first for lines in others):
        return first
    return [f"{benchmark}: {'; '.join(lines)}" for benchmark, lines in told.items() if lines]


def _seeds(table: PaperTable) -> str:
    """How many seeds there are, and where there are others than usual."""
    found = {
        (method, column.benchmark): number.num_seeds
        for method, row in table.rows.items()
        for column, number in zip(table.columns, row, strict=True)
        if number.num_seeds
    }
    counts = Counter(found.values())
    usual = max(counts, key=lambda number: (counts[number], number), default=0)
    others = [f"{method} on {where} {number}" for (method, where), number in found.items() if number != usual]
    if len(others) > MOST_EXCEPTIONS:
        return f"{min(counts)} to {counted(max(counts), 'seed')}"
    return counted(usual, "seed") + (f" ({', '.join(others)})" if others else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
