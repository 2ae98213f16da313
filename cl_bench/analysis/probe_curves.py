"""Probes of many runs -> curves of accuracy over steps, with intervals over seeds."""

import pandas as pd

from cl_bench.analysis.over_seeds import METHOD, over_seeds

RUN = [*METHOD, "run"]


def probe_curves(probes: pd.DataFrame) -> pd.DataFrame:
    """The accuracy on each task over the steps of the run, since the task was begun.

    `probes` as `probes.read_probes`; of two tests at one step the later counts. Only steps at which all runs
    of a method were tested. Columns: those of `over_seeds`, by on_task, training_on and step.
    """
    places = ["on_task", "training_on", "step"]
    tests = probes.drop_duplicates([*RUN, *places], keep="last")
    return _where_all(tests, "accuracy", places)


def gap_curves(probes: pd.DataFrame) -> pd.DataFrame:
    """What the training of a task does to the tasks before it, step by step: the stability gap on average.

    Mean over t > 1 and j < t of A(j, e_{t-1} + n) - A(j, e_{t-1}), n steps into task t, for those n at which
    all of these are tested; then over seeds. A(j, n) and e_t as in `probes`. Columns: those of `over_seeds`,
    by steps_since.
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
