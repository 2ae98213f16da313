"""A results folder -> what is worth keeping of it: a text table, CSV files, figures and a page."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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


class Computed(NamedTuple):
    """What follows from the results: tables by file name, blocks of sentences, files that were left out."""

    tables: dict[str, pd.DataFrame]
    compared: pd.DataFrame  # with published numbers
    said: list[str]
    damaged: list[str]


class Figures(NamedTuple):
    """The files of the figures, and a sentence for each that could not be drawn."""

    paths: list[Path]
    notes: list[str]


def report(folder: str | os.PathLike[str], *, figures: bool = True) -> Report:
    """Analyse all runs below the folder, and write tables, figures and a page into it.

    The tables are summary.csv, forgetting_curves.csv and those of `sentences.statements` (comparison.csv and
    others). A study that has published numbers to be compared with adds expected.csv.

    The figures are figures/<kind>-<benchmark>.{png,svg}, of those `figure_kinds.KINDS` that there are numbers
    for; with several studies in the folder <study>-<benchmark>. Existing files of these names are replaced,
    each whole or not at all; others are left alone. The page report.html has all of it, see report/write.py.
    With it go runs.csv, table.tex and summary.parquet. Without `figures` none is drawn, and the page shows
    none. Raises AnalysisError when there is no run below the folder.
    """
    folder = Path(folder)
    results = Results.read(folder)
    with _started(results, folder / "figures") if figures else _none_wanted() as collect:
        computed = _compute(results)
        written = [_write_csv(table, folder / name) for name, table in computed.tables.items()]
        drawn = collect()
    notes = _notes(results, computed, drawn, folder / "figures")
    analysed = Analysed(folder, results, computed.compared, computed.said, notes)
    text = [text_table(results.summary), published_table(computed.compared), *computed.said]
    paths = [*written, *drawn.paths, *write_files(analysed, figures=drawn.paths)]
    return Report("\n\n".join(filter(None, text)), paths, notes)


def _compute(results: Results) -> Computed:
    damaged: list[str] = []
    said = statements(results)
    compared = against_published(results.found, results.frame, accuracies=results.matrices, damaged=damaged)
    tables = {"summary.csv": results.summary, "forgetting_curves.csv": results.curves} | said.tables
    if not compared.empty:
        tables["expected.csv"] = compared
    return Computed(tables, compared, said.text, damaged)


def _notes(results: Results, computed: Computed, drawn: Figures, folder: Path) -> list[str]:
    """Whatever the numbers leave out, the first of it; then how much more there is."""
    notes = [
        *run_notes(results.found),
        *results.left_out(),
        *computed.damaged,
        *summary_notes(results.summary),
        *drawn.notes,
        *recorded_notes(results.found),
        *stale_notes(folder, drawn.paths),
    ]
    over = len(notes) - MOST_NOTES
    more = [f"There are {over} notes more."] if over > 0 else []
    return [cut(one_line(note), LONGEST_NOTE) for note in notes[:MOST_NOTES]] + more


@contextmanager
def _started(results: Results, folder: Path) -> Iterator[Callable[[], Figures]]:
    """Every kind that there are numbers for is drawn meanwhile; the function waits for it."""
    # made here: processes that draw have it then, and what is damaged is known here
    _ = results.summary, results.probes, results.calibration
    why = _no_figures(results, folder)
    if why:
        yield lambda: Figures([], [f"There are no figures: {why}."])
        return
    # here, so that importing the report does not import matplotlib
    from cl_bench.figures.parallel import started

    planned = drawings(results, KINDS, folder=folder)
    over = len(planned) > MOST_FIGURES
    most = f"{MOST_FIGURES} of {len(planned)} figures are drawn; cl-bench plot draws the others."
    with started(planned[:MOST_FIGURES], strict=False) as collect:

        def collected() -> Figures:
            done = collect()
            return Figures(done.paths, [*([most] if over else []), *refusals(done.refused)])

        yield collected


@contextmanager
def _none_wanted() -> Iterator[Callable[[], Figures]]:
    yield lambda: Figures([], [])


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
