"""The files of a report beside its CSV tables: the page, the LaTeX table, the summary as Parquet."""

from collections.abc import Sequence
from pathlib import Path

from cl_bench.records.atomic import write_whole
from cl_bench.records.text import encoded
from cl_bench.report.embedded_figures import embedded
from cl_bench.report.html import html
from cl_bench.report.latex import latex_tables
from cl_bench.report.page import Analysed, contents
from cl_bench.report.run_rows import runs_frame
from cl_bench.report.spreadsheet import csv

PAGE = "report.html"


def write_files(analysed: Analysed, *, figures: Sequence[Path]) -> list[Path]:
    """Write runs.csv, table.tex, summary.parquet (where pyarrow is installed) and report.html, the last."""
    folder = analysed.folder
    runs = runs_frame(analysed.results.found, analysed.results.matrices, folder=folder)
    written = [
        write_whole(folder / "runs.csv", csv(runs)),
        write_whole(folder / "table.tex", encoded(latex_tables(analysed.results.summary))),
    ]
    try:
        parquet = analysed.results.summary.to_parquet(index=False)
    except ImportError:
        pass  # the extra `parquet`: 170 MB for numbers that summary.csv has too
    else:
        assert parquet is not None
        written.append(write_whole(folder / "summary.parquet", parquet))
    text = html(contents(analysed, runs, figures=embedded(figures, folder=folder)))
    return [*written, write_whole(folder / PAGE, encoded(text))]
