"""What a report says beyond its table: sentences, and the numbers they come from as tables."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.comparison import aggregate, comparison, sentences
from cl_bench.analysis.matched_seeds import purposes, seed_parts
from cl_bench.analysis.matrix import RunMatrix
from cl_bench.analysis.registry import compared_metrics, title_of
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.analysis.stability_gap import continual_evaluation
from cl_bench.analysis.variance import variance_shares
from cl_bench.records.runs import Run
from cl_bench.records.text import counted


class Statements(NamedTuple):
    """Blocks of text, and tables by file name."""

    text: list[str]
    tables: dict[str, pd.DataFrame]


def statements(
    found: Sequence[Run],
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    probes: pd.DataFrame,
    accuracies: Sequence[RunMatrix] | None = None,
) -> Statements:
    """Make sentences of a folder's runs, their records, their summary and what `read_probes` gives of them;
    `accuracies` as in `run_metrics`.

    Tables: comparison.csv (`comparison`), statistics.csv (`aggregate`); seed_variance.csv (`variance_shares`)
    where parts of the seed were varied alone; continual_evaluation.csv where there are probes.
    """
    recorded = [run for run in found if run.records]
    values = run_metrics(frame, accuracies=accuracies).merge(seed_parts(recorded), on=["study", "run"])
    compared = comparison(values)
    tables = {"comparison.csv": compared, "statistics.csv": aggregate(values)}
    text = sentences(compared, summary)
    shares = variance_shares(values, purposes(recorded), compared_metrics())
    if len(shares):
        tables["seed_variance.csv"] = shares
        text.append(_variance_text(shares))
    probed = continual_evaluation(probes)
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
        where = f"{study}: {method} on {benchmark}, {title_of(metric)}"
        lines.append(f"  {where}: {said} ({counted(rows['num_runs'].iloc[0], 'run')})")
    return "\n".join(lines)


def _probes_text(probed: pd.DataFrame) -> str:
    lines = ["Continual evaluation (means over runs, percent of samples)"]
    for key, rows in probed.groupby(["study", "benchmark", "method"], sort=False):
        study, benchmark, method = map(str, key)
        lines.append(f"  {study}: {method} on {benchmark}: {_probed(rows.mean(numeric_only=True))}")
    return "\n".join(lines)


def _probed(mean: pd.Series) -> str:
    """What is known of it: in a stream of one task no old one is tested while a new one is learned."""
    percent = {name: f"{100 * value:.1f}" for name, value in mean.items() if np.isfinite(value)}
    said = [
        f"{title} accuracy {percent[name]}"
        for title, name in (("minimum", "minimum_accuracy"), ("worst-case", "worst_case_accuracy"))
        if name in percent
    ]
    parts = [", ".join(said)] if said else []
    if "gap_depth" in percent:
        steps = mean["steps_to_recovery"]
        recovery = f", in {counted(round(steps), 'step')} where they do" if np.isfinite(steps) else ""
        parts.append(
            f"a new task costs an old one {percent['gap_depth']} points at the lowest; "
            f"{100 * mean['share_recovered']:.0f} % recover{recovery}"
        )
    if np.isfinite(mean["probe_seconds"]):
        parts.append(f"probing took {mean['probe_seconds']:.1f} s a run")
    return "; ".join(parts)
