"""Probes of many runs -> curves of accuracy over steps, with intervals over seeds."""

import pandas as pd

from cl_bench.analysis.over_seeds import METHOD, over_seeds

RUN = [*METHOD, "run"]


def probe_curves(probes: pd.DataFrame) -> pd.DataFrame:
    """The accuracy on each task over the steps of the run, since the task was begun.

    Of two tests at one step the later counts. Only steps at which all runs of a method were tested are in it.
    Columns: those of `over_seeds`, by on_task, training_on and step.

    Args:
        probes: as `read_probes` gives them.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> probes = probes.assign(**about)
    >>> probe_curves(probes)[["on_task", "training_on", "step", "mean"]]
       on_task  training_on  step  mean
    0        1            1    10   0.9
    1        1            2    15   0.5
    2        1            2    20   0.8
    3        2            2    20   0.9
    """
    places = ["on_task", "training_on", "step"]
    tests = probes.drop_duplicates([*RUN, *places], keep="last")
    return _where_all(tests, "accuracy", places)


def gap_curves(probes: pd.DataFrame) -> pd.DataFrame:
    """What the training of a task does to the tasks before it, step by step: the stability gap on average.

        mean over t > 1 and j < t of A(j, e_{t-1} + n) - A(j, e_{t-1})

    n counts the steps into task t. It is for those n at which all of these are tested; then over seeds.
    Source: De Lange et al. 2023, for A(j, n) and e_t. Columns: those of `over_seeds`, by steps_since.

    Args:
        probes: as `read_probes` gives them.

    >>> columns = ["training_on", "on_task", "step", "accuracy"]
    >>> tests = [(1, 1, 10, 0.9), (2, 1, 15, 0.5), (2, 1, 20, 0.8), (2, 2, 20, 0.9)]
    >>> probes = pd.DataFrame(tests, columns=columns)
    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": "a"}
    >>> probes = probes.assign(**about)
    >>> gap_curves(probes)[["steps_since", "mean"]].round(4)
       steps_since  mean
    0            5  -0.4
    1           10  -0.1
    """
    tests = probes.drop_duplicates([*RUN, "on_task", "training_on", "step"], keep="last")
    ends = tests.groupby([*RUN, "training_on"], sort=False)["step"].max().rename("end").reset_index()
    before = tests.merge(ends, on=[*RUN, "training_on"])
    before = before[before["step"] == before["end"]].assign(training_on=before["training_on"] + 1)
    before = before[[*RUN, "training_on", "on_task", "end", "accuracy"]]
    since = tests.merge(before, on=[*RUN, "training_on", "on_task"], suffixes=("", "_before"))
    since = since.assign(
        change=since["accuracy"] - since["accuracy_before"], steps_since=since["step"] - since["end"]
    )
    by_step = since.groupby([*RUN, "steps_since"], sort=False)["change"].agg(["mean", "size"]).reset_index()
    pairs = since.drop_duplicates([*RUN, "training_on", "on_task"]).groupby(RUN).size().rename("pairs")
    by_step = by_step.merge(pairs.reset_index(), on=RUN)
    everywhere = by_step[by_step["size"] == by_step["pairs"]].rename(columns={"mean": "change"})
    return _where_all(everywhere, "change", ["steps_since"])


def _where_all(values: pd.DataFrame, column: str, places: list[str]) -> pd.DataFrame:
    """`over_seeds` at the places where all runs of a method have a number."""
    number = values.drop_duplicates(RUN).groupby(list(METHOD)).size().rename("num_runs").reset_index()
    curves = over_seeds(values, column, by=places).merge(number, on=list(METHOD))
    return curves[curves["num_seeds"] == curves["num_runs"]].drop(columns="num_runs").reset_index(drop=True)
