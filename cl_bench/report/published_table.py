"""Published numbers and ours as plain text, for the terminal and the page."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cl_bench.analysis.published import DIFFERS, NOT_RUN
from cl_bench.records.text import one_line
from cl_bench.report.numbers import tenths
from cl_bench.report.text_table import aligned


def published_table(rows: pd.DataFrame) -> str:
    """One plain-text table a study: published, here, whether they agree; then sources, notes and reasons."""
    if rows.empty:
        return ""
    tables = [_study_table(str(study), group) for study, group in rows.groupby("study", sort=False)]
    return "\n\n\n".join([*tables, _LEGEND]) + "\n"


_LEGEND = (
    "In percent. Published: ± its spread (of so many seeds). Here: mean over seeds ± half width of the 95 %\n"
    "Student t interval. Agrees: the difference is shown to be below the margin (two one-sided tests, level\n"
    "0.05); differs: the interval lies outside the margin."
)


def _study_table(study: str, rows: pd.DataFrame) -> str:
    filled = (
        textwrap.fill(line, 110, initial_indent="  ", subsequent_indent="    ") for line in remarks(rows)
    )
    return "\n".join([f"{study}: published, and here\n", aligned(columns_of(rows)), "", *filled])


def columns_of(rows: pd.DataFrame) -> list[list[str]]:
    """One study's rows of `comparison` as columns of text, each with its title first."""
    return [
        ["method", *rows["method"]],
        ["published", *map(_published, rows.to_dict("records"))],
        ["here", *map(_here, rows.to_dict("records"))],
        ["seeds", *map(str, rows["num_seeds"])],
        ["difference", *(tenths(each, sign=True) for each in rows["difference"])],
        ["margin", *(f"{each:g}" for each in rows["margin"])],
        ["agrees?", *rows["verdict"]],
        ["source", *(str(1 + place) for place in rows.groupby(_SOURCE, sort=False).ngroup())],
    ]


_SOURCE = ["source", "evidence", "note"]


def _published(row: Mapping[Any, Any]) -> str:
    spread = "" if pd.isna(row["spread"]) else f" ± {row['spread']:g} {one_line(row['spread_kind'])}"
    seeds = "" if pd.isna(row["published_seeds"]) else f" ({row['published_seeds']:g})"
    return f"{row['published']:g}{spread}{seeds}"


def _here(row: Mapping[Any, Any]) -> str:
    half = tenths(row["high"] - row["mean"], unknown="")
    return tenths(row["mean"]) + (f" ± {half}" if half else "")


def remarks(rows: pd.DataFrame) -> list[str]:
    """Each source, with its note; why a number was missed, or a mean undecided is beyond the margin; for what
    was not run, how to run it.
    """
    lines = [
        f"{1 + place} {source} ({evidence})." + (f" {note}" if note else "")
        for place, (source, evidence, note) in enumerate(rows[_SOURCE].drop_duplicates().to_numpy())
    ]
    missed = rows[rows["verdict"] == DIFFERS]
    lines += [
        f"{row['method']} misses the published number: {row['reason'] or 'the reason is not known.'}"
        for row in missed.to_dict("records")
    ]
    beyond = rows[(rows["verdict"] != DIFFERS) & (rows["difference"].abs() > rows["margin"])]
    lines += [
        f"{row['method']} is beyond the margin: {row['reason']}"
        for row in beyond.to_dict("records")
        if row["reason"]
    ]
    lines += [
        f"{row['method']} was not run; run it with {row['run_with']}"
        for row in rows[rows["verdict"] == NOT_RUN].to_dict("records")
        if row["run_with"]
    ]
    return lines
