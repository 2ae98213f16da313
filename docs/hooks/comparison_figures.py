"""The figures of docs/comparison.md and the pages like it: which are drawn, and how pages name them."""

from pathlib import Path
from typing import Any

import pandas as pd

from cl_bench.analysis.comparison import aggregate
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import REFERENCE as JOINT
from cl_bench.figures.style import save
from cl_bench.report.figure_kinds import out_of_distribution
from cl_bench.report.figure_options import Options
from cl_bench.report.plot import drawings
from docs.hooks import reference

ACCURACY = "average_accuracy"
FOREIGN = out_of_distribution.__name__
FIGURE = ("permuted_mnist", "permuted_cifar10", "split_mnist", "split_cifar10")  # of the README


def rankings(results: Results) -> list[pd.DataFrame]:
    """Ranks over benchmarks, the fewest methods first: of what was run on all of them, and of all methods.

    The second is over the benchmarks that have all methods. Each needs two methods and three benchmarks.
    Joint training has no rank.
    """
    values = results.metrics.assign(study="")
    values = values[values["strategy"] != JOINT]
    found = []
    for chosen in (values[values["method"].isin(run_everywhere(values))], values):
        ranked = aggregate(chosen, metrics=[ACCURACY]).dropna(subset=["average_rank"])
        if len(ranked) and not any(set(ranked["method"]) == set(other["method"]) for other in found):
            found.append(ranked.sort_values("average_rank", kind="stable"))
    return found


def run_everywhere(values: pd.DataFrame) -> list[str]:
    """The methods that were run on each benchmark of the runs."""
    number = values.groupby("method")["benchmark"].nunique()
    return list(number.index[number == values["benchmark"].nunique()])


def shown(words: str, folder: Path, name: str) -> str:
    """A figure where a checkout has it; empty where it is not drawn."""
    there = (folder / "figures" / name).is_file()
    return f"\n![{words}](../results/reference/{folder.name}/figures/{name})\n" if there else ""


def figure_names(folder: Path) -> tuple[str, str]:
    return f"critical_difference-{folder.name}.png", f"critical_difference-{folder.name}_all.png"


def draw(folder: Path) -> None:
    """Draw the figures that the pages show into the study's folder, small."""
    results = Results.read(folder).told_apart()
    for name, ranked in zip(figure_names(folder), rankings(results), strict=False):
        _draw(results, folder / "figures" / name, methods=list(ranked["method"]), metric=ACCURACY)
    for name in sorted(set(results.foreign["benchmark"])):
        _draw(results.of_benchmarks({name}), folder / "figures" / f"{FOREIGN}-{name}.png")
    here = {run.benchmark for run in results.complete} & set(FIGURE)
    if len(here) > 1:
        name = f"forgetting_over_benchmarks-{folder.name}.png"
        chosen = results.of_benchmarks(here)
        _draw(chosen, folder / "figures" / name, methods=run_everywhere(chosen.metrics))


def _draw(results: Results, path: Path, **options: Any) -> None:
    """Draw the kind that the file is called after, of all studies together."""
    kind = path.name.partition("-")[0]
    look = Options(title="", **options)
    path.parent.mkdir(exist_ok=True)
    (drawing,) = drawings(results, [kind], folder=path.parent, together=True, options=look)
    save(drawing.make(**drawing.arguments), path.with_suffix(""), formats=("png",))
    reference.shrink(path)
