"""A results folder -> what is worth keeping of it: a text table, CSV files, figures and a page."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cl_bench.analysis.published import against_published
from cl_bench.analysis.results import Results
from cl_bench.records.atomic import write_whole
from cl_bench.records.text import cut, one_line
from cl_bench.report.figure_kinds import KINDS
from cl_bench.report.notes import LONGEST_NOTE, recorded_notes, run_notes, summary_notes
from cl_bench.report.page import Analysed
from cl_bench.report.plot import drawings, refusals
from cl_bench.report.published_table import published_table
from cl_bench.report.sentences import statements
from cl_bench.report.spreadsheet import csv
from cl_bench.report.text_table import text_table
from cl_bench.report.write import write_files

MOST_NOTES = 1_000
MOST_FIGURES = 300


class Report(NamedTuple):
    """What a report says and where it lies."""

    text: str  # a table and what follows from it, for the terminal; empty when no run has records
    paths: list[Path]  # the files written
    notes: list[str]  # whatever the numbers leave out, a sentence each


def report(folder: str | os.PathLike[str], *, figures: bool = True) -> Report:
    """Analyse all runs below the folder; write summary.csv, forgetting_curves.csv, the tables of
    `analysis.statements` (comparison.csv and others), expected.csv where a study has published numbers to be
    compared with, and figures/ into it.

    The figures are figures/<kind>-<benchmark>.{png,svg}, of those `kinds.KINDS` that there are numbers for;
    with several studies in the folder <study>-<benchmark>. Existing files of these names are replaced, each
    whole or not at all; others are left alone. The page report.html has all of it, see `page.write`;
    runs.csv, table.tex and summary.parquet go with it. Without `figures` none is drawn, and the page shows
    none. Raises AnalysisError when there is no run below the folder.
    """
    folder = Path(folder)
    results = Results.read(folder)
    found, frame, rows, matrices = results.found, results.frame, results.summary, results.matrices
    probes = results.probes
    if figures:  # read here, so that what is damaged is known here, and not to a process that draws
        _ = results.calibration
    damaged: list[str] = []
    no_figures: tuple[list[Path], list[str]] = ([], [])
    with _drawn(results, folder=folder / "figures") if figures else nullcontext(no_figures) as (drawn, notes):
        said = statements(found, frame, rows, probes=probes, accuracies=matrices)
        tables = {"summary.csv": rows, "forgetting_curves.csv": results.curves} | said.tables
        compared = against_published(found, frame, accuracies=matrices, damaged=damaged)
        if not compared.empty:
            tables["expected.csv"] = compared
        paths = [_write_csv(table, folder / name) for name, table in tables.items()]
    text = "\n\n".join(filter(None, [text_table(rows), published_table(compared), *said.text]))
    notes = [
        *run_notes(found),
        *results.left_out(),
        *damaged,
        *summary_notes(rows),
        *notes,
        *recorded_notes(found),
    ]
    notes += stale_notes(folder / "figures", drawn)
    notes = [cut(one_line(note), LONGEST_NOTE) for note in notes[:MOST_NOTES]] + _more(notes)
    curves, averages = results.curves, results.averages
    analysed = Analysed(folder, found, matrices, rows, curves, averages, compared, said.text, notes)
    return Report(text, [*paths, *drawn, *write_files(analysed, figures=drawn)], notes)


def _more(notes: Sequence[str]) -> list[str]:
    over = len(notes) - MOST_NOTES
    return [f"There are {over} notes more."] if over > 0 else []


@contextmanager
def _drawn(results: Results, *, folder: Path) -> Iterator[tuple[list[Path], list[str]]]:
    """Draws meanwhile every kind that there are numbers for: the paths and notes on what is not drawn, both
    complete after it.
    """
    why = _no_figures(results, folder)
    if why:
        yield [], [f"There are no figures: {why}."]
        return
    # here, so that importing the report does not import matplotlib
    from cl_bench.figures.parallel import drawn

    paths: list[Path] = []
    notes: list[str] = []
    planned = drawings(results, KINDS, folder=folder)
    if len(planned) > MOST_FIGURES:
        notes.append(f"{MOST_FIGURES} of {len(planned)} figures are drawn; cl-bench plot draws the others.")
    with drawn(planned[:MOST_FIGURES], strict=False) as done:
        yield paths, notes
    paths += done.paths
    notes += refusals(done.refused)


def _no_figures(results: Results, folder: Path) -> str:
    """Why none can be drawn; empty where they can."""
    if results.curves.empty:
        return "no run is complete"
    if folder.is_symlink():
        return f"{folder} is a link, and nothing is written through a link of a results folder; remove it"
    return "" if folder.is_dir() or not folder.exists() else f"{folder} is no folder"


def stale_notes(folder: Path, written: Iterable[Path]) -> list[str]:
    """Which figures lie there from an earlier report, where this one drew some."""
    names = {path.name for path in written}
    stale = [
        path.name
        for path in (sorted(folder.iterdir()) if names else ())
        if re.match(rf"({'|'.join(KINDS)})-.*\.(png|svg)$", path.name) and path.name not in names
    ]
    return [f"From an earlier report, and not renewed, in {folder}: {', '.join(stale)}."] if stale else []


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    return write_whole(path, csv(table))
