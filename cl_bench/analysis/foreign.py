"""Foreign data sets: how well they are told from the tasks seen, from the rows of ood.csv."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.frame import Damaged, repeated, rows_of
from cl_bench.analysis.over_seeds import over_seeds
from cl_bench.analysis.registry import FOREIGN, PAGE, TEXT, metric
from cl_bench.records.errors import AnalysisError
from cl_bench.records.rows import Foreign
from cl_bench.records.runs import Run

_RUN = ["study", "run"]
MEASURES = ("confidence", "entropy", "mutual_information")  # of doubt, by which images are told apart
COLUMNS = ("study", "benchmark", "method", "strategy", "seed", "num_tasks", "run", *Foreign._fields[1:])


def read_foreign(found: Sequence[Run], *, damaged: Damaged | None = None) -> pd.DataFrame:
    """The rows of ood.csv of all finished runs that have some, one row a data set after a task.

    Columns: study, benchmark, method, strategy, seed, num_tasks, run, after_task, dataset (its name),
    auroc_confidence, auroc_entropy, auroc_mutual_information, num_examples; see `Foreign`.

    Args:
        damaged: with it, a file that breaks the format is no error: its run goes there, and has no rows.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> # training.ood was not set
    >>> len(read_foreign([Run(Path("few/ewc-s0"), "few", status="finished")]))
    0
    """
    rows_by_run = [rows_of(run, Foreign, damaged) if _has_some(run) else [] for run in found]
    tested = [(run, rows) for run, rows in zip(found, rows_by_run, strict=True) if rows]
    if not tested:
        return pd.DataFrame(columns=list(COLUMNS))
    lengths = [len(rows) for _, rows in tested]
    columns: dict[str, Any] = {
        name: repeated([getattr(run, name) for run, _ in tested], lengths)
        for name in ("study", "benchmark", "method", "strategy", "seed", "num_tasks")
    }
    columns["run"] = repeated([run.name for run, _ in tested], lengths)
    fields = zip(*(row for _, rows in tested for row in rows), strict=True)
    columns |= {
        name: np.array(field) for name, field in zip(Foreign._fields, fields, strict=True) if name != "seed"
    }
    columns["dataset"] = [_name(run, row.dataset) for run, rows in tested for row in rows]
    # a resumed run tests again what it had tested: the last counts
    frame = pd.DataFrame(columns)[list(COLUMNS)]
    return frame.drop_duplicates([*_RUN, "after_task", "dataset"], keep="last", ignore_index=True)


def foreign_curves(
    foreign: pd.DataFrame, measure: str = "confidence", *, interval: str = "t"
) -> pd.DataFrame:
    """How well each foreign data set is told from the tasks seen, after each task.

    Columns: study, benchmark, method, dataset, after_task, mean, low, high (AUROC, 95 % Student t interval
    over seeds), num_seeds.

    Args:
        foreign: as `read_foreign` gives it.
        measure: one of `MEASURES`.
        interval: t, or another of `INTERVALS`.

    Raises:
        AnalysisError: for a measure of another name.

    >>> about = {"study": "few", "benchmark": "digits", "method": "vcl", "dataset": "letters"}
    >>> table = pd.DataFrame({"after_task": [1, 1, 2], "auroc_confidence": [0.5, 0.7, 0.9]})
    >>> foreign_curves(table.assign(**about))[["after_task", "mean", "num_seeds"]].round(4)
       after_task  mean  num_seeds
    0           1   0.6          2
    1           2   0.9          1
    """
    if measure not in MEASURES:
        raise AnalysisError(f"a measure is one of {', '.join(MEASURES)}, got {measure=}")
    return over_seeds(foreign, f"auroc_{measure}", by=["dataset", "after_task"], interval=interval)


def _has_some(run: Run) -> bool:
    """Whether a finished run was tested on foreign data: of the others no file is looked for."""
    return run.status == "finished" and bool((run.about or {}).get("ood"))


def _name(run: Run, number: int) -> str:
    """The name of a data set by its place in training.ood."""
    names = (run.about or {}).get("ood")
    if isinstance(names, list) and number <= len(names):
        return str(names[number - 1])
    return f"data set {number}"


@metric(
    "foreign AUROC",
    of=FOREIGN,
    better="higher",
    meaning="confidence on the tests of tasks seen against that on foreign data sets, after the last task",
    places=(TEXT, PAGE),
    group="uncertainty",
)
def foreign_auroc(foreign: pd.DataFrame) -> dict[Any, Any]:
    """How well confidence tells the tasks from foreign data sets, after the last task, as a mean over these.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [1, 1]}
    >>> foreign_auroc(pd.DataFrame(run | {"auroc_confidence": [0.5, 1.0]}))
    {('few', 'vcl-s0'): 0.75}
    """
    return _in_the_end(foreign, "auroc_confidence")


@metric(
    "foreign AUROC, entropy",
    of=FOREIGN,
    better="higher",
    meaning="the same by the entropy of the prediction",
    places=(),
    group="uncertainty",
)
def foreign_auroc_entropy(foreign: pd.DataFrame) -> dict[Any, Any]:
    """How well the entropy tells the tasks from foreign data sets, after the last task.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [1]}
    >>> foreign_auroc_entropy(pd.DataFrame(run | {"auroc_entropy": [0.5]}))
    {('few', 'vcl-s0'): 0.5}
    """
    return _in_the_end(foreign, "auroc_entropy")


@metric(
    "foreign AUROC, mutual information",
    of=FOREIGN,
    better="higher",
    meaning="the same by the mutual information of label and weights",
    group="uncertainty",
)
def foreign_auroc_mutual_information(foreign: pd.DataFrame) -> dict[Any, Any]:
    """How well the mutual information tells the tasks from foreign data sets, after the last task.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [1]}
    >>> foreign_auroc_mutual_information(
    ...     pd.DataFrame(run | {"auroc_mutual_information": [0.5]})
    ... )
    {('few', 'vcl-s0'): 0.5}
    """
    return _in_the_end(foreign, "auroc_mutual_information")


def _in_the_end(foreign: pd.DataFrame, column: str) -> dict[Any, Any]:
    last = foreign[foreign["after_task"] == foreign["num_tasks"]]
    return last.groupby(_RUN, sort=False)[column].mean().to_dict()
