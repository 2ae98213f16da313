"""What a report says beyond its table: sentences, and the numbers they come from as tables."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.comparison import ALPHA, MARGIN, aggregate, comparison
from cl_bench.analysis.matched_seeds import purposes
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.paired_tests import smallest_wilcoxon
from cl_bench.analysis.registry import compared_metrics, title_of
from cl_bench.analysis.results import Results
from cl_bench.analysis.stability_gap import continual_evaluation
from cl_bench.analysis.summary import REFERENCE
from cl_bench.analysis.variance import variance_shares
from cl_bench.records.text import counted
from cl_bench.report.numbers import tenths
from cl_bench.report.over_benchmarks import tables_over_benchmarks


class Statements(NamedTuple):
    """Blocks of text, and tables by file name."""

    text: list[str]
    tables: dict[str, pd.DataFrame]


def statements(results: Results) -> Statements:
    """What follows from the runs, in sentences, and the tables that the sentences come from.

    The tables are comparison.csv (`comparison`) and statistics.csv (`aggregate`). Where parts of the seed
    were varied alone there is seed_variance.csv (`variance_shares`), and continual_evaluation.csv where there
    are probes. A study of two benchmarks or more has those of `tables_over_benchmarks`.
    """
    values = results.metrics
    compared = comparison(values)
    tables = {"comparison.csv": compared, "statistics.csv": aggregate(values)}
    tables |= tables_over_benchmarks(values)
    text = sentences(compared, results.summary)
    recorded = [run for run in results.found if run.records]
    shares = variance_shares(values, purposes(recorded), compared_metrics())
    if len(shares):
        tables["seed_variance.csv"] = shares
        text.append(_variance_text(shares))
    probed = continual_evaluation(results.probes)
    if len(probed):
        tables["continual_evaluation.csv"] = probed
        text.append(_probes_text(probed))
    return Statements(text, tables)


def sentences(compared: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """Sentences on the best method of each study and benchmark against each other method.

    The reference `joint` is not among the methods that may be the best. A difference is one where the paired
    t-test, adjusted by Holm over all pairs of the benchmark, has p <= 5 %.

    Args:
        compared: the rows of `comparison`, of which those on average accuracy count.
        summary: the rows of `summary`.

    >>> from cl_bench.analysis.run_metrics import run_metrics
    >>> accuracies = {"ewc": [0.90, 0.92, 0.91], "si": [0.80, 0.81, 0.83]}
    >>> frame = pd.concat(
    ...     matrix_frame([[0.1], [accuracy]], method=method, seed=seed)
    ...     for method in accuracies
    ...     for seed, accuracy in enumerate(accuracies[method])
    ... )
    >>> (block,) = sentences(comparison(run_metrics(frame)), summary(frame))
    >>> print(block.splitlines()[1].strip().replace("; ", ";\\n"))
    ewc is 9.7 points (95 % interval 5.9 to 13.5, 3 seeds) more accurate than si;
    p = 0.0082.
    """
    blocks = []
    accuracy = compared[compared["metric"] == average_accuracy.__name__]
    several = summary["study"].nunique() > 1
    for (study, benchmark), pairs in accuracy.groupby(["study", "benchmark"], sort=False):
        here = summary[(summary["study"] == study) & (summary["benchmark"] == benchmark)]
        here = here[here["num_seeds"] > 0]
        contenders = here[here["strategy"] != REFERENCE]
        if contenders.empty or len(here) < 2:
            continue
        best = str(contenders["method"].iloc[0])  # summaries have the best first
        compared_with = {*pairs["first"], *pairs["second"]}
        others = [str(method) for method in here["method"] if method != best and method in compared_with]
        rows = {(row["first"], row["second"]): row for row in pairs.to_dict("records")}
        found = [_towards(best, other, rows) for other in others]
        if max(pair["num_seeds"] for pair in found) < 2:
            continue
        title = f"{study}: {benchmark}" if several else str(benchmark)
        lines = [f"{title}: accuracy after the last task, averaged over tasks; {best} on matched seeds"]
        lines += [f"  {sentence(pair, num_pairs=len(pairs))}" for pair in found]
        note = _wilcoxon_note(found, num_pairs=len(pairs))
        blocks.append("\n".join([*lines, *([f"  {note}"] if note else [])]))
    return blocks


def sentence(pair: dict[str, Any], *, num_pairs: int, margin: float = MARGIN) -> str:
    """A row of `comparison` on average accuracy, in words.

    Args:
        pair: the row.
        num_pairs: how many were compared with it, which Holm's adjustment counts.
        margin: of what counts as the same.

    >>> none = {"first": "ewc", "second": "si", "num_seeds": 0}
    >>> none |= {"difference": np.nan, "low": np.nan, "high": np.nan}
    >>> sentence(none, num_pairs=1)
    'ewc and si have no seed in common.'
    """
    first, second, number = pair["first"], pair["second"], int(pair["num_seeds"])
    difference, low, high = (100 * pair[name] for name in ("difference", "low", "high"))
    if number == 0:
        return f"{first} and {second} have no seed in common."
    if number == 1:
        return f"{_apart(first, second, difference)} with the one seed they share; no interval."
    if difference == low == high == 0:
        return f"{first} and {second} are as accurate as each other with each of {number} seeds."
    if difference < 0:
        low, high = -high, -low
    interval = f" (95 % interval {tenths(low)} to {tenths(high)}, {number} seeds)"
    said = _apart(first, second, difference, interval)
    adjusted = f"{'Holm-adjusted ' if num_pairs > 1 else ''}{_p(pair['p_student_holm'])}"
    if pair["p_student_holm"] <= ALPHA:
        return f"{said}; {adjusted}."
    if pair["p_equivalent"] <= ALPHA:
        points = "1 point" if margin == 0.01 else f"{100 * margin:g} points"
        return f"{said}: the same within {points} (TOST, {_p(pair['p_equivalent'])})."
    short = f"is not enough among {num_pairs} pairs" if low > 0 else "does not tell them apart"
    return f"{said}, which {short} ({adjusted}){_more_seeds(pair, number)}."


def _more_seeds(pair: dict[str, Any], number: int) -> str:
    """What more seeds would tell; nothing of fewer than 3, whose spread is next to unknown."""
    if number < 3:
        return ""
    needed = pair["seeds_needed"]
    if pd.isna(needed):
        return "; no number of seeds in sight would separate them"
    more = int(needed) - number
    if more < 1:  # with this difference and spread; these seeds were less lucky than four in five
        return "; more seeds may decide it"
    return f"; about {counted(more, 'more seed')} {'is' if more == 1 else 'are'} needed"


def _wilcoxon_note(pairs: Sequence[dict[str, Any]], *, num_pairs: int) -> str:
    """What Wilcoxon's test can say with so few seeds; empty where it can say as much as Student's."""
    number = max(int(pair["num_seeds"]) for pair in pairs)
    smallest = smallest_wilcoxon(number)
    if smallest * num_pairs <= ALPHA:
        return ""
    adjusted = f", {min(1.0, smallest * num_pairs):.2g} after Holm" if num_pairs > 1 else ""
    return (
        "p is of paired t-tests, which take differences for normal; Wilcoxon's test cannot decide with "
        f"{number} seeds: its smallest p is {smallest:.2g}{adjusted}."
    )


def _towards(first: str, second: str, pairs: Mapping[Any, Mapping[Any, Any]]) -> dict[str, Any]:
    """The pair's row, as first - second."""
    if (first, second) in pairs:
        return dict(pairs[first, second])
    row = pairs[second, first]
    turned = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
    return {**row, **turned, "first": first, "second": second}


def _apart(first: str, second: str, difference: float, interval: str = "") -> str:
    """Write a difference in points; one that would be written as 0.0 is less than 0.1."""
    better = "more accurate" if difference >= 0 else "less accurate"
    if difference == 0:
        return f"{first} is as accurate as {second}{interval}"
    size = "less than 0.1" if abs(difference) < 0.05 else f"{abs(difference):.1f}"
    return f"{first} is {size} points{interval} {better} than {second}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


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
