"""Every kind of figure: what `cl-bench plot` and the report draw is what stands in `KINDS`.

A kind is a function of the results of one benchmark (or of several, where it is in `OVER_BENCHMARKS`) and of
the look of the figure: `styles`, `title`, `width`. It computes the numbers, then has them drawn. Where they
cannot be drawn it raises an AnalysisError that says why, NotMeasuredError where the runs left no such
numbers. The first line of its docstring is what `cl-bench plot --help` says.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cl_bench.analysis.by_class import confusion_curves, confusion_frame
from cl_bench.analysis.comparison import FEWEST_BENCHMARKS, aggregate
from cl_bench.analysis.curves import gap_curves, probe_curves, seen_and_unseen, state_curves
from cl_bench.analysis.matched_seeds import parts_of, purposes
from cl_bench.analysis.matrix import RunMatrix
from cl_bench.analysis.pareto import COSTS
from cl_bench.analysis.pareto import pareto as pareto_front
from cl_bench.analysis.registry import compared_metrics
from cl_bench.analysis.reliability import calibration_errors, reliability
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import MOST_METHODS
from cl_bench.analysis.variance import variance_shares
from cl_bench.records.errors import AnalysisError, NotMeasuredError
from cl_bench.records.row_files import RecordsError
from cl_bench.records.runs import Run
from cl_bench.report.over_benchmarks import OF_SEVERAL_BENCHMARKS

if TYPE_CHECKING:  # matplotlib is imported when something is drawn, so that --help and the report are quick
    from matplotlib.figure import Figure


def forgetting(results: Results, **look: Any) -> "Figure":
    """Accuracy on each task as later ones are learned, and the mean over tasks seen."""
    from cl_bench.figures.forgetting import forgetting_figure

    _some_run_complete(results)
    return forgetting_figure(results.curves, results.averages, **look)


def comparison(results: Results, **look: Any) -> "Figure":
    """Average accuracy against forgetting."""
    from cl_bench.figures.comparison import comparison_figure, drawable

    _some_run_complete(results)
    if drawable(results.summary).empty:
        raise AnalysisError("forgetting is of a task that is tested again after a later one")
    return comparison_figure(results.summary, **look)


def heatmap(results: Results, **look: Any) -> "Figure":
    """Each method's matrix of accuracies: task tested by task last learned."""
    from cl_bench.figures.heatmap import heatmap_figure

    _some_run_complete(results)
    return heatmap_figure(results.curves, title=look["title"], width=look["width"])


def confusion(results: Results, **look: Any) -> "Figure":
    """Which task's classes the examples of each task are taken for (class-incremental, saved predictions)."""
    from cl_bench.figures.confusion import confusion_figure

    _some_run_complete(results)
    try:
        curves = confusion_curves(confusion_frame(results.complete))
    except (RecordsError, OSError) as error:
        raise AnalysisError(str(error)) from error
    return confusion_figure(curves, title=look["title"], width=look["width"], height=look.get("height"))


def pareto(results: Results, **look: Any) -> "Figure":
    """Average accuracy against stored bits and against training time, with the Pareto front."""
    from cl_bench.figures.pareto import pareto_figure

    fronts = {cost: pareto_front(results.summary, cost) for cost in COSTS}
    known = {cost: front for cost, front in fronts.items() if len(front)}
    if not known:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no states.csv, which has bits and seconds: these runs are from before it; run again"
        )
    return pareto_figure(known, **look)


def calibration(results: Results, **look: Any) -> "Figure":
    """Reliability diagrams of tasks when they were learned, and in the end."""
    from cl_bench.figures.calibration import calibration_figure

    _some_run_complete(results)
    if results.calibration.empty:
        raise NotMeasuredError("no calibration.csv: these runs are from before it was written; run again")
    bins = reliability(results.calibration)
    if bins.empty:
        raise NotMeasuredError(
            "calibration before and after later tasks needs a task that is tested after a later one"
        )
    return calibration_figure(bins, calibration_errors(results.calibration), **look)


def uncertainty(results: Results, **look: Any) -> "Figure":
    """Entropy and its epistemic part on tasks seen and on tasks to come."""
    from cl_bench.figures.uncertainty import LABELS, uncertainty_figure

    measures = {name: seen_and_unseen(results.records, name) for name in LABELS}
    known = {name: curves for name, curves in measures.items() if len(curves)}
    if not known:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no entropy in records.csv: these runs are from before it was measured; run again"
        )
    return uncertainty_figure(known, state_curves(results.states, "ood_auroc"), **look)


def stability_gap(results: Results, **look: Any) -> "Figure":
    """Accuracy on earlier tasks, step by step, while others are learned."""
    from cl_bench.figures.stability_gap import stability_gap_figure

    if results.probes.empty:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no probes.csv: run with training.probe_every (10, say: a test every 10 steps)"
        )
    gaps = gap_curves(results.probes)
    if gaps.empty:
        raise NotMeasuredError("a stability gap is of a task that is tested while a later one is learned")
    return stability_gap_figure(probe_curves(results.probes), gaps, **look)


