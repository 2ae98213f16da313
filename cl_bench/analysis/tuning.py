"""How the settings of a run were found, as its run.json tells."""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.records.text import cut

NOT_RECORDED = "not recorded"
NOT_TUNED = "not tuned"  # by a file of tuned settings: the defaults, or what the command gave
OTHERWISE = ", other settings"  # than they were tuned with
MOST_SHOWN = 8  # lines under a table, and methods in one
WIDTH = 110
LONGEST_NOTE = 1_000  # letters
_KINDS = {"none": "not searched", "published": "published"}  # how a search begins -> what it is

_TRIALS = re.compile(r", (\d+) trials\b")


class Tuning(NamedTuple):
    """How a run's settings were found; the fields are columns of `load` and `summary`.

    Attributes:
        tuning: tuned, published, not searched, not tuned, not recorded; the first two maybe with `OTHERWISE`.
        tuning_note: the search, its file, and what is set otherwise.

    >>> Tuning("tuned", "tuned/digits: random, 20 trials").tuning
    'tuned'
    """

    tuning: str  # tuned, published, not searched, not tuned, not recorded; the first two maybe `OTHERWISE`
    tuning_note: str  # the search, its file, and what is set otherwise


def tuning_of(about: Mapping[str, Any]) -> Tuning:
    """How the settings of a run were found, as its run.json says under `tuning` and `tuned_by`.

    A run from before searches were recorded tells its files alone, an older one nothing.

    Args:
        about: run.json, as it was read.

    >>> tuning_of({"tuning": "none: defaults"}).tuning, tuning_of({}).tuning
    ('not tuned', 'not recorded')
    >>> about = {
    ...     "tuning": {"tuned/digits/ewc.yaml": "..."},
    ...     "tuned_by": {"search": "random, 20 trials"},
    ... }
    >>> tuning_of(about)
    Tuning(tuning='tuned', tuning_note='tuned/digits: random, 20 trials')
    """
    files, told = about.get("tuning"), about.get("tuned_by")
    if isinstance(files, str):
        return Tuning(NOT_TUNED, "")
    if not isinstance(files, dict) or not files:
        return Tuning(NOT_RECORDED, "")
    folder = str(next(iter(files))).rpartition("/")[0]  # tuned/permuted_mnist, of one or several strategies
    if not isinstance(told, dict):
        return Tuning("tuned", cut(f"{folder}: search {NOT_RECORDED}", LONGEST_NOTE))
    search, differs = str(told.get("search")), _texts(told.get("differs"))
    kind = next((kind for start, kind in _KINDS.items() if search.startswith(start)), "tuned")
    note = folder if kind == "not searched" else f"{folder}: {search.removeprefix('published: ')}"
    return Tuning(kind + (OTHERWISE if differs else ""), cut("; ".join([note, *differs]), LONGEST_NOTE))


def num_trials(tuning: str, note: object) -> float:
    """How many settings a search has tried, as `Tuning` tells: 0 without a search, nan where it is not told.

    A search by hand, and that of a publication, do not.

    >>> num_trials("tuned", "tuned/digits: random, 16 trials"), num_trials("not tuned", "")
    (16.0, 0.0)
    >>> num_trials("tuned", "tuned/digits: by hand")
    nan
    """
    if tuning.removesuffix(OTHERWISE) in (NOT_TUNED, _KINDS["none"]):
        return 0.0
    told = _TRIALS.search(note) if isinstance(note, str) else None
    return float(told.group(1)) if told else math.nan


def joined(found: Sequence[Tuning]) -> Tuning:
    """What the runs of a method say of how their settings were found, each thing once.

    >>> joined([Tuning("tuned", "a"), Tuning("tuned", "a"), Tuning("not tuned", "")])
    Tuning(tuning='tuned or not tuned', tuning_note='a')
    """
    return Tuning(*(" or ".join(dict.fromkeys(filter(None, texts))) for texts in zip(*found, strict=True)))


def tuning_lines(rows: pd.DataFrame) -> list[str]:
    """Lines that stand under a table of `summary`: methods by how their settings were found, a line for each.

    >>> rows = pd.DataFrame(
    ...     {
    ...         "method": ["ewc", "vcl"],
    ...         "tuning": "tuned",
    ...         "tuning_note": "20 trials",
    ...     }
    ... )
    >>> tuning_lines(rows)
    ['ewc, vcl: tuned (20 trials)']
    """
    if "tuning" not in rows:
        return []
    methods: dict[tuple[str, str], list[str]] = {}
    for method, tuning, note in zip(rows["method"], rows["tuning"], rows["tuning_note"], strict=True):
        told = (tuning, note if isinstance(note, str) else "")  # an empty text is nan after a CSV
        methods.setdefault(told, []).append(str(method))
    lines = [
        f"{_few(names)}: {tuning}" + (f" ({note})" if note else "")
        for (tuning, note), names in methods.items()
    ]
    over = len(lines) - MOST_SHOWN
    return lines if over <= 0 else [*lines[:MOST_SHOWN], f"and {over} more: see summary.csv"]


def tuning_text(rows: pd.DataFrame, *, indent: str) -> str:
    """The lines of `tuning_lines` for the terminal, under their title; empty where the summary does not tell.

    >>> rows = pd.DataFrame(
    ...     {"method": ["ewc"], "tuning": "not tuned", "tuning_note": ""}
    ... )
    >>> print(tuning_text(rows, indent="  "))
      Settings
        ewc: not tuned
    """
    lines = tuning_lines(rows)
    wrapped = [
        textwrap.fill(line, WIDTH, initial_indent=indent * 2, subsequent_indent=indent * 3) for line in lines
    ]
    return "\n".join([f"{indent}Settings", *wrapped]) if lines else ""


def _few(names: list[str]) -> str:
    over = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {over} more" if over > 0 else "")


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
