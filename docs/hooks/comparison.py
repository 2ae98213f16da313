"""docs/comparison.md and the pages like it: methods beside each other, made from the records of a study.

`python -m docs.hooks.comparison` draws the figures of the pages into the study's folder, and writes both.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.analysis.comparison import ALPHA, FEWEST_BENCHMARKS, comparison
from cl_bench.analysis.paired_tests import holm
from cl_bench.analysis.registry import Metric, metric_of
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import REFERENCE as JOINT
from cl_bench.analysis.tuning import OTHERWISE
from cl_bench.config.choices import choices
from cl_bench.records.text import counted
from cl_bench.report.bold import LEAST_SEEDS, TIES, bold_of
from cl_bench.report.numbers import UNKNOWN, rounded, tenths
from cl_bench.report.paper_table import values_of
from docs.hooks import searches
from docs.hooks.comparison_figures import ACCURACY, FOREIGN, draw, figure_names, rankings, shown
from docs.hooks.comparison_pages import PAGES, Page

BASELINE = "finetune"
TESTED = (
    "average_accuracy",
    "forgetting",
    "learning_accuracy",
    "worst_task_accuracy",
    "ece",
    "foreign_auroc",
)
COSTS = {
    "stored_bits": "stored (KiB)",
    "deployed_bits": "deployed (KiB)",
    "predicting_bits": "predicting (KiB)",
    "gradient_evaluations": "gradients (thousand)",
}
MOST_NAMED, MOST_LISTED = 3, 20  # methods in a sentence, and in one that only lists them
EVERY = "every_method"  # the study of all methods on small images
WRAPPERS = {"avalanche"}  # of conf/strategy that are no methods
NOT_YET = "\nNo run of it is in `results/reference` yet.\n"


class Benchmark(NamedTuple):
    """What is known of one benchmark."""

    name: str
    rows: list[dict[str, Any]]  # of the summary, the best first
    values: pd.DataFrame  # one row per run
    pairs: pd.DataFrame  # of `comparison`, average accuracy, without joint training
    with_joint: pd.DataFrame
    epochs: dict[str, str]  # by method
    sources: list[str]  # that its data are of

    @property
    def contenders(self) -> list[str]:
        return [row["method"] for row in self.rows if row["strategy"] != JOINT]

    def pair(self, first: str, second: str) -> dict[str, Any] | None:
        """The test of two methods, as first - second; None where they were not compared."""
        for row in [*self.pairs.to_dict("records"), *self.with_joint.to_dict("records")]:
            if (row["first"], row["second"]) == (first, second):
                return row
            if (row["first"], row["second"]) == (second, first):
                return row | {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
        return None

    @property
    def baseline(self) -> str | None:
        return next((row["method"] for row in self.rows if row["strategy"] == BASELINE), None)

    def beside(self, reference: str | None) -> dict[str, tuple[dict[str, Any], float]]:
        """Each method's test against one of them, and its p after Holm over these; nan of joint training."""
        if reference is None:
            return {}
        others = [row["method"] for row in self.rows if row["method"] != reference]
        pairs = {other: pair for other in others if (pair := self.pair(other, reference))}
        tested = [other for other in self.contenders if other in pairs]
        adjusted = dict(zip(tested, holm([pairs[other]["p_student"] for other in tested]), strict=True))
        return {other: (pair, float(adjusted.get(other, math.nan))) for other, pair in pairs.items()}


def page(about: Page, folder: Path | None = None) -> str:
    """The page of the records in a folder, the study's own by default; without records, what it will have."""
    folder = folder or about.folder
    if not folder.is_dir():
        return about.head + NOT_YET
    results = Results.read(folder).told_apart()
    found = list(benchmarks(results))
    said = about.remark if folder == about.folder else ""
    said += _commits({run.commit for run in results.complete})
    picture = f"forgetting_over_benchmarks-{folder.name}.png"
    said += shown("Average accuracy over the tasks seen, on each benchmark", folder, picture)
    parts = [about.head + said, _ranks(results, found, folder), *(_section(each, folder) for each in found)]
    parts += [searches.section(about.study), _differences(found, folder)]
    return "\n".join(filter(None, parts))


def _commits(found: set[str]) -> str:
    """Say of which commits the runs are; nothing where one does not tell."""
    names = [f"`{each}`" for each in sorted(found)]
    if "" in found or not names:
        return ""
    return f"\nAll runs are of commit{'s' if len(names) > 1 else ''} {_listed(names)}.\n"


