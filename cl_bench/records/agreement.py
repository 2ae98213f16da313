"""Do two runs of one configuration agree: the same bits in all records and in the final weights?"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.row_files import only_if_measured
from cl_bench.records.rows import FILES, CalibrationBin, Foreign, Probe, Record, State
from cl_bench.records.run_files import about_run, left_out, rows_of_run
from cl_bench.records.saved import told_hashes

WEIGHTS = "final weights"
FACTS = ("hash", "scenario", "num_tasks")  # of run.json
TIMING = {"training_seconds"}  # columns that a clock gives
# what a row is about; of two rows about the same the last counts, as in the analysis
KEYS: dict[type, tuple[str, ...]] = {
    Record: ("seed", "after_task", "on_task"),
    State: ("seed", "after_task"),
    CalibrationBin: ("seed", "after_task", "on_task", "bin"),
    Probe: ("seed", "training_on", "step", "on_task"),
    Foreign: ("seed", "after_task", "dataset"),
}


class Compared(NamedTuple):
    """One thing that two runs have, or should have, in common."""

    what: str  # a file, `final weights`, or a fact of run.json
    agrees: bool
    detail: str  # how much was compared, or the first difference


def compare(one: Path, other: Path) -> list[Compared]:
    """Compare facts, final weights, every file of rows and what both have saved. Columns of times are exempt.

    A file that neither has is not in the list, nor one that a compact study has left out.

    Raises:
        OSError, ValueError: where a file is missing or cannot be read; RecordsError names file and line.
    """
    about = [_about(folder) for folder in (one, other)]
    compared = [_of_fact(name, *about) for name in FACTS]
    compared.append(_of_fact("weights_sha256", *about)._replace(what=WEIGHTS))
    kept = {name: kind for kind, name in FILES.items() if name not in (*left_out(one), *left_out(other))}
    for name, kind in kept.items():
        rows = [_rows(folder, kind) for folder in (one, other)]
        if any(each is not None for each in rows):
            compared.append(_of_rows(name, *rows))
    return [*compared, *_of_saved(*map(told_hashes, about))]


def _of_saved(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Compared]:
    """Compare the files of training.save that both runs tell of."""
    for name in (each for each in one if each in other):
        yield _of_fact(name, one, other)


def contradictions(one: Path, other: Path) -> list[Compared]:
    """Compare what two run folders say of the same thing, where one may be a part of the other.

    That is: facts that both have, and rows about the same.

    Raises:
        OSError, ValueError: where a file cannot be read.
    """
    about = [_about(folder) for folder in (one, other)]
    compared = [_of_fact(name, *about) for name in FACTS if all(each.get(name) is not None for each in about)]
    for kind, name in FILES.items():
        mine, theirs = (_rows(folder, kind) or {} for folder in (one, other))
        shared = [key for key in mine if key in theirs]
        compared.append(_of_rows(name, *(_in_common(shared, mine, theirs))))
    return compared


def _in_common(keys: list, mine: dict, theirs: dict) -> tuple[dict, dict]:
    """The rows about the same, with the fields that both have."""
    pairs = [(key, mine[key], theirs[key]) for key in keys]
    return (
        {key: {name: one[name] for name in one if name in other} for key, one, other in pairs},
        {key: {name: other[name] for name in other if name in one} for key, one, other in pairs},
    )


def _about(folder: Path) -> dict[str, Any]:
    about = about_run(folder)
    if not isinstance(about, dict):
        raise ValueError(f"{folder / 'run.json'} must hold an object, got {type(about).__name__}")
    return about


def _of_fact(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Compared:
    values = one.get(name), other.get(name)
    same = values[0] == values[1] and values[0] is not None
    return Compared(name, same, _shown(values[0]) if same else f"{_shown(values[0])}, {_shown(values[1])}")


def _shown(value: Any) -> str:
    text = "none recorded" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "..."


def _rows(folder: Path, kind: type) -> dict[tuple[int, ...], dict[str, str]] | None:
    """Map each row's key to its other fields as text, in which nan equals nan; None without a file.

    What only some runs measure is there where it was measured.
    """
    try:
        rows: list[Any] = rows_of_run(folder, kind)
    except FileNotFoundError:
        return None
    sometimes = only_if_measured(kind)
    return {
        tuple(getattr(row, name) for name in KEYS[kind]): {
            name: repr(value)
            for name, value in row._asdict().items()
            if name not in TIMING and not (name in sometimes and math.isnan(value))
        }
        for row in rows
    }


def _of_rows(name: str, one: dict | None, other: dict | None) -> Compared:
    if one is None or other is None:
        return Compared(name, False, f"is missing in the {'first' if one is None else 'second'}")
    differing = list(_differences(one, other))
    if not differing:
        return Compared(name, True, f"{len(one)} rows")
    return Compared(name, False, f"{len(differing)} of {len({*one, *other})} rows differ: {differing[0]}")


def _differences(one: dict, other: dict) -> Iterator[str]:
    for key in sorted({*one, *other}):
        mine, theirs = one.get(key), other.get(key)
        if mine == theirs or (mine and theirs and _alike_but_for_age(mine, theirs)):
            continue
        if mine is None or theirs is None:
            only = theirs or mine
            yield f"{_place(only, len(key))} only in the {'first' if theirs is None else 'second'}"
        else:
            names = [field for field in {**mine, **theirs} if mine.get(field) != theirs.get(field)]
            values = ", ".join(
                f"{field} {mine.get(field, 'nan')} and {theirs.get(field, 'nan')}" for field in names[:3]
            )
            yield f"{_place(mine, len(key))} {values}"


def _alike_but_for_age(mine: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    """Whether rows are equal without what only the younger run counted."""
    differing = mine.keys() ^ theirs.keys()
    return differing <= set(State.counted_later()) and all(
        mine[name] == theirs[name] for name in mine if name in theirs
    )


def _place(row: Mapping[str, str] | None, length: int) -> str:
    """Write the row's key in words; key fields stand first in every kind of row."""
    assert row is not None
    return " ".join(f"{field}={value}" for field, value in list(row.items())[:length])
