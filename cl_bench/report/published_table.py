"""Published numbers and ours as plain text, for the terminal and the page."""

import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cl_bench.analysis.published import ANOTHER_PROTOCOL, COMPARED, DIFFERS, NOT_RUN, OUTSIDE
from cl_bench.records.text import one_line
from cl_bench.records.text import counted
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
    "Student t interval. Difference: ± half width of its 95 % interval, from the spreads here and there.\n"
    "Agrees: the difference is shown to be below the margin (two one-sided tests with Welch's error, level\n"
    "0.05); differs: its interval lies outside the margin. Where one of both is a single seed: inside or\n"
    "outside the 95 % prediction interval of one more seed. A row of another protocol is not compared."
)


def _study_table(study: str, rows: pd.DataFrame) -> str:
    filled = (
        textwrap.fill(line, 110, initial_indent="  ", subsequent_indent="    ") for line in remarks(rows)
    )
    return "\n".join(
        [f"{study}: published, and here\n", aligned(columns_of(rows)), "", f"  {tally(rows)}.", *filled]
    )


def tally(rows: pd.DataFrame) -> str:
    """How many of a study's published numbers agree, of those that were compared; then what was not.

    >>> verdicts = ["agrees", "agrees", "differs", "another protocol", "not run"]
    >>> tally(pd.DataFrame({"verdict": verdicts}))
    '2 of 3 rows agree, 1 differs; not compared: 1 another protocol, 1 not run'
    """
    found = Counter(rows["verdict"])
    compared = sum(found[each] for each in COMPARED)
    of_agreement, *others = COMPARED
    told = [f"{found[each]} {each}" for each in others if found[each]]
    said = [", ".join([f"{found[of_agreement]} of {counted(compared, 'row')} agree", *told])] if compared else []
    left = [f"{number} {each}" for each, number in found.items() if each not in COMPARED]
    return "; ".join([*said, *([f"not compared: {', '.join(left)}"] if left else [])])


def columns_of(rows: pd.DataFrame) -> list[list[str]]:
    """One study's rows of `comparison` as columns of text, each with its title first."""
    return [
        ["method", *rows["method"]],
        ["published", *map(_published, rows.to_dict("records"))],
        ["here", *map(_here, rows.to_dict("records"))],
        ["seeds", *map(str, rows["num_seeds"])],
        ["difference", *map(_difference, rows.to_dict("records"))],
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
    return _with_half(tenths(row["mean"]), row["high"] - row["mean"])


def _difference(row: Mapping[Any, Any]) -> str:
    return _with_half(tenths(row["difference"], sign=True), row["half_width"])


def _with_half(number: str, half_width: float) -> str:
    half = tenths(half_width, unknown="")
    return number + (f" ± {half}" if half else "")


def remarks(rows: pd.DataFrame) -> list[str]:
    """Each source, with its note; why a number was missed, or a mean undecided is beyond the margin.

    Of a row of another protocol its own reason is told, and of what was not run how to run it.
    """
    lines = [
        f"{1 + place} {source} ({evidence})." + (f" {note}" if note else "")
        for place, (source, evidence, note) in enumerate(rows[_SOURCE].drop_duplicates().to_numpy())
    ]
    missed = rows[rows["verdict"].isin([DIFFERS, OUTSIDE])]
    lines += [
        f"{row['method']} misses the published number: {row['reason'] or 'the reason is not known.'}"
        for row in missed.to_dict("records")
    ]
    others = rows[~rows["verdict"].isin([DIFFERS, OUTSIDE, ANOTHER_PROTOCOL])]
    beyond = others[others["difference"].abs() > others["margin"]]
    lines += [
        f"{row['method']} is beyond the margin: {row['reason']}"
        for row in beyond.to_dict("records")
        if row["reason"]
    ]
    elsewhere = rows[(rows["verdict"] == ANOTHER_PROTOCOL) & (rows["reason"] != "")]
    lines += [
        f"{row['method']} is of another protocol: {row['reason']}" for row in elsewhere.to_dict("records")
    ]
    lines += [
        f"{row['method']} was not run; run it with {row['run_with']}"
        for row in rows[rows["verdict"] == NOT_RUN].to_dict("records")
        if row["run_with"]
    ]
    return lines
