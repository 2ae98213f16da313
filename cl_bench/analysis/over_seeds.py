"""A number a run and place -> its mean and interval over seeds, for every method at every place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

METHOD = ("study", "benchmark", "method")


def over_seeds(values: pd.DataFrame, column: str, *, by: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """The mean over the runs of a method, with its Student t interval, for each place.

        mean +- t_{n-1} s / sqrt(n), as in `student_t`

    What is not finite (nan: not measured; inf: out of the range of numbers) counts nowhere.

    Columns: study, benchmark, method, those of `by`, mean, low, high (nan with one run), num_seeds; sorted.

    Args:
        values: a row a run and place: study, benchmark, method, the columns of `by`, and `column`.
        column: the number.
        by: the columns that name the place.

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
    number = found["count"].to_numpy(dtype=float)
    quantile = stdtrit(np.maximum(number - 1, 1), (1 + level) / 2)
    half_width = quantile * found["std"].to_numpy(dtype=float) / np.sqrt(number)  # nan where there is one
    bounds = {"low": found["mean"] - half_width, "high": found["mean"] + half_width}
    table = found.assign(**bounds, num_seeds=found["count"].astype(int))
    return table[[*METHOD, *by, "mean", "low", "high", "num_seeds"]]


def state_curves(states: pd.DataFrame, column: str) -> pd.DataFrame:
    """A measure of the strategy's state (drift, frozen, ...) after each task, with its interval over seeds.

    Columns: those of `over_seeds`, by after_task.

    Args:
        states: as `states` gives them.
        column: one of `State`.

    >>> frozen = {"after_task": [0, 1, 0, 1], "frozen": [0.0, 0.2, 0.0, 0.4]}
    >>> about = {"study": "few", "benchmark": "digits", "method": "vcl"}
    >>> table = pd.DataFrame(frozen).assign(**about)
    >>> state_curves(table, "frozen")[["after_task", "mean", "num_seeds"]].round(4)
       after_task  mean  num_seeds
    0           0   0.0          2
    1           1   0.3          2
    """
    return over_seeds(states, column, by=["after_task"])


def seen_and_unseen(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the records (entropy, ...) on tasks learned already, and on those still to come.

        seen:   1/t sum_{j<=t} U[t, j]
        unseen: 1/(T-t) sum_{j>t} U[t, j]   for t = 0..T

    These are of each run and of the tasks tested; then over seeds. Columns: those of `over_seeds`, by seen
    and after_task.

    Args:
        frame: records, as `load` gives them.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> table = seen_and_unseen(frame, "accuracy")
    >>> table[["seen", "after_task", "mean"]].round(4)
        seen  after_task  mean
    0  False           0  0.10
    1  False           1  0.20
    2   True           1  0.90
    3   True           2  0.75
    """
    values = frame.assign(seen=frame["on_task"] <= frame["after_task"])
    places = [*METHOD, "run", "seen", "after_task"]
    means = values.groupby(places, sort=False)[column].mean().reset_index()
    return over_seeds(means, column, by=["seen", "after_task"])
