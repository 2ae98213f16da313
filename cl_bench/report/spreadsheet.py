"""Tables as CSV that people open with spreadsheets, which run what a cell says when it begins with `=`."""

import re
from typing import Any

import pandas as pd

from cl_bench.records.text import encoded

# A formula begins with one of these, also as Japanese keyboards have them; at the start of a cell, or after a
# semicolon, which the spreadsheets of some countries take for the end of a cell.
_FORMULA = re.compile(r"(^|;)(?=\s*[=+\-@＝＋－−＠]|[\t\r])")


def csv(table: pd.DataFrame) -> bytes:
    """The table without its index; no text in it is a formula, numbers stay numbers."""
    return encoded(harmless(table).to_csv(index=False))


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would take for a formula."""
    changed = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            continue
        meant = {text: as_text(text) for text in column.unique() if isinstance(text, str)}
        if any(text != safe for text, safe in meant.items()):
            changed[name] = [_of(meant, value) for value in column]
    return table.assign(**changed)


def as_text(text: str) -> str:
    """The text with an apostrophe where a spreadsheet would see the beginning of a formula.

    >>> as_text("=1+1")
    "'=1+1"
    """
    return _FORMULA.sub(r"\1'", text)


def _of(meant: dict[str, str], value: Any) -> Any:
    return meant[value] if isinstance(value, str) else value
