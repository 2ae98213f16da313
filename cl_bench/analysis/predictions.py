"""What `training.save=[predictions]` has left, read without torch: the answers in every test."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.frame import RUN_COLUMNS, repeated
from cl_bench.analysis.labels import with_methods
from cl_bench.analysis.tuning import Tuning
from cl_bench.records import saved
from cl_bench.records.errors import NotMeasuredError
from cl_bench.records.row_files import RecordsError
from cl_bench.records.run_files import is_packed
from cl_bench.records.runs import Run, read_runs
from cl_bench.records.text import one_line

MOST_CLASSES = 2**16


class Answered(NamedTuple):
    """The answers in one test of one run.

    Attributes:
        after_task: the last task trained on; 0 is the untrained network.
        on_task: the task tested, from 1.
        log_probabilities: [N, K], nats.
        labels: [N], whole numbers from 0.

    >>> Answered(1, 1, np.log([[0.25, 0.75]]), np.array([1])).probabilities.tolist()
    [[0.25, 0.75]]
    """

    after_task: int
    on_task: int
    log_probabilities: np.ndarray
    labels: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        return np.exp(self.log_probabilities)


def answers_of(run: Run) -> Iterator[Answered]:
    """The tests of a run whose predictions were saved, in order; none where there are none.

    Raises:
        RecordsError: for a file that is damaged, or of another run.
        OSError: where one cannot be read.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> list(answers_of(Run(Path("few/ewc-s0"), "few", "digits", "ewc", 0)))
    []
    """
    for after_task in () if is_packed(run.path) else saved.tasks_saved(run.path, saved.PREDICTIONS):
        outputs, labels, tasks = _read(run, after_task)
        log_p = log_softmax(outputs)
        for on_task in np.unique(tasks).tolist():
            own = tasks == on_task
            yield Answered(after_task, on_task, log_p[own], labels[own])


def log_softmax(outputs: np.ndarray) -> np.ndarray:
    """The log probability of every class, nats, in double precision: z_k - log sum_j exp(z_j).

    >>> log_softmax(np.zeros((1, 2))).round(4).tolist()
    [[-0.6931, -0.6931]]
    """
    z = outputs.astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def predicted(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """The saved predictions of all runs in or below the folders, one row per test example.

    Columns: those of `load` that describe a run, and these.
        after_task, on_task: the test.
        label: the example's class, from 0.
        prediction: the most probable class.
        p0, p1, ...: the probability of each class; nan for a class that a run has not.

    Raises:
        NotMeasuredError: where no run has saved predictions.
        RecordsError: for a damaged file.

    >>> predicted("results/reference/digits")
    Traceback (most recent call last):
    cl_bench.records.errors.NotMeasuredError: no run in results/reference/digits has saved predictions; \