def drift(results: Results, **look: Any) -> "Figure":
    """How far the posterior moves with each task, and the share of frozen weights."""
    from cl_bench.figures.drift import drift_figure

    tables = [state_curves(results.states, name) for name in ("drift", "frozen")]
    if all(table.empty for table in tables):
        _some_run_complete(results)
        raise NotMeasuredError(
            "no states.csv: these runs are from before it was written; run again"
            if results.states.empty
            else "none of these methods has a posterior (vcl, bayesbinn, mesu and others have)"
        )
    return drift_figure(*tables, **look)


def variance(results: Results, **look: Any) -> "Figure":
    """Which part of the randomness (first weights, task order, ...) the spread of a metric is due to."""
    from cl_bench.figures.variance import variance_figure

    shares = None
    if any(part != run.seed for run in results.found for part in parts_of(run.seed, run.settings).values()):
        shares = variance_shares(results.metrics, purposes(results.complete), compared_metrics())
    if shares is None or shares.empty:
        _some_run_complete(results)
        raise NotMeasuredError(
            "no part of the seed was varied alone: run -m seed_for.init=0,1,2 seed_for.order=0,1,2"
        )
    return variance_figure(shares, title=look["title"], width=look["width"])


def critical_difference(results: Results, **look: Any) -> "Figure":
    """Average ranks over three benchmarks or more, and which of them may be chance."""
    from cl_bench.figures.critical_difference import critical_difference_figure

    found = sorted({run.benchmark for run in results.complete})
    if len(found) < FEWEST_BENCHMARKS:
        _some_run_complete(results)
        raise NotMeasuredError(
            f"ranks need {FEWEST_BENCHMARKS} benchmarks or more, these runs are of {', '.join(found)}"
        )
    together = results.metrics.assign(study="all")  # of one study already, or to be compared across studies
    ranked = aggregate(together).dropna(subset=["average_rank"])
    if ranked.empty:
        raise NotMeasuredError(
            f"ranks need two methods or more that were all run on {FEWEST_BENCHMARKS} benchmarks or more"
        )
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
        stability_gap,
        drift,
        variance,
        critical_difference,
        *OF_SEVERAL_BENCHMARKS,
    )
}
OVER_BENCHMARKS = tuple(kind.__name__ for kind in (critical_difference, *OF_SEVERAL_BENCHMARKS))
LONGEST_NAME = 150  # bytes of a study and benchmark in a file's name; most disks take 255 in all


class Part(NamedTuple):
    """What goes into one figure."""

    name: str  # for its file
    title: str
    results: Results


def parts_of_kinds(results: Results, kinds: Iterable[str], *, together: bool) -> dict[str, list[Part]]:
    """Kind -> a part a study and benchmark, or a study where the kind is over benchmarks.

    With `together` the studies of a benchmark are in one figure. No parts where no run is complete.
    """
    each, over = _parts(results, over=False, together=together), _parts(results, over=True, together=together)
    return {kind: over if kind in OVER_BENCHMARKS else each for kind in kinds}


class Place(NamedTuple):
    """The study or benchmark whose runs go into one figure."""

    name: str  # for its file
    title: str
    where: dict[str, str]  # study, benchmark or both; empty where it is of all


def _parts(results: Results, *, over: bool, together: bool) -> list[Part]:
    found = places(results.complete, over=over, together=together)
    return [_part(place.name, place.title, results.only(**place.where)) for place in found]


def places(runs: Sequence[Run | RunMatrix], *, over: bool = False, together: bool = False) -> list[Place]:
    """What each figure of these complete runs is of; `over` where a kind is over benchmarks."""
    studies, benchmarks = sorted({run.study for run in runs}), sorted({run.benchmark for run in runs})
    where: dict[str, dict[str, str]]  # title -> what the part is of
    if over:
        where = {study: {"study": study} for study in studies}
        if together and runs:
            where = {", ".join(studies): {}}
    elif together or len(studies) == 1:
        where = {benchmark: {"benchmark": benchmark} for benchmark in benchmarks}
    else:
        pairs = sorted({(run.study, run.benchmark) for run in runs})
        where = {f"{study}: {name}": {"study": study, "benchmark": name} for study, name in pairs}
    taken: set[str] = set()
    return [
        Place(_unique(_file_name("-".join(chosen.values()) or "all"), taken), title, chosen)
        for title, chosen in where.items()
    ]


def _part(name: str, title: str, results: Results) -> Part:
    drawn = results.most_accurate(MOST_METHODS)
    number = results.summary["method"].nunique()
    said = "" if drawn is results else f" (the best {MOST_METHODS} of {number} methods)"
    return Part(name, title + said, drawn)


def _some_run_complete(results: Results) -> None:
    if not results.complete:
        raise AnalysisError("no run is complete: each must have tested all that was to be tested")


def _file_name(text: str) -> str:
    """The text as a part of a file's name; a long one is cut and told apart by a hash."""
    name = re.sub(r"[^\w.=+-]+", "_", text)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    kept = name.encode()[: LONGEST_NAME - 9].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _unique(name: str, taken: set[str]) -> str:
    """The name, or one with a number: names that differ in case alone are one file on some disks."""
    candidates = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    free = next(candidate for candidate in candidates if _on_disk(candidate) not in taken)
    taken.add(_on_disk(free))
    return free


def _on_disk(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
