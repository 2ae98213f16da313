"""The tables of docs/speed.md, from speed.csv: no number in them is typed by hand."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from speed.rows import AT_LEAST, Row

RATIOS, STRATEGIES = "ratios", "strategies"  # the tables, by the names of their places in the document


def write_tables(rows: Sequence[Row], document: Path) -> None:
    """Put both tables in their places, between `<!-- NAME -->` and `<!-- end of NAME -->`.

    Raises:
        ValueError: where the document has no such place.
    """
    text = document.read_text()
    for name, table in tables(rows).items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if text.count(start) != 1 or text.count(end) != 1 or text.index(end) < text.index(start):
            raise ValueError(f"a document must have one place for the table {name!r}: {start}{end}")
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = before + start + table + end + after
    document.write_text(text)


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Write each table by its name, of the rows that were measured."""
    known = {row.name: row for row in rows if row.ratio is not None and row.device == "cpu"}
    by_strategy = [
        (name.removeprefix("strategy_"), row) for name, row in known.items() if name.startswith("strategy_")
    ]
    return {
        RATIOS: _table(
            ("work", "against", "ratio (quartiles)", "to reach", "over its matrix products"),
            [
                (row.work, row.against, _ratio(row), _target(row), _number(row.times_limit))
                for row in known.values()
                if not row.name.startswith(("strategy_", "gradients_"))
            ],
        ),
        STRATEGIES: _table(
            ("strategy", "time of an epoch over fine-tuning's (quartiles)", "gradient evaluations"),
            [
                (f"`{name}`", _ratio(row), _number(known[f"gradients_{name}"].ratio))
                for name, row in by_strategy
                if f"gradients_{name}" in known
            ],
        ),
    }


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _ratio(row: Row) -> str:
    missed = " (missed)" if row.reached == "no" else ""
    return f"{_number(row.ratio)} ({_number(row.low)} to {_number(row.high)}){missed}"


def _target(row: Row) -> str:
    kind, _, bound = row.target.partition(" ")
    if not bound:
        return ""
    return f"at least {bound} times faster" if kind == AT_LEAST else f"at most {bound}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"
