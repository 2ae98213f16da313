"""Metrics of a whole run that are no function of its matrix: what records and states have measured.

Each is (study, run) -> its number, from all rows of all runs.
"""

import math
from typing import Any

import pandas as pd

from cl_bench.analysis.registry import PAGE, RECORDS, STATES, TEXT, metric
from cl_bench.analysis.tested import newest
from cl_bench.analysis.tuning import num_trials

Measured = dict[Any, Any]  # (study, run) -> number
_RUN = ["study", "run"]


@metric(
    "calibration error",
    of=RECORDS,
    short="ECE",
    better="lower",
    meaning="expected calibration error after the last task",
    places=(TEXT, PAGE),
    group="uncertainty",
)
def ece(records: pd.DataFrame) -> Measured:
    """The expected calibration error after the last task, as a mean over the tasks tested.

    >>> frame = matrix_frame([[0.1], [0.9]], method="ewc").assign(ece=[0.8, 0.2])
    >>> ece(frame)
    {('study', 'benchmark-ewc-s0'): 0.2}
    """
    return mean_in_the_end(records, "ece")


@metric(
    "Brier score",
    of=RECORDS,
    unit="",
    better="lower",
    meaning="squared distance of the predicted probabilities from the label, after the last task",
    places=(),
    group="uncertainty",
)
def brier(records: pd.DataFrame) -> Measured:
    """The Brier score after the last task, as a mean over the tasks tested.

    >>> frame = matrix_frame([[0.1], [0.9]], method="ewc").assign(brier=[0.8, 0.2])
    >>> brier(frame)
    {('study', 'benchmark-ewc-s0'): 0.2}
    """
    return mean_in_the_end(records, "brier")


@metric(
    "entropy",
    of=RECORDS,
    unit="nats",
    meaning="entropy of the prediction after the last task",
    places=(),
    group="uncertainty",
)
def entropy(records: pd.DataFrame) -> Measured:
    """The entropy of the prediction after the last task, as a mean over the tasks tested.

    >>> frame = matrix_frame([[0.1], [0.9]], method="ewc").assign(entropy=[0.8, 0.2])
    >>> entropy(frame)
    {('study', 'benchmark-ewc-s0'): 0.2}
    """
    return mean_in_the_end(records, "entropy")


@metric(
    "mutual information",
    of=RECORDS,
    unit="nats",
    meaning="the part of the entropy that comes from not knowing the weights",
    places=(),
    group="uncertainty",
)
def mutual_information(records: pd.DataFrame) -> Measured:
    """The mutual information of label and weights after the last task, as a mean over the tasks tested.

    >>> frame = matrix_frame([[0.1], [0.9]], method="ewc").assign(mutual_information=[0.8, 0.2])
    >>> mutual_information(frame)
    {('study', 'benchmark-ewc-s0'): 0.2}
    """
    return mean_in_the_end(records, "mutual_information")


@metric(
    "accuracy, task known",
    of=RECORDS,
    better="higher",
    meaning="mean over tasks after the last one, outputs restricted to the classes of the task tested",
    places=(TEXT, PAGE),
)
def accuracy_task_known(records: pd.DataFrame) -> Measured:
    """The accuracy after the last task of a network that is told the task, as a mean over the tasks tested.

    >>> frame = matrix_frame([[0.1], [0.4]], method="ewc")
    >>> accuracy_task_known(frame.assign(accuracy_task_known=[0.5, 0.9]))
    {('study', 'benchmark-ewc-s0'): 0.9}
    """
    return mean_in_the_end(records, "accuracy_task_known")


@metric(
    "accuracy, own statistics",
    of=RECORDS,
    better="higher",
    meaning="mean over tasks after the last one, batch norm with statistics of the task tested",
    places=(TEXT, PAGE),
)
def accuracy_own_statistics(records: pd.DataFrame) -> Measured:
    """The accuracy after the last task with each task's own batch-norm statistics, as a mean over the tasks.

    >>> frame = matrix_frame([[0.1], [0.4]], method="ewc")
    >>> accuracy_own_statistics(frame.assign(accuracy_own_statistics=[0.5, 0.7]))
    {('study', 'benchmark-ewc-s0'): 0.7}
    """
    return mean_in_the_end(records, "accuracy_own_statistics")


@metric(
    "average accuracy, all tasks",
    of=RECORDS,
    better="higher",
    meaning="mean of R[T, j] over all tasks, where the others are over the last ones only",
    places=(TEXT, PAGE),
)
def average_accuracy_all_tasks(records: pd.DataFrame) -> Measured:
    """The accuracy after the last task as a mean over all tasks, of runs that test only the last ones before.

        1/T sum_j R[T, j]

    The last tasks are the newest ones, and hide what was forgotten. It takes `training.test_all_at_end`. A
    run without `training.test_last` has it as its average accuracy, and not here.

    >>> R = [[0.1, 0.1], [0.9, 0.2], [0.5, 0.8]]
    >>> frame = matrix_frame(R, method="ewc", test_last=1)
    >>> average_accuracy_all_tasks(frame)
    {('study', 'benchmark-ewc-s0'): 0.65}
    """
    if "test_last" not in records:
        return {}
    last = _after_last(records[records["test_last"].notna()])
    # of a test that is there twice the last counts
    tests = last.drop_duplicates([*_RUN, "on_task"], keep="last").groupby(_RUN, sort=False)
    found = tests.agg(mean=("accuracy", "mean"), tested=("on_task", "size"), of=("num_tasks", "first"))
    return found.loc[found["tested"] == found["of"], "mean"].to_dict()