run with training.save=[predictions], or [predictions@each] for each task
    """
    parts = []
    for run in with_methods(read_runs(*paths))[0]:
        for test in () if run.status == "broken" else answers_of(run):
            number = len(test.labels)
            columns: dict[str, Any] = {
                name: repeated([run.name if name == "run" else getattr(run, name)], [number])
                for name in RUN_COLUMNS
                if name not in Tuning._fields
            }
            columns |= {"after_task": test.after_task, "on_task": test.on_task, "label": test.labels}
            columns["prediction"] = test.log_probabilities.argmax(axis=1)
            columns |= {f"p{index}": column for index, column in enumerate(test.probabilities.T)}
            parts.append(pd.DataFrame(columns))
    check_any(parts, paths)
    return pd.concat(parts, ignore_index=True)


def measured(function: Callable[[Any, Any], float], *paths: str | os.PathLike[str]) -> pd.DataFrame:
    """A metric of (probabilities [N, K], labels [N]) for every saved test, one row each.

    Columns: study, benchmark, strategy, method, seed, run, after_task, on_task, value.

    Raises:
        NotMeasuredError: where no run has saved predictions.
        Others as `predicted` and `values_of`.

    >>> def doubt(probabilities, labels):
    ...     return 1 - probabilities.max(axis=1).mean()
    >>> measured(doubt, "results/reference/digits")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cl_bench.records.errors.NotMeasuredError: no run in results/reference/digits has saved predictions; ...
    """
    about = ("study", "benchmark", "strategy", "method", "seed")
    rows = [
        [*(getattr(run, name) for name in about), run.name, test.after_task, test.on_task, value]
        for run in with_methods(read_runs(*paths))[0]
        if run.status != "broken"
        for test, value in values_of(run, function)
    ]
    check_any(rows, paths)
    return pd.DataFrame(rows, columns=[*about, "run", "after_task", "on_task", "value"])


def values_of(run: Run, function: Callable[[Any, Any], float]) -> Iterator[tuple[Answered, float]]:
    """The number that a metric has for each saved test of a run.

    Raises:
        ValueError: where the function gives no number, or raises; it says for which test.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> list(values_of(Run(Path("few/ewc-s0"), "few", "digits", "ewc", 0), np.mean))
    []
    """
    for test in answers_of(run):
        try:
            value = float(function(test.probabilities, test.labels))
        except Exception as error:
            name = getattr(function, "__name__", "the metric")
            raise ValueError(
                f"{name} must give a number for probabilities [N, K] and labels [N]; of {run.name}, task "
                f"{test.on_task} after task {test.after_task}, got {type(error).__name__}: {error}"
            ) from error
        yield test, value


def with_predictions(found: Sequence[Run]) -> list[Run]:
    """The runs that have saved predictions.

    >>> with_predictions([])
    []
    """
    return [run for run in found if run.status != "broken" and _has(run)]


def check_any(found: Sequence[Any], paths: Sequence[str | os.PathLike[str]]) -> None:
    """Raise a NotMeasuredError where nothing was found, since no run below the folders saved predictions.

    >>> check_any([], ["results"])
    Traceback (most recent call last):
    cl_bench.records.errors.NotMeasuredError: no run in results has saved predictions; \
run with training.save=[predictions], or [predictions@each] for each task
    """
    if not found:
        where = " or ".join(one_line(os.fspath(path)) for path in paths)
        raise NotMeasuredError(f"no run in {where} has saved predictions; {saved.SAVE_PREDICTIONS}")


def _has(run: Run) -> bool:
    return not is_packed(run.path) and bool(saved.tasks_saved(run.path, saved.PREDICTIONS))


def _read(run: Run, after_task: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = run.path / saved.FOLDER / saved.name_of(saved.PREDICTIONS, after_task)
    try:
        about = saved.described(path, kind=saved.PREDICTIONS)
        tensors = load_file(path)
        outputs, labels, tasks = (tensors[name] for name in ("outputs", "labels", "tasks"))
    except (ValueError, KeyError, SafetensorError) as error:
        said = str(error) if str(path) in str(error) else f"{path} cannot be read: {error!r}"
        raise RecordsError(said) from error
    told = about["after_task"], about.get("seed"), about.get("hash")
    if told != (after_task, run.seed, run.about.get("hash")):
        raise RecordsError(f"{path} is of another run or task than it says")
    _check(outputs, labels, tasks, where=str(path), num_tasks=run.num_tasks)
    return outputs, labels.astype(np.int64), tasks.astype(np.int64)


def _check(outputs: np.ndarray, labels: np.ndarray, tasks: np.ndarray, *, where: str, num_tasks: int) -> None:
    shapes = outputs.ndim == 2 and labels.shape == tasks.shape == outputs.shape[:1] and len(labels) > 0
    kinds = outputs.dtype.kind == "f" and labels.dtype.kind in "iu" and tasks.dtype.kind in "iu"
    if not (shapes and kinds and 2 <= outputs.shape[1] <= MOST_CLASSES):
        raise RecordsError(f"{where} must have outputs [N, K], labels [N] and tasks [N]")
    if labels.min() < 0 or labels.max() >= outputs.shape[1] or tasks.min() < 1 or tasks.max() > num_tasks:
        raise RecordsError(f"{where} must have labels below {outputs.shape[1]} and tasks up to {num_tasks}")
