"""`cl-bench metric NAME DIR...`: a metric of saved predictions, beside the records of each run."""

import importlib
import math
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cl_bench.cli.options import with_options
from cl_bench.config.choices import plugged_in
from cl_bench.config.nearest import nearest_choices
from cl_bench.records.errors import NotMeasuredError
from cl_bench.records.lock import RunInUseError, alone_in
from cl_bench.records.metric_rows import BETTER, UNITS, MetricRow, check_words, write_metrics
from cl_bench.records.rows import Record
from cl_bench.records.saved import SAVE_PREDICTIONS
from cl_bench.records.text import counted, one_line

if TYPE_CHECKING:
    from cl_bench.records.runs import Run

GROUP = "cl_bench.metrics"  # of entry points: name -> a function
TABLES = ("per_class_accuracy", "task_confusion")  # of analysis/by_class.py: a file of their own
ABOUT = f"""Compute a metric from the predictions that training.save=[predictions] has left. It goes into
metrics.csv of each run; `load`, `cl-bench report` and every table show it then. Without NAME all are listed.

NAME is one of these, or a function of your own: my_file.py:function or package.module:function. It takes
probabilities [N, K] and labels [N], NumPy arrays of one test, and returns a number. An installed package
gives it a name by the entry point {GROUP}."""


class Asked(NamedTuple):
    """A metric, and how it is shown."""

    name: str
    function: Callable[[Any, Any], float]
    unit: str
    better: str


def main(arguments: Sequence[str]) -> int:
    """Compute a metric, or list all. The exit status is 0; 1 for an error; 2 for a wrong command line."""
    parser = ArgumentParser(
        prog="cl-bench metric",
        description=ABOUT,
        formatter_class=RawDescriptionHelpFormatter,
        usage="cl-bench metric [NAME DIR...] [--unit UNIT] [--better DIRECTION] [-o FILE]",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="of a metric; without it all are listed")
    parser.add_argument("folders", metavar="DIR", nargs="*", help="a results folder, a study or a run")
    parser.add_argument(
        "--unit", metavar="UNIT", choices=UNITS, help="of a function of your own: %% of a fraction, or ''"
    )
    parser.add_argument("--better", choices=BETTER[:2], help="of a function of your own: which way")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=f"of {' and '.join(TABLES)} (default: DIR/NAME.csv)"
    )
    return with_options(parser, arguments, _metric)


def _metric(options: Namespace) -> int:
    if options.name is None:
        print(listing())
        return 0
    if not options.folders:
        raise ValueError(f"cl-bench metric {options.name} needs a folder with runs: {SAVE_PREDICTIONS}")
    if options.name in TABLES:
        return _table(options)
    return _numbers(options)


def listing() -> str:
    """A line for each metric."""
    from cl_bench.analysis import by_class
    from cl_bench.analysis.of_predictions import LISTED, built_in

    about = {name: (built_in(name).__doc__ or "") for name in LISTED}
    about |= {name: getattr(by_class, name).__doc__ or "" for name in TABLES}
    about |= {each.name: f"of {_package(each)}" for each in plugged_in(GROUP) if each.name not in about}
    width = max(map(len, about))
    return "\n".join(f"  {name:<{width}}  {one_line(text.splitlines()[0])}" for name, text in about.items())


def names() -> list[str]:
    """The names of all metrics."""
    from cl_bench.analysis.of_predictions import LISTED

    return list(dict.fromkeys([*LISTED, *TABLES, *(each.name for each in plugged_in(GROUP))]))


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else entry_point.value


def _numbers(options: Namespace) -> int:
    from cl_bench.analysis.afterwards import note
    from cl_bench.analysis.frame import RUN_COLUMNS
    from cl_bench.analysis.labels import with_methods
    from cl_bench.analysis.predictions import values_of
    from cl_bench.records.runs import read_runs

    asked = _asked(options)
    taken = asked.name in (*RUN_COLUMNS, *Record._fields)
    if taken or not note(asked.name, unit=asked.unit, better=asked.better):
        raise ValueError(f"{asked.name} must have another name: each run has a measure of that name")
    found = with_methods(read_runs(*options.folders))[0]
    having = _having(found)
    failed = 0
    for run in having:
        words = asked.unit, asked.better
        rows = [
            MetricRow(run.seed or 0, test.after_task, test.on_task, asked.name, value, *words)
            for test, value in values_of(run, asked.function)
        ]
        if all(math.isnan(row.value) for row in rows):
            raise ValueError(
                f"{asked.name} is nan on every test of {one_line(run.path)}: correct its function"
            )
        try:
            with alone_in(run.path):
                write_metrics(run.path, rows)
        except RunInUseError as error:
            failed += 1
            print(f"cl-bench: {one_line(error)}", file=sys.stderr)
    print(_summary(asked, options.folders))
    lacking = len(found) - len(having)
    if lacking:
        print(f"\n{counted(lacking, 'run')} without saved predictions: {SAVE_PREDICTIONS}")
    return 1 if failed else 0


