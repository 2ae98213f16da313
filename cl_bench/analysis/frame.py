"""Results folders -> tidy tables: one row a record, and one row a run."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.folders import Run, read_runs
from cl_bench.analysis.labels import with_methods
from cl_bench.records import Record

RUN_COLUMNS = (
    *("study", "benchmark", "strategy", "method", "seed", "scenario", "num_tasks", "test_last"),
    *("run", "status"),
)


def load(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """All records of all runs in or below the folders (a run, a study or a results folder), one row a record.

    Columns: study, benchmark, strategy, method (the label in tables and figures), seed, scenario, num_tasks,
    test_last (after each task only the last so many were tested; None: all), run (folder name), status,
    after_task, on_task, accuracy (fraction), nll (nats), num_examples, and one column for each swept setting,
    under its dotted name. Failed and unfinished runs are in it with what they recorded; broken ones are not:
    `runs` lists them.
    """
    return records_frame(*with_methods(read_runs(*paths)))


def runs(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """All runs, broken ones too, one row a run.

    Columns: those of `load` that describe a run, and error, num_records, wall_seconds, cpu_seconds, path,
    settings.
    """
    return runs_frame(with_methods(read_runs(*paths))[0])


def records_frame(found: Sequence[Run], swept: Sequence[str]) -> pd.DataFrame:
    """The rows of `load`, from runs that were read already."""
    with_records = [run for run in found if run.records]
    lengths = [len(run.records) for run in with_records]
    columns: dict[str, Any] = {}
    for name in RUN_COLUMNS:
        values = _column([_value(run, name) for run in with_records])
        columns[name] = np.repeat(values, lengths)
    rows = [record for run in with_records for record in run.records]
    fields = zip(*rows, strict=True) if rows else ([] for _ in Record._fields)
    for name, kind, field in zip(Record._fields, Record.__annotations__.values(), fields, strict=True):
        if name != "seed":
            columns[name] = np.array(field, dtype=kind)
    for name in swept:
        columns[name] = np.repeat(_column([run.settings.get(name) for run in with_records]), lengths)
    return pd.DataFrame(columns)


def runs_frame(found: Sequence[Run]) -> pd.DataFrame:
    """The rows of `runs`, from runs that were read already."""
    columns: dict[str, Any] = {name: [_value(run, name) for run in found] for name in RUN_COLUMNS}
    columns["seed"] = pd.array(columns["seed"], dtype="Int64")  # a broken run has none
    columns["error"] = [run.error for run in found]
    columns["num_records"] = [len(run.records) for run in found]
    for name in ("wall_seconds", "cpu_seconds", "settings"):
        columns[name] = [getattr(run, name) for run in found]
    columns["path"] = [str(run.path) for run in found]
    return pd.DataFrame(columns)


def _value(run: Run, name: str) -> Any:
    return run.name if name == "run" else getattr(run, name)


def _column(values: list[Any]) -> np.ndarray:
    """Whole numbers as such; anything else, or a mixture, as objects."""
    if values and all(type(value) is int for value in values):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
