"""Results folders -> tidy tables: one row per record, and one row per run."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cl_bench.analysis.afterwards import metric_columns
from cl_bench.analysis.labels import with_methods
from cl_bench.analysis.tuning import Tuning, tuning_of
from cl_bench.records.protocol import TASK, TEST_LAST
from cl_bench.records.row_files import MOST, AnyRow, RecordsError
from cl_bench.records.rows import FILES, CalibrationBin, Record, State
from cl_bench.records.run_files import rows_of_run
from cl_bench.records.runs import Run, read_runs
from cl_bench.records.text import one_line

Damaged = list[tuple[Run, str]]  # runs of which a file is left out, and why
RUN_COLUMNS = (
    "study", "benchmark", "strategy", "method", "seed", "scenario", "num_tasks", "test_last",
    "run", "status", *Tuning._fields,
)  # fmt: skip


def load(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """All records of all runs in or below the folders, one row per record.

    A folder is a run, a study or a results folder. Failed and unfinished runs are in it with what they
    recorded; broken ones are not: `runs` lists them.

    Columns:
        study, benchmark, strategy, seed, scenario, num_tasks, status: of the run.
        method: the label in tables and figures.
        test_last: after each task only the last so many were tested. None: all.
        run: the name of the run's folder.
        tuning, tuning_note: how the settings were found, see `Tuning`.
        after_task, on_task: the test.
        accuracy: a fraction.
        nll: in nats.
        num_examples: how many were tested.
        ece, brier, entropy, mutual_information: see `Record`; nan in runs from before they were measured.

    Each metric that `cl-bench metric` has computed has a column, which is nan for other runs.
    Each swept setting has a column too, under its dotted name. Where a column has that name, the setting's is
    `settings.<name>`. Where another setting has that too, it is `settings.settings.<name>`.

    >>> frame = load("results/reference/digits")
    >>> sorted(frame["method"].unique())[:2], int(frame["num_tasks"].max())
    (['bayesbinn', 'ewc'], 5)
    """
    return records_frame(*with_methods(read_runs(*paths)))


def matrix_frame(
    accuracy: ArrayLike,
    *,
    method: str,
    seed: int = 0,
    study: str = "study",
    benchmark: str = "benchmark",
    scenario: str = "",
    test_last: int | None = None,
) -> pd.DataFrame:
    """The rows of `load` for an accuracy matrix from elsewhere, such as another library's run.

    Put several together by `pd.concat` for `summary`, `forgetting_curves` or `run_metrics`. A method named
    `joint` is the reference of the intransigence. What a matrix does not tell (the loss, ...) is nan.

    Args:
        accuracy: R [1 + T, T], fractions; row 0 is the untrained network, which a matrix [T, T] lacks. nan or
            masked: not tested.
        method: the label in tables.
        test_last: after each task only the last so many were tested; None: all, or all seen where the
            untrained network was not tested.

    Raises:
        ValueError: for another shape, and for percent.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> frame[["method", "seed", "after_task", "on_task", "accuracy"]].tail(2)
      method  seed  after_task  on_task  accuracy
    4    ewc     0           2        1       0.7
    5    ewc     0           2        2       0.8
    """
    matrix: np.ndarray = np.ma.filled(np.ma.asarray(accuracy, dtype=float), np.nan)
    if matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0:
        matrix = np.vstack([np.full(matrix.shape[1], np.nan), matrix])
    if matrix.ndim != 2 or matrix.shape[1] == 0 or matrix.shape[0] != 1 + matrix.shape[1]:
        raise ValueError(
            "accuracy must have shape [num_tasks, num_tasks], or one row more, the untrained network's, got "
            f"{matrix.shape}"
        )
    if test_last is None and np.isnan(matrix[0]).all():
        test_last = matrix.shape[1]
    largest = np.nanmax(matrix, initial=0.0)
    if largest > 1:
        raise ValueError(f"accuracy must be fractions, got {largest:g}: divide percent by 100")
    tests = tuple(
        Record(seed, after_task, on_task, float(tested), math.nan, 0)
        for after_task, row in enumerate(matrix)
        for on_task, tested in enumerate(row, start=1)
        if not math.isnan(tested)
    )
    run = Run(
        path=Path(f"{benchmark}-{method}-s{seed}"),
        study=study,
        benchmark=benchmark,
        strategy=method,
        method=method,
        seed=seed,
        scenario=scenario,
        num_tasks=matrix.shape[1],
        status="finished",
        settings={TEST_LAST: test_last},
        records=tests,
    )
    return records_frame([run])


def runs(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """All runs in or below the folders, broken ones too, one row per run.

    Columns: those of `load` that describe a run, and error, num_records, wall_seconds, cpu_seconds, path,
    settings.

    >>> runs("results/reference/digits")["status"].unique().tolist()
    ['finished']
    """
    return runs_frame(with_methods(read_runs(*paths))[0])


def states(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """The state of every run's strategy before the first task and after each one, one row each.

    Columns: those of `load` that describe a run, after_task, drift (nats), frozen (share of weights),
    stored_bits, deployed_bits, training_seconds and num_steps (of the task), ood_auroc, and the swept
    settings; see `State`. In the scenario `task`, ood_auroc is nan: tasks to come have untrained heads.

    >>> table = states("results/reference/digits")
    >>> sorted(table["after_task"].unique().tolist())
    [0, 1, 2, 3, 4, 5]
    """
    return states_frame(*with_methods(read_runs(*paths)))


def calibration(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """Confidence and accuracy of every test, one row a bin that is not empty: what reliability diagrams show.

    Columns: those of `load` that describe a run, after_task, on_task, bin (1 to `NUM_BINS`), num_examples,
    confidence, accuracy (means over the bin's examples), and the swept settings.

    Raises:
        RecordsError: where a calibration.csv breaks the format.

    >>> table = calibration("results/reference/digits")
    >>> {"bin", "confidence", "accuracy"} <= set(table.columns)
    True
    """
    return calibration_frame(*with_methods(read_runs(*paths)))


def records_frame(found: Sequence[Run], swept: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of `load`, from runs that were read already; of the settings, those in `swept`.

    >>> from pathlib import Path
    >>> from cl_bench.records.rows import Record
    >>> from cl_bench.records.runs import Run
    >>> tests = [Record(0, 1, 1, 0.9, 0.4, 100)]
    >>> run = Run(Path("few/ewc-s0"), "few", "digits", "ewc", 0, records=tests)
    >>> records_frame([run])[["strategy", "seed", "after_task", "accuracy"]]
      strategy  seed  after_task  accuracy
    0      ewc     0           1       0.9
    """
    extra = metric_columns(found, taken=(*RUN_COLUMNS, *Record._fields))
    return _rows_frame(found, swept, Record, [run.records for run in found], extra)


def states_frame(found: Sequence[Run], swept: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of `states`, from runs that were read already; of the settings, those in `swept`.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> # an old run, without states
    >>> run = Run(Path("few/ewc-s0"), "few", "digits", "ewc", 0)
    >>> len(states_frame([run]))
    0
    """
    frame = _rows_frame(found, swept, State, [run.states for run in found])
    return frame.assign(ood_auroc=frame["ood_auroc"].where(frame["scenario"] != TASK))


def calibration_frame(
    found: Sequence[Run], swept: Sequence[str] = (), *, damaged: Damaged | None = None
) -> pd.DataFrame:
    """The rows of `calibration`, from runs that were read already; of the settings, those in `swept`.

    Each calibration.csv is read now. With `damaged` a file that breaks the format is no error: its run goes
    there, and has no rows.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> # an old run, without calibration.csv
    >>> run = Run(Path("few/ewc-s0"), "few", "digits", "ewc", 0)
    >>> len(calibration_frame([run]))
    0
    """
    rows = [[] if run.status == "broken" else rows_of(run, CalibrationBin, damaged) for run in found]
    return _rows_frame(found, swept, CalibrationBin, [_newest(each) for each in rows])


def rows_of(run: Run, kind: type[AnyRow], damaged: Damaged | None) -> list[AnyRow]:
    """The rows of a kind that a run has left.

    Args:
        kind: the class of the rows, such as `Record`.
        damaged: as in `calibration_frame`.

    Raises:
        RecordsError, OSError: where they cannot be read, or are of another run.

    >>> from pathlib import Path
    >>> from cl_bench.records.rows import Record
    >>> from cl_bench.records.runs import Run
    >>> # there is no such file
    >>> rows_of(Run(Path("few/ewc-s0"), "few"), Record, None)
    []
    """
    path = run.path / FILES[kind]
    try:
        rows = rows_of_run(run.path, kind)
        _check_of_run(path, rows, run)
    except FileNotFoundError:
        return []
    except (OSError, RecordsError) as error:
        if damaged is None:
            raise
        damaged.append((run, str(error)))
        return []
    return rows


def _check_of_run(path: Path, rows: Sequence[Any], run: Run) -> None:
    for row in rows:
        if row.seed != run.seed:
            raise RecordsError(f"{path} has seed {row.seed}, run.json has seed {run.seed}")
        for name in ("after_task", "on_task", "training_on"):
            if getattr(row, name, 0) > run.num_tasks:
                raise RecordsError(f"{path} has {name} {getattr(row, name)} of {run.num_tasks} tasks")


def _newest(rows: Sequence[CalibrationBin]) -> list[CalibrationBin]:
    """A resumed run tests again what it had tested: the last counts."""
    return list({(row.after_task, row.on_task, row.bin): row for row in rows}.values())


def _rows_frame(
    found: Sequence[Run],
    swept: Sequence[str],
    kind: Any,
    rows_by_run: Sequence[Sequence[Any]],
    extra: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """The runs' rows of one kind, each beside what describes its run, with extra columns."""
    lengths = [len(rows) for rows in rows_by_run]
    columns: dict[str, Any] = {}
    for name in RUN_COLUMNS:
        # of runs with rows only: a broken one has no seed, and whole numbers stay such
        values = [_value(run, name) for run, length in zip(found, lengths, strict=True) if length]
        columns[name] = repeated(values, [length for length in lengths if length])
    together = [row for rows in rows_by_run for row in rows]
    fields = zip(*together, strict=True) if together else ([] for _ in kind._fields)
    for name, field in zip(kind._fields, fields, strict=True):
        if name != "seed":
            columns[name] = np.array(field, dtype=kind.__annotations__[name])
    columns |= extra or {}
    names = _setting_columns(swept, taken=columns)
    for name in swept:
        values = [run.settings.get(name) for run, length in zip(found, lengths, strict=True) if length]
        columns[names[name]] = repeated(values, [length for length in lengths if length])
    return pd.DataFrame(columns)


def repeated(values: list[Any], lengths: Sequence[int]) -> np.ndarray:
    """A column in which each value stands as often as its run has rows.

    >>> repeated(["ewc", "vcl"], lengths=[2, 1]).tolist()
    ['ewc', 'ewc', 'vcl']
    """
    return np.repeat(_column(values), lengths)


def _setting_columns(swept: Sequence[str], *, taken: Iterable[str]) -> dict[str, str]:
    """Setting -> its column: no setting takes the place of what was measured, nor of another setting."""
    measured, settings = set(taken), set(swept)
    names = {name: name for name in swept if name not in measured}
    for name in settings & measured:
        column = f"settings.{name}"
        while column in measured or column in settings:
            column = f"settings.{column}"
        names[name] = column
    return names


def runs_frame(found: Sequence[Run]) -> pd.DataFrame:
    """The rows of `runs`, from runs that were read already.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> run = Run(Path("few/ewc-s0"), "few", strategy="ewc", status="running")
    >>> runs_frame([run])[["strategy", "status", "num_records"]]
      strategy   status  num_records
    0      ewc  running            0
    """
    columns: dict[str, Any] = {name: [_value(run, name) for run in found] for name in RUN_COLUMNS}
    columns["seed"] = pd.array(columns["seed"], dtype="Int64")  # a broken run has none
    columns["error"] = [run.error for run in found]
    columns["num_records"] = [len(run.records) for run in found]
    for name in ("wall_seconds", "cpu_seconds", "settings"):
        columns[name] = [getattr(run, name) for run in found]
    columns["path"] = [one_line(run.path) for run in found]
    return pd.DataFrame(columns)


def _value(run: Run, name: str) -> Any:
    if name in Tuning._fields:
        return getattr(tuning_of(run.about), name)
    return run.name if name == "run" else getattr(run, name)


def _column(values: list[Any]) -> np.ndarray:
    """Whole numbers of 64 bits as such; anything else, or a mixture, as objects."""
    if values and all(type(value) is int and -MOST <= value <= MOST for value in values):
        return np.array(values, dtype=np.int64)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
