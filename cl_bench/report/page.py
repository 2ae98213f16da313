"""What the page says, without how it looks: a pure function of what was analysed."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.analysis.looks import method_styles
from cl_bench.analysis.matrix import RunMatrix
from cl_bench.analysis.registry import Metric
from cl_bench.analysis.summary import MOST_METHODS
from cl_bench.analysis.tuning import tuning_lines
from cl_bench.records.runs import STATUSES, Run
from cl_bench.records.text import counted, one_line, shortened
from cl_bench.report.interactive_curves import interactive_curves
from cl_bench.report.page_tables import (
    NONE,
    Cell,
    Table,
    metrics_of,
    plain_table,
    settings_tables,
    summary_table,
)
from cl_bench.report.published_table import columns_of, remarks
from cl_bench.report.rerun_command import command

MOST_RUNS = 200  # of a study and benchmark that are listed in the page; runs.csv has them all
LONGEST_COMMAND = 10_000  # letters
MOST_VERSIONS = 200  # that are listed
RUNS = (
    *("study", "benchmark", "method", "seed", "status", "counts", "num_records"),
    *("wall_seconds", "device", "path", "command", "error"),
)


class Analysed(NamedTuple):
    """What a report has found out of a folder, see `report.report`."""

    folder: Path
    found: Sequence[Run]
    matrices: Sequence[RunMatrix]
    summary: pd.DataFrame
    curves: pd.DataFrame
    averages: pd.DataFrame
    compared: pd.DataFrame  # with published numbers
    text: Sequence[str]  # blocks of statements: a title, then a line each
    notes: Sequence[str]


class Block(NamedTuple):
    """Sentences under a title."""

    title: str
    lines: list[str]


class Group(NamedTuple):
    """A study and benchmark."""

    title: str
    about: str
    summary: Table | None
    tuning: list[str]  # how the settings of methods were found
    curves: Any  # curves.Curves, or None where nothing was recorded
    settings: list[Table]
    runs: Table
    runs_note: str


class Contents(NamedTuple):
    """The whole page, but for its figures."""

    title: str
    facts: str
    notes: list[str]
    groups: list[Group]
    statements: list[Block]
    published: list[tuple[Table, list[str]]]
    environments: list[Table]
    metrics: list[Metric]


def runs_table(analysed: Analysed) -> pd.DataFrame:
    """A row a run: where it lies below the folder, whether it counts in tables and figures, and the command
    that does it again.
    """
    complete = {(run.study, run.run) for run in analysed.matrices if run.complete}
    root = analysed.folder.resolve()
    rows = [
        {
            **{name: getattr(run, name) for name in ("study", "benchmark", "method", "seed", "status")},
            "counts": run.status != "broken" and (run.study, run.name) in complete,
            "num_records": len(run.records),
            "wall_seconds": run.wall_seconds,
            "device": _device(run),
            "path": _below(run.path, root),
            "command": "" if run.status == "broken" else _command(run),
            "error": run.error,
        }
        for run in analysed.found
    ]
    seeds = pd.array([run.seed for run in analysed.found], dtype="Int64")  # a broken run has none
    return pd.DataFrame(rows, columns=list(RUNS)).assign(seed=seeds)


def _device(run: Run) -> str:
    """The kind of device, and the card with its driver, CUDA and torch."""
    hardware, versions = (
        told if isinstance(told, dict) else {} for told in map(run.about.get, ("hardware", "versions"))
    )
    if not hardware.get("gpu"):
        return run.device
    about = {name: hardware.get(name) for name in ("driver", "cuda")} | {"torch": versions.get("torch")}
    card = [hardware["gpu"], *(f"{name} {version}" for name, version in about.items() if version)]
    return shortened(f"{run.device}: {', '.join(map(str, card))}")


def _command(run: Run) -> str:
    """Half a command would be another one."""
    line = command(run)
    return line if len(line) <= LONGEST_COMMAND else f"more than {LONGEST_COMMAND:,} letters: see run.json"


def contents(analysed: Analysed, runs: pd.DataFrame) -> Contents:
    """`runs` as from `runs_table`."""
    by_status = Counter(run.status for run in analysed.found)
    statuses = [f"{by_status[status]} {status}" for status in STATUSES if by_status[status]]
    names = list(dict.fromkeys((run.study, run.benchmark) for run in analysed.found if run.benchmark))
    several = len({study for study, _ in names}) > 1
    matrices_by_group: dict[tuple[str, str], list[RunMatrix]] = {}
    for matrix in analysed.matrices:
        matrices_by_group.setdefault((matrix.study, matrix.benchmark), []).append(matrix)
    styles = _styles(analysed.found) if matrices_by_group else {}
    groups = [
        _group(
            *(analysed, runs, study, benchmark),
            title=f"{study}: {benchmark}" if several else benchmark,
            found=matrices_by_group.get((study, benchmark), []),
            styles=styles,
        )
        for study, benchmark in names
    ]
    number = len(analysed.found)
    return Contents(
        title=one_line(analysed.folder.resolve().name),
        facts=f"{counted(number, 'run')}: {', '.join(statuses)}.",
        notes=list(analysed.notes),
        groups=groups,
        statements=[_block(text) for text in analysed.text],
        published=_published(analysed.compared),
        environments=_environments(analysed.found),
        metrics=metrics_of(analysed.summary),
    )


def _group(
    analysed: Analysed,
    runs: pd.DataFrame,
    study: str,
    benchmark: str,
    *,
    title: str,
    found: Sequence[RunMatrix],
    styles: Mapping[str, Any],
) -> Group:
    def here(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["study"] == study) & (frame["benchmark"] == benchmark)]

    curves = None
    if found:
        best = set(here(analysed.summary)["method"].head(MOST_METHODS))  # summaries have the best first
        drawn = [run for run in found if run.method in best]
        curves = interactive_curves(here(analysed.curves), here(analysed.averages), drawn, styles=styles)
    mine = [run for run in analysed.found if (run.study, run.benchmark) == (study, benchmark)]
    rows = here(analysed.summary)
    table = summary_table(rows, caption=f"{title}: mean ± half width of the 95 % interval over seeds")
    listed, note = _runs(here(runs), title=title)
    return Group(
        title, _about(mine), table if len(rows) else None, tuning_lines(rows), curves,
        settings_tables(mine, where=title), listed, note,
    )  # fmt: skip


def _about(runs: Sequence[Run]) -> str:
    told = {run.scenario for run in runs if run.scenario}
    scenarios = sorted(each if "-" in each else f"{each}-incremental" for each in told)
    lengths = sorted({run.num_tasks for run in runs if run.num_tasks})
    tested = sorted({run.test_last for run in runs if run.test_last})
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    parts = [
        " or ".join(scenarios),
        f"{' or '.join(map(str, lengths))} task{'s' * (lengths != [1])}" if lengths else "",
        f"the last {' or '.join(map(str, tested))} tested" if tested else "",
        counted(len({run.method for run in runs}), "method"),
        _seeds(seeds),
    ]
    return ", ".join(filter(None, parts))


def _seeds(seeds: Sequence[int]) -> str:
    if not seeds:
        return ""
    more = ", …" if len(seeds) > 20 else ""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds[:20]))}{more}"


def _runs(rows: pd.DataFrame, *, title: str) -> tuple[Table, str]:
    """Those that went wrong first."""
    ordered = pd.concat([rows[~rows["counts"]], rows[rows["counts"]]])
    cells = [
        [
            *(Cell(row["path"], row["path"], code=True), Cell(row["method"], row["method"])),
            *(Cell(str(row["seed"]), row["seed"]), Cell(row["status"], row["status"])),
            Cell("yes" if row["counts"] else "no", "yes" if row["counts"] else "no"),
            Cell(
                f"{row['wall_seconds']:.1f}" if 0 <= row["wall_seconds"] < math.inf else NONE,
                row["wall_seconds"],
            ),
            Cell(row["command"], row["command"], code=True),
        ]
        for row in ordered.head(MOST_RUNS).to_dict("records")
    ]
    columns = ["folder", "method", "seed", "status", "counts", "seconds", "command"]
    over = len(rows) - MOST_RUNS
    note = f"{MOST_RUNS} of {len(rows)} runs are listed here; runs.csv lists all." if over > 0 else ""
    return Table(f"{title}: runs, and the command that does each again", columns, cells), note


def _block(text: str) -> Block:
    title, *lines = text.splitlines()
    while lines and not lines[0].startswith(" "):  # a title of more than one line
        title += " " + lines.pop(0)
    return Block(title, [line.strip() for line in lines])


def _published(compared: pd.DataFrame) -> list[tuple[Table, list[str]]]:
    return [
        (plain_table(columns_of(rows), caption=f"{study}: published, and here (percent)"), remarks(rows))
        for study, rows in compared.groupby("study", sort=False)
    ]


def _environments(runs: Sequence[Run]) -> list[Table]:
    """Versions and hardware, how many runs had each."""
    tables = []
    for kind in ("versions", "hardware"):
        found: Counter[tuple[str, str]] = Counter()
        for run in runs:
            told = run.about.get(kind)
            found.update(
                (shortened(key), shortened(value))
                for key, value in (told.items() if isinstance(told, dict) else ())
            )
        rows = [
            [Cell(name, name), Cell(value, value), Cell(str(times), times)]
            for (name, value), times in sorted(found.items())[:MOST_VERSIONS]
        ]
        if rows:
            tables.append(Table(kind, ["what", "value", "runs"], rows))
    return tables


def _styles(runs: Sequence[Run]) -> Mapping[str, Any]:
    return method_styles({run.method for run in runs if run.records and run.status != "broken"})


def _below(path: Path, root: Path) -> str:
    return one_line(path.relative_to(root) if path.is_relative_to(root) else path)
