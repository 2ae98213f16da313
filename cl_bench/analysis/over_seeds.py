"""A number a run and place -> its mean and interval over seeds, for every method at every place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.intervals import interval_of, student_half_width
from cl_bench.moved import moved_name

METHOD = ("study", "benchmark", "method")


def over_seeds(
    values: pd.DataFrame, column: str, *, by: Sequence[str], level: float = 0.95, interval: str = "t"
) -> pd.DataFrame:
    """The mean over the runs of a method, with its Student t interval, for each place.

        mean +- t_{n-1} s / sqrt(n), as in `student_t`

    What is not finite (nan: not measured; inf: out of the range of numbers) counts nowhere.

    Columns: study, benchmark, method, those of `by`, mean, low, high (nan with one run), num_seeds; sorted.

    Args:
        values: one row per run and place: study, benchmark, method, the columns of `by`, and `column`.
        column: the number.
        by: the columns that name the place.
        level: of Student's interval.
        interval: t, or another of `INTERVALS`: se, iqr (around the median), none.

    >>> drifts = {"after_task": [1, 1, 2, 2], "drift": [1.0, 3.0, 5.0, np.inf]}
    >>> about = {"study": "few", "benchmark": "digits", "method": "vcl"}
    >>> values = pd.DataFrame(drifts).assign(**about)
    >>> table = over_seeds(values, "drift", by=["after_task"])
    >>> table[["after_task", "mean", "num_seeds"]]
       after_task  mean  num_seeds
    0           1   2.0          2
    1           2   5.0          1
    """
    known = values[np.isfinite(values[column].to_numpy(dtype=float))]
    groups = known.groupby([*METHOD, *by], sort=True)[column]
    found = groups.agg(["mean", "std", "count"]).reset_index()
    if interval == "t":  # for all groups at once
        half_width = student_half_width(found["std"], found["count"], level=level)
        bounds = {"low": found["mean"] - half_width, "high": found["mean"] + half_width}
    else:
        of_group = interval_of(interval)
        each = np.array([of_group(group.to_numpy()) for _, group in groups], dtype=float).reshape(-1, 3)
        bounds = dict(zip(("mean", "low", "high"), each.T, strict=True))
    table = found.assign(**bounds, num_seeds=found["count"].astype(int))
    return table[[*METHOD, *by, "mean", "low", "high", "num_seeds"]]


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
