"""Can confidence be trusted, just after a task is learned and after the tasks that followed?"""

import pandas as pd

from cl_bench.analysis.over_seeds import METHOD, over_seeds

LEARNED, END = "learned", "end"


def before_and_after(calibration: pd.DataFrame) -> pd.DataFrame:
    """The bins of confidence of the same tasks, when they were learned and in the end.

    They are of all tasks but the last that were tested then and then. The column `when` is learned or end. A
    run that diverged (a confidence of nan among these) is left out.

    Args:
        calibration: as `calibration` gives them.

    >>> bins = pd.DataFrame({"after_task": [1, 2], "accuracy": [0.9, 0.5]})
    >>> bins = bins.assign(on_task=1, num_tasks=2, num_examples=100)
    >>> bins = bins.assign(bin=14, confidence=0.9)
    >>> bins = bins.assign(study="few", benchmark="digits", method="ewc", run="a")
    >>> before_and_after(bins)[["when", "confidence", "accuracy"]]
          when  confidence  accuracy
    0  learned         0.9       0.9
    1      end         0.9       0.5
    """
    earlier = calibration[calibration["on_task"] < calibration["num_tasks"]]
    learned = earlier[earlier["after_task"] == earlier["on_task"]]
    end = earlier[earlier["after_task"] == earlier["num_tasks"]]
    task = ["study", "run", "on_task"]
    common = pd.MultiIndex.from_frame(learned[task]).intersection(pd.MultiIndex.from_frame(end[task]))
    both = pd.concat([learned.assign(when=LEARNED), end.assign(when=END)], ignore_index=True)
    both = both[pd.MultiIndex.from_frame(both[task]).isin(common)]
    diverged = both["confidence"].isna().groupby([both["study"], both["run"]]).transform("any")
    return both[~diverged.astype(bool)]


def reliability(calibration: pd.DataFrame, *, interval: str = "t") -> pd.DataFrame:
    """A reliability diagram before and after later tasks: accuracy by bin of the confidence.

    Of each run the bins of its tasks are put together, weighted by their examples; then means over the runs
    that have examples in the bin. Source: Guo et al. 2017.

    Columns: study, benchmark, method, when (learned or end), bin, confidence, mean, low, high (of the
    accuracy, 95 % Student t interval over seeds), num_seeds, share (of the examples; over runs).

    Args:
        calibration: as `calibration` gives them.
        interval: another of `INTERVALS`.

    >>> bins = pd.DataFrame({"after_task": [1, 2], "accuracy": [0.9, 0.5]})
    >>> bins = bins.assign(on_task=1, num_tasks=2, num_examples=100)
    >>> bins = bins.assign(bin=14, confidence=0.9)
    >>> bins = bins.assign(study="few", benchmark="digits", method="ewc", run="a")
    >>> reliability(bins)[["when", "confidence", "mean", "share"]]
          when  confidence  mean  share
    0      end         0.9   0.5    1.0
    1  learned         0.9   0.9    1.0
    """
    runs = _by_run(before_and_after(calibration), ["when", "bin"])
    accuracy = over_seeds(runs, "accuracy", by=["when", "bin"], interval=interval)
    groups = runs.groupby([*METHOD, "when", "bin"], sort=True)
    others = groups.agg(confidence=("confidence", "mean"), num_examples=("num_examples", "sum")).reset_index()
    table = accuracy.merge(others, on=[*METHOD, "when", "bin"])
    total = table.groupby([*METHOD, "when"])["num_examples"].transform("sum")
    return table.assign(share=table["num_examples"] / total).drop(columns="num_examples")


def calibration_errors(calibration: pd.DataFrame) -> pd.DataFrame:
    """The expected calibration error of what `reliability` shows, before and after later tasks.

        ECE = sum_m n_m / N |accuracy_m - confidence_m|

    The bins are those of all tasks of a run together, so that tasks that err to either side make up for each
    other. So it is at most the mean of their own errors. Source: Guo et al. 2017. Columns: those of
    `over_seeds`, by when.

    Args:
        calibration: as `calibration` gives them.

    >>> bins = pd.DataFrame({"after_task": [1, 2], "accuracy": [0.9, 0.5]})
    >>> bins = bins.assign(on_task=1, num_tasks=2, num_examples=100)
    >>> bins = bins.assign(bin=14, confidence=0.9)
    >>> bins = bins.assign(study="few", benchmark="digits", method="ewc", run="a")
    >>> calibration_errors(bins)[["when", "mean"]].round(4)  # forgot, still sure
          when  mean
    0      end   0.4
    1  learned   0.0
    """
    runs = _by_run(before_and_after(calibration), ["when", "bin"])
    total = runs.groupby(["study", "run", "when"])["num_examples"].transform("sum")
    gaps = (runs["accuracy"] - runs["confidence"]).abs() * runs["num_examples"] / total
    errors = runs.assign(ece=gaps).groupby([*METHOD, "run", "when"], sort=False)["ece"].sum().reset_index()
    return over_seeds(errors, "ece", by=["when"])


def _by_run(rows: pd.DataFrame, places: list[str]) -> pd.DataFrame:
    """Means over the tasks of a run, weighted by their examples."""
    weight = rows["num_examples"]
    sums = rows.assign(confidence=rows["confidence"] * weight, accuracy=rows["accuracy"] * weight)
    measures = ["num_examples", "confidence", "accuracy"]
    summed = sums.groupby([*METHOD, "run", *places], sort=False)[measures].sum().reset_index()
    for name in ("confidence", "accuracy"):
        summed[name] = summed[name] / summed["num_examples"]
    return summed
