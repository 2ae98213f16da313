"""What the page says, without how it looks: a pure function of what was analysed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.analysis.looks import families, from_elsewhere, method_styles
from cl_bench.analysis.matrix import RunMatrix
from cl_bench.analysis.registry import Metric
from cl_bench.analysis.results import Results
from cl_bench.analysis.summary import MOST_METHODS
from cl_bench.records.runs import STATUSES, Run
from cl_bench.records.text import counted, one_line, shortened
from cl_bench.report.embedded_figures import Figure
from cl_bench.report.figure_captions import alternative, caption, title_of
from cl_bench.report.figure_kinds import OVER_BENCHMARKS
from cl_bench.report.figure_parts import places
from cl_bench.report.interactive_curves import interactive_curves
from cl_bench.report.page_tables import (
    Cell,
    Choice,
    Table,
    choices,
    metrics_of,
    plain_table,
    settings_tables,
    summary_table,
)
from cl_bench.report.protocol_line import Protocol, protocol
from cl_bench.report.published_table import columns_of, remarks, tally
from cl_bench.report.run_rows import listed

MOST_VERSIONS = 200  # that are listed
MOST_SENTENCES = 2  # on a study and benchmark that are shown before the others are unfolded


class Analysed(NamedTuple):
    """What a report has found out of a folder, see `report.report`."""

    folder: Path
    results: Results
    compared: pd.DataFrame  # with published numbers
    text: Sequence[str]  # blocks of statements: a title, then a line each
    notes: Sequence[str]


class Block(NamedTuple):
    """Sentences under a title."""

    title: str
    lines: list[str]


class Shown(NamedTuple):
    """A figure with its words."""

    caption: str
    alt: str
    figure: Figure


Folded = dict[str, list[Shown]]  # kind -> its figures


class Group(NamedTuple):
    """A study and benchmark."""

    anchor: str
    title: str
    protocol: Protocol
    summary: Table | None
    curves: Any  # interactive_curves.Curves, or None where nothing was recorded
    statements: list[Block]
    figures: Folded
    settings: list[Table]
    runs: Table
    runs_note: str


class Entry(NamedTuple):
    """A study in the navigation, with links to its benchmarks: anchor -> text."""

    title: str
    links: dict[str, str]


class Published(NamedTuple):
    """A study beside published numbers."""

    title: str
    verdicts: str
    table: Table
    remarks: list[str]


class Contents(NamedTuple):
    """The whole page."""

    title: str
    facts: str
    notes: list[str]
    studies: list[Entry]
    groups: list[Group]
    statements: list[Block]  # on more than one study and benchmark; so are the figures
    figures: Folded
    published: list[Published]
    environments: list[Table]
    metrics: list[Metric]
    choices: list[Choice]

    def by_name(self) -> dict[str, Metric]:
        """The metrics by the keys of columns."""
        return {metric.name: metric for metric in self.metrics}


def contents(analysed: Analysed, runs: pd.DataFrame, *, figures: Sequence[Figure]) -> Contents:
    """`runs` as from `run_rows.runs_frame`; `figures` as from `embedded_figures.embedded`."""
    by_status = Counter(run.status for run in analysed.results.found)
    statuses = [f"{by_status[status]} {status}" for status in STATUSES if by_status[status]]
    names = list(dict.fromkeys((run.study, run.benchmark) for run in analysed.results.found if run.benchmark))
    matrices_by_group: dict[tuple[str, str], list[RunMatrix]] = {}
    for matrix in analysed.results.matrices:
        matrices_by_group.setdefault((matrix.study, matrix.benchmark), []).append(matrix)
    styles = _styles(analysed.results.found) if matrices_by_group else {}
    several = len({study for study, _ in names}) > 1
    drawn = _by_group(figures, analysed.results.matrices)
    said = _by_title(analysed)
    groups = [
        _group(
            *(analysed, runs, study, benchmark),
            anchor=f"group-{number}",
            title=f"{study}: {benchmark}" if several else benchmark,
            found=matrices_by_group.get((study, benchmark), []),
            styles=styles,
            figures=drawn.pop((study, benchmark), []),
            statements=said.pop((study, benchmark), []),
        )
        for number, (study, benchmark) in enumerate(names, start=1)
    ]
    metrics = metrics_of(analysed.results.summary)
    return Contents(
        title=one_line(analysed.folder.resolve().name),
        facts=f"{counted(len(analysed.results.found), 'run')}: {', '.join(statuses)}.",
        notes=list(analysed.notes),
        studies=_entries(names, groups),
        groups=groups,
        statements=[block for blocks in said.values() for block in blocks],
        figures=_folded([figure for each in drawn.values() for figure in each], analysed.results.summary),
        published=_published(analysed.compared),
        environments=_environments(analysed.results.found),
        metrics=metrics,
        choices=choices(metrics),
    )


def _group(
    analysed: Analysed,
    runs: pd.DataFrame,
    study: str,
    benchmark: str,
    *,
    anchor: str,
    title: str,
    found: Sequence[RunMatrix],
    styles: Mapping[str, Any],
    figures: Sequence[Figure],
    statements: list[Block],
) -> Group:
    def here(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["study"] == study) & (frame["benchmark"] == benchmark)]

    rows = here(analysed.results.summary)
    curves = None
    if found:
        best = set(rows["method"].head(MOST_METHODS))  # summaries have the best first
        drawn = [run for run in found if run.method in best]
        curves = interactive_curves(
            here(analysed.results.curves), here(analysed.results.averages), drawn, styles=styles
        )
    mine = [run for run in analysed.results.found if (run.study, run.benchmark) == (study, benchmark)]
    table = summary_table(rows, caption=f"{title}: mean ± half width of the 95 % interval over seeds")
    table_of_runs, note = listed(here(runs), title=title)
    return Group(
        anchor=anchor,
        title=title,
        protocol=protocol(mine),
        summary=table if len(rows) else None,
        curves=curves,
        statements=statements,
        figures=_folded(figures, rows.head(MOST_METHODS)),
        settings=settings_tables(mine, where=title),
        runs=table_of_runs,
        runs_note=note,
    )


def _folded(figures: Sequence[Figure], rows: pd.DataFrame) -> Folded:
    """The figures of methods that have these rows of the summary, under their kinds."""
    found: Folded = {}
    for figure in figures:
        shown = Shown(caption(figure.kind, rows), alternative(figure.kind), figure)
        found.setdefault(title_of(figure.kind), []).append(shown)
    return found


def _by_group(
    figures: Iterable[Figure], matrices: Sequence[RunMatrix]
) -> dict[tuple[str, str], list[Figure]]:
    """Each figure under its study and benchmark; under empty names where it is of several."""
    complete = [run for run in matrices if run.complete]
    only = next((run.study for run in complete), "")  # the study where places name none
    groups = {
        place.name: (place.where.get("study", only), place.where.get("benchmark", ""))
        for place in places(complete)
    }
    found: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        of_several = figure.kind in OVER_BENCHMARKS
        found.setdefault(("", "") if of_several else groups.get(figure.where, ("", "")), []).append(figure)
    return found


def _by_title(analysed: Analysed) -> dict[tuple[str, str], list[Block]]:
    """Each block of sentences under the study and benchmark that its title begins with; else under empty
    names.
    """
    summary = analysed.results.summary
    several = summary["study"].nunique() > 1
    names = {
        (f"{study}: {benchmark}: " if several else f"{benchmark}: "): (str(study), str(benchmark))
        for study, benchmark in summary[["study", "benchmark"]].drop_duplicates().to_numpy()
    }
    found: dict[tuple[str, str], list[Block]] = {}
    for block in map(_block, analysed.text):
        start = max((name for name in names if block.title.startswith(name)), key=len, default="")
        rest = block.title.removeprefix(start)
        found.setdefault(names.get(start, ("", "")), []).append(block._replace(title=rest))
    return found


def _block(text: str) -> Block:
    title, *lines = text.splitlines()
    while lines and not lines[0].startswith(" "):  # a title of more than one line
        title += " " + lines.pop(0)
    return Block(title, [line.strip() for line in lines])


def _entries(names: Sequence[tuple[str, str]], groups: Sequence[Group]) -> list[Entry]:
    links: dict[str, dict[str, str]] = {}
    for (study, benchmark), group in zip(names, groups, strict=True):
        links.setdefault(study, {})[group.anchor] = benchmark
    return [Entry(study, found) for study, found in links.items()]


def _published(compared: pd.DataFrame) -> list[Published]:
    return [
        Published(
            str(study),
            tally(rows),
            plain_table(columns_of(rows), caption=f"{study}: published, and here (percent)"),
            remarks(rows),
        )
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
    recorded = [run for run in runs if run.records and run.status != "broken"]
    return method_styles({run.method for run in recorded}, families(recorded), own=from_elsewhere(recorded))
