"""How the settings of a run were found, as its run.json tells."""

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

NOT_RECORDED = "not recorded"
DEFAULTS = "defaults"
OTHERWISE = ", other settings"  # than they were tuned with
MOST_SHOWN = 8  # lines under a table, and methods in one
WIDTH = 110


class Tuning(NamedTuple):
    """How a run's settings were found; the fields are columns of `load` and `summary`."""

    tuning: str  # tuned, published, not searched, defaults, not recorded; the first two maybe `OTHERWISE`
    tuning_note: str  # the search, its file, and what is set otherwise


def tuning_of(about: Mapping[str, Any]) -> Tuning:
    """What run.json, as it was read, says under `tuning`.

    A run from before searches were recorded has the names of its files alone, and an older one nothing.
    """
    told = about.get("tuning")
    if isinstance(told, str):
        return Tuning(DEFAULTS, "")
    if not isinstance(told, dict) or not told:
        return Tuning(NOT_RECORDED, "")
    if "files" not in told:
        return Tuning("tuned", f"{_folder(told)}: search {NOT_RECORDED}")
    search, differs = str(told.get("search")), _texts(told.get("differs"))
    kind = "not searched" if search == "none" else "published" if search.startswith("published") else "tuned"
    source = search.removeprefix("published: ") if kind == "published" else search
    where = _folder(told["files"])
    note = where if kind == "not searched" else f"{where}: {source}"
    return Tuning(kind + (OTHERWISE if differs else ""), "; ".join([note, *differs]))


def joined(found: Sequence[Tuning]) -> Tuning:
    """Of a method: what its runs say, each once."""
    return Tuning(*(" or ".join(dict.fromkeys(filter(None, texts))) for texts in zip(*found, strict=True)))


def tuning_lines(rows: pd.DataFrame) -> list[str]:
    """What stands under a table of `summary`: methods by how their settings were found, a line for each."""
    if "tuning" not in rows:
        return []
    methods: dict[tuple[Hashable, ...], list[str]] = {}
    for method, *told in zip(rows["method"], rows["tuning"], rows["tuning_note"].fillna(""), strict=True):
        methods.setdefault(tuple(told), []).append(str(method))
    lines = [
        f"{_few(names)}: {tuning}" + (f" ({note})" if note else "")
        for (tuning, note), names in methods.items()
    ]
    over = len(lines) - MOST_SHOWN
    return lines if over <= 0 else [*lines[:MOST_SHOWN], f"and {over} more: see summary.csv"]


def tuning_text(rows: pd.DataFrame, *, indent: str) -> str:
    """The same for the terminal, under its title; empty where the summary does not tell."""
    lines = tuning_lines(rows)
    wrapped = [
        textwrap.fill(line, WIDTH, initial_indent=indent * 2, subsequent_indent=indent * 3) for line in lines
    ]
    return "\n".join([f"{indent}Settings", *wrapped]) if lines else ""


def _folder(files: Any) -> str:
    """That of the first file: `tuned/permuted_mnist` of tuned/permuted_mnist/ewc.yaml."""
    name = str(next(iter(files), "")) if isinstance(files, dict) else ""
    return name.rpartition("/")[0] or name or NOT_RECORDED


def _few(names: list[str]) -> str:
    over = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {over} more" if over > 0 else "")


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