def benchmarks(results: Results) -> Iterator[Benchmark]:
    """All benchmarks of the runs, in the order of their names."""
    metrics = [metric_of(name) for name in TESTED]
    values = values_of(results, metrics).assign(study="")
    for name in sorted({run.benchmark for run in results.complete}):
        runs = [run for run in results.complete if run.benchmark == name]
        here = values[values["benchmark"] == name]
        rows = results.summary[results.summary["benchmark"] == name].sort_values(
            f"{ACCURACY}_mean", ascending=False, kind="stable"
        )
        yield Benchmark(
            name,
            rows[rows["num_seeds"] > 0].to_dict("records"),
            here,
            comparison(here[here["strategy"] != JOINT], metrics=[ACCURACY]),
            comparison(here, metrics=[ACCURACY]),
            {run.method: _epochs(run.settings) for run in runs},
            sorted({str(run.about.get("data_source") or "") for run in runs}),
        )


def _epochs(settings: dict[str, Any]) -> str:
    steps = settings.get("training.iterations")
    return f"{settings.get('training.epochs', UNKNOWN)}" if steps is None else f"{steps} steps"


# A benchmark


def _section(found: Benchmark, folder: Path) -> str:
    row = found.rows[0]
    scenario = f", scenario `{row['scenario']}`" if row["scenario"] else ""
    lines = [
        f"## {found.name}\n",
        f"{counted(row['num_tasks'], 'task').capitalize()}{scenario}. {_leader(found)}",
    ]
    if any("jpeg" in source.lower() for source in found.sources):
        lines.append("The images are JPEG-coded, so that numbers are not those of the original images.")
    if any(math.isnan(row["predicting_bits_mean"]) for row in found.rows):
        lines.append(
            "Where a run is older than its count, `predicting` is the network with one set of weights."
        )
    foreign = shown("Foreign data, told from the tasks", folder, f"{FOREIGN}-{found.name}.png")
    return "\n".join(lines) + "\n\n" + _table(found) + foreign


def _leader(found: Benchmark) -> str:
    """Which method leads, and what is not told from it."""
    if not found.contenders:
        return "Only joint training was run."
    best = found.contenders[0]
    mean = {row["method"]: 100 * row[f"{ACCURACY}_mean"] for row in found.rows}
    said = f"`{best}` leads with {tenths(mean[best])} %"
    if found.baseline not in (None, best):
        said += f", {tenths(mean[best] - mean[found.baseline])} points above `{found.baseline}`"
    tests = found.beside(best)
    known = {
        other: tests[other][1]
        for other in found.contenders[1:]
        if other in tests and tests[other][0]["num_seeds"] >= LEAST_SEEDS
    }
    if not known:
        return f"{said}. No two methods have {LEAST_SEEDS} seeds in common, so that nothing is tested."
    alike = [other for other, p in known.items() if not p <= ALPHA]
    if not alike:
        return f"{said}. A paired t-test separates it from every other method."
    return f"{said}. A paired t-test does not separate it from {_named(alike)}."


def _named(methods: Sequence[str]) -> str:
    names, over = [f"`{each}`" for each in methods[:MOST_NAMED]], len(methods) - MOST_NAMED
    if over > 0:
        return f"{', '.join(names)} and {over} more"
    return _listed(names)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _table(found: Benchmark) -> str:
    metrics = [metric_of(name) for name in TESTED if found.values[name].notna().any()]
    bold = bold_of(found.values, metrics, which=TIES).cells
    titles = [each.short or each.title for each in metrics]
    header = ["method", "seeds", *titles, *COSTS.values(), "trials"]
    lines = []
    for row in found.rows:
        method = row["method"]
        cells = [_measured(row, each, (found.name, each.name, method) in bold) for each in metrics]
        costs = [_cost(row, name) for name in COSTS]
        lines.append([f"`{method}`", row["num_seeds"], *cells, *costs, _trials(row), found.epochs[method]])
    return markdown([*header, "epochs"], lines)


def _measured(row: dict[str, Any], metric: Metric, is_bold: bool) -> str:
    mean, high = (metric.factor * row[f"{metric.name}_{part}"] for part in ("mean", "high"))
    half = rounded(high - mean, metric.decimals, unknown="")
    text = rounded(mean, metric.decimals) + (f" ± {half}" if half else "")
    return f"**{text}**" if is_bold else text


