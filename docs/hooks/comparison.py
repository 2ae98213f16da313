"""docs/comparison.md: all methods on all benchmarks of the comparison, made from its records.

`python -m docs.hooks.comparison` draws the figures of results/reference/comparison that the pages show, and
writes the page.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.analysis.comparison import ALPHA, FEWEST_BENCHMARKS, comparison
from cl_bench.analysis.registry import Metric, metric_of
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import REFERENCE as JOINT
from cl_bench.analysis.tuning import OTHERWISE
from cl_bench.config.choices import choices
from cl_bench.records.text import counted
from cl_bench.report.bold import LEAST_SEEDS, TIES, bold_of
from cl_bench.report.numbers import UNKNOWN, rounded, tenths
from cl_bench.report.paper_table import values_of
from docs.hooks import reference, searches
from docs.hooks.comparison_figures import ACCURACY, FOREIGN, draw, figure_names, rankings, shown

STUDY = reference.REFERENCE / "comparison"
PAGE = reference.ROOT / "docs" / "comparison.md"
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

HEAD = f"""# The comparison

Every method is measured here on every benchmark that it was run on.
Settings are searched on streams that are not reported; the column `trials` has the budget of each.
[Tune without leaking](tuning.md) has the protocol, and [Strategies](strategies.md) the equations.
Each seed draws its own stream, which is the same for all methods. So differences are tested on matched seeds.

{{command}}The page is made from the records by `make reference`.
Numbers are means over seeds, ± half of the 95 % Student t interval, in percent where no unit is named.
Bold is the best of a column, and what a paired t-test does not separate from it.
Its p is above {ALPHA:g} after Holm's adjustment over all pairs.
Joint training is a reference, and never bold.

- `stored` is all that a method keeps to learn the next task.
- `deployed` is the network with one set of weights, of which a binary one is one bit.
- `predicting` is what its tested predictions need: a posterior where they average over weight samples.
- `gradients` counts those of single examples, for each weight sample and each importance.
- `trials` counts the settings that were tried. A run of `other settings` differs from its search.
- `foreign AUROC` says how well confidence tells Fashion-MNIST from the tasks: 100 tells all apart, 50 none.
"""
COMMAND = """```sh
cl-bench run experiment=comparison
```

That command runs eight methods. Those without a file in `conf/tuned/comparison_*` have their defaults. """
NOT_YET = "\nNo run of it is in `results/reference/comparison` yet.\n"


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


def page(folder: Path = STUDY) -> str:
    """The page of the records below a folder; where there are none, what it will have."""
    head = HEAD.replace("{command}", COMMAND if "comparison" in choices("experiment") else "")
    if not folder.is_dir():
        return head + NOT_YET
    results = Results.read(folder).told_apart()
    found = list(benchmarks(results))
    said = f"\n{reference.remarks(STUDY.name)[1]}\n" if folder == STUDY else ""
    said += _commits({run.commit for run in results.complete})
    picture = f"forgetting_over_benchmarks-{folder.name}.png"
    said += shown("Average accuracy over the tasks seen, on each benchmark", folder, picture)
    parts = [head + said, *(_section(each, folder) for each in found), searches.section()]
    parts += [_ranks(results, folder), _differences(found)]
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
    tests = {other: found.pair(best, other) for other in found.contenders[1:]}
    known = {other: pair for other, pair in tests.items() if pair and pair["num_seeds"] >= LEAST_SEEDS}
    if not known:
        return f"{said}. No two methods have {LEAST_SEEDS} seeds in common, so that nothing is tested."
    alike = [other for other, pair in known.items() if not pair["p_student_holm"] <= ALPHA]
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


def _ranks(results: Results, folder: Path) -> str:
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
        rows = [[f"`{each['method']}`", f"{each['average_rank']:.2f}"] for each in ranked.to_dict("records")]
        text += "\n" + markdown(["method", "average rank"], rows) + "\n"
    return text.rstrip("\n") + "\n"


def _differences(found: Sequence[Benchmark]) -> str:
    """How far each method is above fine-tuning, and on which benchmarks that holds."""
    text = (
        f"## Differences to `{BASELINE}`\n\n"
        "Average accuracy, in points, as a mean over matched seeds with half of its 95 % interval. Bold "
        f"differences hold: p is {ALPHA:g} or less after Holm's adjustment over the benchmark's pairs.\n\n"
    )
    methods = list(dict.fromkeys(method for each in found for method in (row["method"] for row in each.rows)))
    ran = {row["strategy"] for each in found for row in each.rows}
    missing = [name for name in choices("strategy") if name not in ran | WRAPPERS]
    rows = [
        [f"`{method}`", *(_difference(each, method) for each in found)]
        for method in methods
        if method not in {each.baseline for each in found}
    ]
    text += markdown(["method", *(each.name for each in found)], rows)
    counts = [
        f"- `{each.name}`: {sum(each.pairs['p_student_holm'] <= ALPHA)} of {counted(len(each.pairs), 'pair')}"
        for each in found
    ]
    text += "\nSo many pairs of methods are separated, joint training aside:\n\n" + "\n".join(counts) + "\n"
    for first in range(0, len(missing), MOST_LISTED):
        text += f"\nNot run: {', '.join(f'`{name}`' for name in missing[first : first + MOST_LISTED])}.\n"
    if missing and EVERY in choices("experiment"):
        text += f"\n`cl-bench run experiment={EVERY}` runs every method on handwritten digits.\n"
    return text


def _difference(found: Benchmark, method: str) -> str:
    if method not in {row["method"] for row in found.rows}:
        return "not run"
    pair = None if found.baseline is None else found.pair(method, found.baseline)
    if pair is None or not pair["num_seeds"]:
        return UNKNOWN
    difference, high = 100 * pair["difference"], 100 * pair["high"]
    half = tenths(high - difference, unknown="")
    text = tenths(difference, sign=True) + (f" ± {half}" if half else "")
    holds = pair["num_seeds"] >= LEAST_SEEDS and pair["p_student_holm"] <= ALPHA
    return f"**{text}**" if holds and method in found.contenders else text


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    if STUDY.is_dir():
        draw(STUDY)
    PAGE.write_text(page())
