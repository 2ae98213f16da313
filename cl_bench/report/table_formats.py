"""A table over benchmarks as LaTeX, Markdown and CSV, and its file."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cl_bench.records.atomic import ForeignFileError, read_whole, write_whole
from cl_bench.records.errors import AnalysisError
from cl_bench.records.text import encoded, one_line
from cl_bench.report.bold import TIES
from cl_bench.report.latex import escaped, number, table
from cl_bench.report.numbers import UNKNOWN, rounded
from cl_bench.report.paper_table import METRICS, Column, Names, Number, PaperTable, paper_table
from cl_bench.report.spreadsheet import csv

NEEDS = "% made by cl-bench table; needs \\usepackage{booktabs}"
MADE = "<!-- made by cl-bench table -->"


def latex_table(
    *folders: str | os.PathLike[str],
    metrics: Names = METRICS,
    methods: Names | None = None,
    labels: Names | Mapping[str, str] | None = None,
    interval: str = "t",
    bold: str = TIES,
    label: str = "",
    caption: str | None = None,
) -> str:
    r"""Return one LaTeX table of the runs below the folders, for a paper.

    The document needs the package booktabs. Labels and caption are text: no sign in them is a command.

    Args:
        metrics, methods, labels, interval, bold: those of `paper_table`.
        label: what \ref calls the table; empty: it has none.
        caption: in place of the sentences on the numbers, which become comments; None: these sentences.

    Raises:
        AnalysisError: as `paper_table`, and for a label with other signs than letters, digits and `:.-_/+`.
    """
    made = paper_table(
        *folders, metrics=metrics, methods=methods, labels=labels, interval=interval, bold=bold
    )
    return as_latex(made, Words(label, caption))


class Words(NamedTuple):
    """What a user calls a table and says below it."""

    label: str = ""
    caption: str | None = None  # None: the sentences on the numbers


NO_WORDS = Words()


def as_latex(made: PaperTable, words: Words = NO_WORDS) -> str:
    """Write the table with a row of benchmarks over the metrics, or alone where there is one metric."""
    if not re.fullmatch(r"[A-Za-z0-9:.\-_/+]*", words.label):
        raise AnalysisError(
            f"a label of LaTeX has letters, digits and :.-_/+ here, got {words.label!r}: such as tab:results"
        )
    groups = [(benchmark, list(columns)) for benchmark, columns in _by_benchmark(made)]
    width = len(groups[0][1])
    if width == 1:
        titles, above = [benchmark for benchmark, _ in groups], []
    else:
        titles = [column.title for column in made.columns]
        spans = [rf"\multicolumn{{{width}}}{{c}}{{{escaped(benchmark)}}}" for benchmark, _ in groups]
        starts = range(2, 2 + len(made.columns), width)
        rules = " ".join(rf"\cmidrule(lr){{{start}-{start + width - 1}}}" for start in starts)
        above = [" & ".join(["", *spans]).strip() + r" \\", rules]
    cells = [["Method", *map(escaped, titles)]]
    cells += [
        [
            escaped(method),
            *(_in_latex(each, column) for each, column in row),
        ]
        for method, row in _rows(made)
    ]
    numbers = " ".join(f"{escaped(sentence)}." for sentence in made.caption)
    own = words.caption is not None
    caption = escaped(one_line(words.caption)) if own else numbers
    whole = table(cells, caption=caption, above=above, label=words.label)
    return "\n".join([NEEDS, *([f"% {numbers}"] if own else []), whole, ""])


def as_markdown(made: PaperTable, words: Words = NO_WORDS) -> str:
    """Write the table with one row of titles, and the caption below it."""
    several = len({column.title for column in made.columns}) > 1
    titles = [
        f"{column.benchmark}: {column.title}" if several else column.benchmark for column in made.columns
    ]
    rows = [["Method", *map(_in_markdown, titles)], ["---", *("---:" for _ in titles)]]
    rows += [
        [_in_markdown(method), *(_plain(each, column) for each, column in row)] for method, row in _rows(made)
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if words.label:
        raise AnalysisError("a label is for LaTeX: leave it out, or write a .tex file")
    caption = " ".join(f"{_in_markdown(sentence)}." for sentence in made.caption)
    caption = caption if words.caption is None else _in_markdown(words.caption)
    return "\n".join([MADE, "", *lines, "", caption, ""])


def as_csv(made: PaperTable, words: Words = NO_WORDS) -> str:
    """Write a row a number, in the metric's own unit: an accuracy is a fraction."""
    if words != NO_WORDS:
        raise AnalysisError("a CSV file has no caption and no label: leave them out, or write a .tex file")
    rows = [
        {"benchmark": column.benchmark, "metric": column.metric.name, "method": method} | each._asdict()
        for method, row in _rows(made)
        for each, column in row
    ]
    return csv(pd.DataFrame(rows)).decode()


FORMATS: dict[str, Callable[[PaperTable, Words], str]] = {
    "latex": as_latex,
    "markdown": as_markdown,
    "csv": as_csv,
}
ENDINGS = {".tex": "latex", ".md": "markdown", ".csv": "csv"}


def format_of(output: str | os.PathLike[str] | None, wanted: str | None) -> str:
    """The format that is asked for, or else that of the file's ending, or else LaTeX.

    Raises:
        AnalysisError: for an ending that has none, and for one of another format.
    """
    if output is None:
        return wanted or "latex"
    ending = Path(output).suffix.lower()
    if wanted is None and ending not in ENDINGS:
        raise AnalysisError(
            f"the ending of a table must be {', '.join(ENDINGS)}, or its format be named, got {str(output)!r}"
        )
    if wanted is not None and ENDINGS.get(ending, wanted) != wanted:
        raise AnalysisError(f"a file that ends in {ending} is no {wanted}: choose another name or format")
    return wanted or ENDINGS[ending]


def write_table(text: str, output: str | os.PathLike[str]) -> Path:
    """Write a table; a file that holds something else than an earlier one is kept.

    Raises:
        AnalysisError: where there is such a file.
    """
    path = Path(output)
    first = text.splitlines()[0]
    try:
        there = read_whole(path).decode(errors="replace").splitlines() if path.exists() else [first]
    except (OSError, ForeignFileError):
        there = []
    if there[:1] != [first]:
        raise AnalysisError(
            f"{one_line(path)} holds something else, and is kept: name another file, or remove it"
        )
    return write_whole(path, encoded(text))


def _by_benchmark(made: PaperTable) -> "groupby[str, Column]":
    return groupby(made.columns, key=lambda column: column.benchmark)


def _rows(made: PaperTable) -> Iterator[tuple[str, list[tuple[Number, Column]]]]:
    for method, row in made.rows.items():
        yield method, list(zip(row, made.columns, strict=True))


def _shown(each: Number, column: Column) -> tuple[float, float]:
    return column.metric.factor * each.mean, column.metric.factor * each.half_width


def _in_latex(each: Number, column: Column) -> str:
    return number(*_shown(each, column), decimals=column.metric.decimals, bold=each.bold)


def _plain(each: Number, column: Column) -> str:
    mean, half = (rounded(value, column.metric.decimals, unknown="") for value in _shown(each, column))
    text = f"**{mean}**" if each.bold else mean or UNKNOWN
    return text + (f" ± {half}" if half else "")


def _in_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", one_line(text))