def _having(found: Sequence["Run"]) -> list["Run"]:
    from cl_bench.analysis.predictions import with_predictions

    having = with_predictions(found)
    if not having:
        raise NotMeasuredError(
            f"none of {counted(len(found), 'run')} has saved predictions: {SAVE_PREDICTIONS}"
        )
    return having


def _summary(asked: Asked, folders: Sequence[str]) -> str:
    """The mean after the last task of each method."""
    from cl_bench.analysis.afterwards import noted
    from cl_bench.analysis.results import Results
    from cl_bench.report.numbers import tenths
    from cl_bench.report.text_table import aligned

    rows = Results.read(*folders).summary
    (metric,) = [each for each in noted(rows.columns, ending="_mean") if each.name == asked.name]
    rows = rows[rows[f"{metric.name}_mean"].notna()]
    shown = [
        tenths(metric.factor * mean) if metric.unit else f"{mean:.4g}" for mean in rows[f"{metric.name}_mean"]
    ]
    columns = [
        ["method", *(f"{row.study}: {row.benchmark}, {row.method}" for row in rows.itertuples())],
        ["seeds", *map(str, rows["num_seeds"])],
        [metric.heading, *shown],
    ]
    return f"After the last task, in metrics.csv of each run:\n\n{aligned(columns)}"


def _table(options: Namespace) -> int:
    from cl_bench.analysis import by_class
    from cl_bench.analysis.labels import with_methods
    from cl_bench.records.atomic import write_whole
    from cl_bench.records.runs import read_runs
    from cl_bench.report.spreadsheet import csv

    if options.output is None and len(options.folders) > 1:
        raise ValueError(f"say where {options.name}.csv of several folders shall be: give -o FILE")
    _having(with_methods(read_runs(*options.folders))[0])
    table = getattr(by_class, options.name)(*options.folders)
    path = Path(options.output or Path(options.folders[0], f"{options.name}.csv"))
    print(one_line(write_whole(path, csv(table))))
    return 0


def _asked(options: Namespace) -> Asked:
    name, function = _found(options.name)
    unit = getattr(function, "unit", "") if options.unit is None else options.unit
    better = options.better or getattr(function, "better", "")
    check_words(name, unit=unit, better=better)
    return Asked(name, function, unit, better)


def _found(name: str) -> tuple[str, Callable[[Any, Any], float]]:
    """The metric's own name, and its function. Raises ValueError."""
    from cl_bench.analysis.of_predictions import built_in

    function: Any = built_in(name)
    if function is not None:
        return name, function
    place, colon, own = name.rpartition(":")
    if colon:
        return own, _function(place, own, told=name)
    for each in plugged_in(GROUP):
        if each.name == name:
            return name, _callable(each.load(), told=f"{name} of {_package(each)}")
    near = nearest_choices(name, names())
    hint = f"did you mean {near[0]}?" if near else "`cl-bench metric` lists all"
    raise ValueError(f"there is no metric {name!r}; {hint}")


def _function(place: str, own: str, *, told: str) -> Callable[[Any, Any], float]:
    try:
        found = getattr(_of_file(Path(place)) if place.endswith(".py") else _module(place), own)
    except Exception as error:  # whatever a module of somebody's raises
        raise ValueError(f"{told} cannot be imported: {type(error).__name__}: {error}") from error
    return _callable(found, told=told)


def _module(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _of_file(path: Path) -> Any:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no file of Python")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _callable(found: Any, *, told: str) -> Callable[[Any, Any], float]:
    if not callable(found):
        raise ValueError(f"{told} must be a function of (probabilities, labels), got {type(found).__name__}")
    return found