@metric(
    "stored",
    of=STATES,
    unit="KiB",
    better="lower",
    meaning="network, posterior, importances and buffers",
    group="cost",
)
def stored_bits(states: pd.DataFrame) -> Measured:
    """What a method keeps after the last task, in bits.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> stored_bits(pd.DataFrame(run | {"stored_bits": [320.0, 640.0]}))
    {('few', 'vcl-s0'): 640.0}
    """
    return _in_the_end(states, "stored_bits")


@metric("deployed", of=STATES, unit="KiB", better="lower", meaning="the network alone", group="cost")
def deployed_bits(states: pd.DataFrame) -> Measured:
    """The network after the last task, in bits.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> deployed_bits(pd.DataFrame(run | {"deployed_bits": [320.0, 320.0]}))
    {('few', 'vcl-s0'): 320.0}
    """
    return _in_the_end(states, "deployed_bits")


@metric(
    "predicting",
    of=STATES,
    unit="KiB",
    better="lower",
    meaning="what the tested predictions need: a posterior where they average over weight samples",
    group="cost",
)
def predicting_bits(states: pd.DataFrame) -> Measured:
    """What the predictions need that were tested after the last task, in bits.

    It is the posterior, and examples of coresets, where predictions average over weight samples. Otherwise it
    is the network with one set of weights, as in `deployed_bits`.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> predicting_bits(pd.DataFrame(run | {"predicting_bits": [640.0, 640.0]}))
    {('few', 'vcl-s0'): 640.0}
    """
    return _in_the_end(states, "predicting_bits")


@metric(
    "gradients",
    of=STATES,
    unit="thousand",
    better="lower",
    meaning="gradients of single examples that training takes, all tasks, weight samples and importances",
    group="cost",
)
def gradient_evaluations(states: pd.DataFrame) -> Measured:
    """The gradients of single examples that training on all tasks has taken.

    An example counts in each epoch, for each weight sample, from a memory too. A pass for importances takes
    one gradient of each example and label. nan: some task did not count them.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> gradient_evaluations(
    ...     pd.DataFrame(run | {"gradient_evaluations": [0.0, 600.0]})
    ... )
    {('few', 'vcl-s0'): 600.0}
    """
    return states.groupby(_RUN, sort=False)["gradient_evaluations"].agg(_sum_if_known).to_dict()


@metric(
    "trials",
    of=RECORDS,
    unit="count",
    meaning="settings that a search tried; 0 without a search, unknown by hand or of a publication",
    group="cost",
)
def trials(records: pd.DataFrame) -> Measured:
    """How many settings the search has tried that gave a run its own.

    >>> frame = matrix_frame([[0.1], [0.9]], method="ewc")
    >>> note = "tuned/digits: random, 16 trials"
    >>> trials(frame.assign(tuning="tuned", tuning_note=note))
    {('study', 'benchmark-ewc-s0'): 16.0}
    """
    if "tuning" not in records:
        return {}
    runs = records.drop_duplicates(_RUN)
    told = zip(runs["study"], runs["run"], runs["tuning"], runs["tuning_note"], strict=True)
    return {(study, run): num_trials(tuning, note) for study, run, tuning, note in told}


@metric(
    "frozen weights",
    of=STATES,
    meaning="share of weights whose posterior is all but certain",
    group="posterior",
)
def frozen(states: pd.DataFrame) -> Measured:
    """The share of frozen weights after the last task.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> frozen(pd.DataFrame(run | {"frozen": [0.0, 0.25]}))
    {('few', 'vcl-s0'): 0.25}
    """
    return _in_the_end(states, "frozen")


@metric(
    "novelty AUROC",
    of=STATES,
    better="higher",
    meaning="confidence on tasks seen against that on tasks still to come; not with one head per task",
    group="uncertainty",
)
def ood_auroc(states: pd.DataFrame) -> Measured:
    """How well confidence tells tasks seen from those to come, as a mean over tasks where it is defined.

    In the scenario `task` it never is: tests of tasks to come go through untrained heads.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> ood_auroc(pd.DataFrame(run | {"ood_auroc": [np.nan, 0.75]}))
    {('few', 'vcl-s0'): 0.75}
    """
    return states.groupby(_RUN, sort=False)["ood_auroc"].mean().to_dict()


@metric(
    "training", of=STATES, unit="s", better="lower", meaning="seconds of training, all tasks", group="cost"
)
def training_seconds(states: pd.DataFrame) -> Measured:
    """The seconds of training on all tasks.

    >>> run = {"study": "few", "run": "vcl-s0", "num_tasks": 1, "after_task": [0, 1]}
    >>> training_seconds(pd.DataFrame(run | {"training_seconds": [0.0, 2.5]}))
    {('few', 'vcl-s0'): 2.5}
    """
    return states.groupby(_RUN, sort=False)["training_seconds"].sum().to_dict()


def _sum_if_known(values: pd.Series) -> float:
    return math.nan if values.isna().any() else float(values.sum())


def _in_the_end(rows: pd.DataFrame, column: str) -> Measured:
    return _after_last(rows).set_index(_RUN)[column].to_dict()


def mean_in_the_end(rows: pd.DataFrame, column: str) -> Measured:
    """The mean of a column over the tasks tested after the last one, of each run.

    With `training.test_last` it is over the last so many.

    >>> frame = matrix_frame([[0.1], [0.9]], method="ewc").assign(error=[0.8, 0.2])
    >>> mean_in_the_end(frame, "error")
    {('study', 'benchmark-ewc-s0'): 0.2}
    """
    if column not in rows:  # of a table from before it was measured
        return {}
    return newest(_after_last(rows)).groupby(_RUN, sort=False)[column].mean().to_dict()


def _after_last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["after_task"] == rows["num_tasks"]]
