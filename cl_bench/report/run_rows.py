"""Every run of a report as a row: for runs.csv, and for the page."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cl_bench.analysis.matrix import RunMatrix
from cl_bench.records.runs import Run
from cl_bench.records.text import one_line, shortened
from cl_bench.report.page_tables import NONE, Cell, Table
from cl_bench.report.rerun_command import command

MOST_RUNS = 200  # of a study and benchmark that are listed in the page; runs.csv has them all
LONGEST_COMMAND = 10_000  # letters
RUNS = (
    "study", "benchmark", "method", "seed", "status", "counts", "num_records",
    "wall_seconds", "device", "commit", "dirty", "path", "command", "error",
)  # fmt: skip


def runs_frame(found: Sequence[Run], matrices: Sequence[RunMatrix], *, folder: Path) -> pd.DataFrame:
    """One row per run: where it lies below the folder, whether it counts in tables and figures, and the
    command that does it again.
    """
    complete = {(run.study, run.run) for run in matrices if run.complete}
    root = folder.resolve()
    rows = [
        {
            **{name: getattr(run, name) for name in ("study", "benchmark", "method", "seed", "status")},
            "counts": run.status != "broken" and (run.study, run.name) in complete,
            "num_records": len(run.records),
            "wall_seconds": run.wall_seconds,
            "device": _device(run),
            "commit": run.commit,
            "dirty": run.dirty,
            "path": _below(run.path, root),
            "command": "" if run.status == "broken" else _command(run),
            "error": run.error,
        }
        for run in found
    ]
    seeds = pd.array([run.seed for run in found], dtype="Int64")  # a broken run has none
    return pd.DataFrame(rows, columns=list(RUNS)).assign(seed=seeds)


def listed(rows: pd.DataFrame, *, title: str) -> tuple[Table, str]:
    """Rows of `runs_frame` as a table, what went wrong first; and a note on how many it leaves out."""
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


def _below(path: Path, root: Path) -> str:
    return one_line(path.relative_to(root) if path.is_relative_to(root) else path)
