"""What a report says beyond its table: sentences, and the numbers they come from as tables."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from cl_bench.analysis.comparison import METRICS, aggregate, comparison, sentences
from cl_bench.analysis.folders import Run
from cl_bench.analysis.matrix import RunMatrix
from cl_bench.analysis.measured import run_metrics
from cl_bench.analysis.probes import continual_evaluation, read_probes
from cl_bench.analysis.seeds import purposes, seed_parts
from cl_bench.analysis.variance import variance_shares


class Statements(NamedTuple):
    """Blocks of text, and tables by file name."""

    text: list[str]
    tables: dict[str, pd.DataFrame]


def statements(
    found: Sequence[Run],
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    accuracies: Sequence[RunMatrix] | None = None,
) -> Statements:
    """From the runs of a folder, their records and their summary; `accuracies` as in `run_metrics`.

    Tables: comparison.csv (`comparison`), statistics.csv (`aggregate`); seed_variance.csv (`variance_shares`)
    where parts of the seed were varied alone; continual_evaluation.csv where there are probes.
    """
    recorded = [run for run in found if run.records]
    values = run_metrics(frame, accuracies=accuracies).merge(seed_parts(recorded), on=["study", "run"])
    compared = comparison(values)
    tables = {"comparison.csv": compared, "statistics.csv": aggregate(values)}
    text = sentences(compared, summary)
    shares = variance_shares(values, purposes(recorded), METRICS)
    if len(shares):
        tables["seed_variance.csv"] = shares
        text.append(_variance_text(shares))
    probed = continual_evaluation(read_probes(recorded))
    if len(probed):
        tables["continual_evaluation.csv"] = probed
        text.append(_probes_text(probed))
    return Statements(text, tables)


def _variance_text(shares: pd.DataFrame) -> str:
    lines = [
        "Variance by part of the seed (runs that share parts are not independent: intervals over them,",
        "above, are too narrow)",
    ]
    for key, rows in shares.groupby(["study", "benchmark", "method", "metric"], sort=False):
        study, benchmark, method, metric = map(str, key)
        known = rows.dropna(subset=["share"]).sort_values("share", ascending=False, kind="stable")
        named = zip(known["part"], known["share"].astype(float), strict=True)
        parts = [f"{part} {100 * share:.0f} %" for part, share in named]
        said = ", ".join(parts) or "nothing varies"
        where = f"{study}: {method} on {benchmark}, {metric.replace('_', ' ')}"
        lines.append(f"  {where}: {said} ({rows['num_runs'].iloc[0]} runs)")
    return "\n".join(lines)


def _probes_text(probed: pd.DataFrame) -> str:
    lines = ["Continual evaluation (means over runs, percent of samples)"]
    for key, rows in probed.groupby(["study", "benchmark", "method"], sort=False):
        study, benchmark, method = map(str, key)
        mean = rows.mean(numeric_only=True)
        steps = mean["steps_to_recovery"]
        recovery = f", in {steps:.0f} steps where they do" if steps == steps else ""
        seconds = mean["probe_seconds"]
        cost = f"; probing took {seconds:.1f} s a run" if seconds == seconds else ""
        lines.append(
            f"  {study}: {method} on {benchmark}: minimum accuracy {100 * mean['minimum_accuracy']:.1f}, "
            f"worst-case accuracy {100 * mean['worst_case_accuracy']:.1f}; a new task costs an old one "
            f"{100 * mean['gap_depth']:.1f} points at the lowest; {100 * mean['share_recovered']:.0f} % "
            f"recover{recovery}{cost}"
        )
    return "\n".join(lines)
