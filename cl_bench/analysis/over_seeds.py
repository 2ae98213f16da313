"""A number a run and place -> its mean and interval over seeds, for every method at every place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

METHOD = ("study", "benchmark", "method")


def over_seeds(values: pd.DataFrame, column: str, *, by: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """mean +- t * s / sqrt(n) over the runs of a method, as `intervals.student_t`, for each place.

    `values` has a row a run and place: study, benchmark, method, the columns of `by`, which name the place,
    and `column`. What is not finite (nan: not measured; inf: out of the range of numbers) counts nowhere.

    Columns: study, benchmark, method, those of `by`, mean, low, high (nan with one run), num_seeds; sorted.
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
    """A measure of `records.State` (drift, frozen, ...) after each task, with its interval over seeds.

    Columns: those of `over_seeds`, by after_task.
    """
    return over_seeds(states, column, by=["after_task"])


def seen_and_unseen(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the records (entropy, ...) on tasks learned already, and on those still to come.

    For t = 0..T, of each run: the mean over j <= t of U[t, j] (seen), and over j > t (unseen), of the tasks
    tested; then over seeds. Columns: those of `over_seeds`, by seen and after_task.
    """
    values = frame.assign(seen=frame["on_task"] <= frame["after_task"])
    places = [*METHOD, "run", "seen", "after_task"]
    means = values.groupby(places, sort=False)[column].mean().reset_index()
    return over_seeds(means, column, by=["seen", "after_task"])
