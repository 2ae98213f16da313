"""Saved predictions by class: the accuracy on each, and which task's classes are taken for which."""

import os

import numpy as np
import pandas as pd

from cl_bench.analysis.labels import with_methods
from cl_bench.analysis.over_seeds import over_seeds
from cl_bench.analysis.predictions import Answered, answers_of, check_any
from cl_bench.records.errors import NotMeasuredError
from cl_bench.records.runs import Run, read_runs

ABOUT = ("study", "benchmark", "strategy", "method", "seed", "run")


def per_class_accuracy(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """The accuracy on each class in every saved test, one row a class.

    Columns: study, benchmark, strategy, method, seed, run, after_task, on_task, label (the class, from 0),
    num_examples, accuracy (a fraction).

    Raises:
        NotMeasuredError: where no run has saved predictions.

    >>> try:
    ...     per_class_accuracy("results/reference/digits")
    ... except AnalysisError as error:
    ...     print(str(error)[:61])
    no run in results/reference/digits has saved predictions; run
    """
    rows = [
        [*_about(run), test.after_task, test.on_task, label, number, accuracy]
        for run in _runs(*paths)
        for test in answers_of(run)
        for label, number, accuracy in by_class(test)
    ]
    check_any(rows, paths)
    return pd.DataFrame(rows, columns=[*ABOUT, "after_task", "on_task", "label", "num_examples", "accuracy"])


def by_class(test: Answered) -> list[tuple[int, int, float]]:
    """Label, number of examples and accuracy of each class of a test.

    >>> from cl_bench.analysis.predictions import Answered
    >>> test = Answered(1, 1, np.log([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]]), np.array([0, 1, 1]))
    >>> by_class(test)
    [(0, 1, 1.0), (1, 2, 0.5)]
    """
    right = test.log_probabilities.argmax(axis=1) == test.labels
    return [
        (int(label), int((test.labels == label).sum()), float(right[test.labels == label].mean()))
        for label in np.unique(test.labels)
    ]


def task_confusion(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """Which task's classes the examples of a task are taken for, one row a pair of tasks.

    This is of class-incremental runs, in which each class belongs to one task.

    Columns:
        study, benchmark, strategy, method, seed, run, after_task: the run and when it was tested.
        on_task: the task of the examples.
        predicted_task: that of the predicted class. 0: of no task that was tested.
        share: of the examples of on_task.

    Raises:
        NotMeasuredError: where no run is class-incremental and has saved predictions.

    >>> try:
    ...     task_confusion("results/reference/digits")
    ... except AnalysisError as error:
    ...     print(str(error)[:42])
    confusion between tasks needs runs with be
    """
    return confusion_frame(_runs(*paths))


def confusion_frame(found: list[Run]) -> pd.DataFrame:
    """The rows of `task_confusion`, from runs that were read already.

    >>> try:
    ...     confusion_frame([])
    ... except AnalysisError as error:
    ...     print(str(error)[:42])
    confusion between tasks needs runs with be
    """
    rows = []
    for run in found:
        tests = list(answers_of(run)) if run.scenario == "class" else []
        for after_task in sorted({test.after_task for test in tests}):
            own = [test for test in tests if test.after_task == after_task]
            for (on_task, predicted_task), share in confusion(own).items():
                rows.append([*_about(run), after_task, on_task, predicted_task, share])
    if not rows:
        raise NotMeasuredError(
            "confusion between tasks needs runs with benchmark.scenario=class and training.save=[predictions]"
        )
    return pd.DataFrame(rows, columns=[*ABOUT, "after_task", "on_task", "predicted_task", "share"])


def confusion(tests: list[Answered]) -> dict[tuple[int, int], float]:
    """The share of each task's examples that are taken for a class of each task, of tests at one time.

    A class belongs to the task whose labels have it; 0 is for a class of none.

    Raises:
        NotMeasuredError: where two tasks share a class.

    >>> from cl_bench.analysis.predictions import Answered
    >>> first = Answered(2, 1, np.log([[0.7, 0.1, 0.2], [0.1, 0.2, 0.7]]), np.array([0, 0]))
    >>> second = Answered(2, 2, np.log([[0.1, 0.2, 0.7]]), np.array([2]))
    >>> confusion([first, second])
    {(1, 0): 0.0, (1, 1): 0.5, (1, 2): 0.5, (2, 0): 0.0, (2, 1): 0.0, (2, 2): 1.0}
    """
    num_classes = tests[0].log_probabilities.shape[1]
    task_of = np.zeros(num_classes, dtype=np.int64)
    for test in tests:
        labels = np.unique(test.labels)
        if task_of[labels].any():
            raise NotMeasuredError("confusion between tasks needs classes that belong to one task each")
        task_of[labels] = test.on_task
    tasks = [0, *(test.on_task for test in tests)]
    shares: dict[tuple[int, int], float] = {}
    for test in tests:
        taken_for = task_of[test.log_probabilities.argmax(axis=1)]
        shares |= {(test.on_task, task): float((taken_for == task).mean()) for task in tasks}
    return shares


def confusion_curves(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `task_confusion` after the last task, as means over seeds: one row per method and pair.

    Columns: study, benchmark, method, on_task, predicted_task, mean, low, high, num_seeds.

    >>> about = {"study": "few", "benchmark": "digits", "method": "ewc", "run": ["a", "b"]}
    >>> pair = {"after_task": 2, "on_task": 1, "predicted_task": 2, "share": [0.25, 0.75]}
    >>> confusion_curves(pd.DataFrame(about | pair))[["on_task", "predicted_task", "mean"]]
       on_task  predicted_task  mean
    0        1               2   0.5
    """
    last = table.groupby(["study", "run"])["after_task"].transform("max")
    return over_seeds(table[table["after_task"] == last], "share", by=["on_task", "predicted_task"])


def _runs(*paths: str | os.PathLike[str]) -> list[Run]:
    return [run for run in with_methods(read_runs(*paths))[0] if run.status != "broken"]


def _about(run: Run) -> list[object]:
    return [run.name if name == "run" else getattr(run, name) for name in ABOUT]