def _cost(row: dict[str, Any], name: str) -> str:
    metric, mean = metric_of(name), row[f"{name}_mean"]
    if name == "predicting_bits" and math.isnan(mean):
        mean = row["deployed_bits_mean"]
    return rounded(metric.factor * mean, metric.decimals)


def _trials(row: dict[str, Any]) -> str:
    mean = row["trials_mean"]
    how = "by hand" if "by hand" in row["tuning_note"] else row["tuning"].removesuffix(OTHERWISE)
    text = f"{mean:.0f}" if not math.isnan(mean) else how
    return text + (OTHERWISE if row["tuning"].endswith(OTHERWISE) else "")


# Over benchmarks


def _ranks(results: Results, benchmarks: Sequence[Benchmark], folder: Path) -> str:
    text = "## Ranks\n\n"
    found = rankings(results)
    if not found:
        return f"{text}Ranks need {FEWEST_BENCHMARKS} benchmarks with the same methods.\n"
    for name, ranked in zip(figure_names(folder), found, strict=False):
        row = ranked.iloc[0]
        text += (
            f"Average ranks of {len(ranked)} methods over {row['num_benchmarks']} benchmarks, 1 is the best. "
            f"Ranks that are nearer than {row['critical_difference']:.2f} may be chance (Nemenyi).\n"
        )
        text += shown("Average ranks and the critical difference", folder, name)
        text += "\n" + _accuracies(ranked, benchmarks) + "\n"
    return text.rstrip("\n") + "\n"


def _accuracies(ranked: pd.DataFrame, benchmarks: Sequence[Benchmark]) -> str:
    """A method's rank, and its average accuracy on the benchmarks that it was run on."""
    metric = metric_of(ACCURACY)
    by_name = {each.name: {row["method"]: row for row in each.rows} for each in benchmarks}
    rows = []
    for method, rank in zip(ranked["method"], ranked["average_rank"], strict=True):
        there = [of_method.get(method) for of_method in by_name.values()]
        cells = [_measured(row, metric, False) if row else "not run" for row in there]
        rows.append([f"`{method}`", f"{rank:.2f}", *cells])
    return markdown(["method", "average rank", *by_name], rows)


def _differences(found: Sequence[Benchmark], folder: Path) -> str:
    """How far each method is above fine-tuning, and on which benchmarks that holds."""
    text = (
        f"## Differences to `{BASELINE}`\n\n"
        "Average accuracy, in points, as a mean over matched seeds with half of its 95 % interval. Bold "
        f"differences hold: p is {ALPHA:g} or less after Holm's adjustment over a benchmark's methods.\n\n"
    )
    methods = list(dict.fromkeys(method for each in found for method in (row["method"] for row in each.rows)))
    ran = {row["strategy"] for each in found for row in each.rows}
    missing = [name for name in choices("strategy") if name not in ran | WRAPPERS]
    tests = [each.beside(each.baseline) for each in found]
    rows = [
        [
            f"`{method}`",
            *(_difference(each, beside, method) for each, beside in zip(found, tests, strict=True)),
        ]
        for method in methods
        if method not in {each.baseline for each in found}
    ]
    text += markdown(["method", *(each.name for each in found)], rows)
    counts = [
        f"- `{each.name}`: {sum(each.pairs['p_student_holm'] <= ALPHA)} of {counted(len(each.pairs), 'pair')}"
        for each in found
    ]
    text += "\nPairs of methods that a test separates, without joint training:\n\n" + "\n".join(counts) + "\n"
    for first in range(0, len(missing), MOST_LISTED):
        text += f"\nNot run: {', '.join(f'`{name}`' for name in missing[first : first + MOST_LISTED])}.\n"
    if missing and folder.name != EVERY:
        text += f"\n[Every method]({EVERY}.md) has them on handwritten digits.\n"
    return text


def _difference(found: Benchmark, tests: dict[str, tuple[dict[str, Any], float]], method: str) -> str:
    if method not in {row["method"] for row in found.rows}:
        return "not run"
    pair, p = tests.get(method, ({"num_seeds": 0}, math.nan))
    if not pair["num_seeds"]:
        return UNKNOWN
    difference, high = 100 * pair["difference"], 100 * pair["high"]
    half = tenths(high - difference, unknown="")
    text = tenths(difference, sign=True) + (f" ± {half}" if half else "")
    return f"**{text}**" if pair["num_seeds"] >= LEAST_SEEDS and p <= ALPHA else text


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    for about in PAGES:
        if about.folder.is_dir():
            draw(about.folder)
        about.path.write_text(page(about))
