"""The summary of a programme: which card gave each number, what is wrong, and what was left out."""

from collections.abc import Iterable, Sequence

from cl_bench.records.text import counted
from gpu.items import DONE, FAIL, FAILED, LEFT_OUT, MEASURED, PASS, Part, Row

PAGE = "gpu.md"
NOT_REACHED = "not reached yet"


def page(parts: Sequence[Part], rows: Iterable[Row]) -> str:
    """Write the summary as Markdown.

    Args:
        rows: the last one of every result.
    """
    listed = list(rows)
    by_part = {part.name: [row for row in listed if row.part == part.name] for part in parts}
    blocks = ["# One programme on one device", _devices(listed)]
    for part in parts:
        blocks.append(f"## {part.name}\n\n{_state(part, by_part[part.name])}")
        blocks.append(_checks(by_part[part.name]))
        blocks.append(_numbers(by_part[part.name]))
    wrong = [row for row in listed if row.status in (FAIL, FAILED)]
    blocks.append(_listed("What is wrong", wrong, none="Nothing that was done."))
    left = [row for row in listed if row.status == LEFT_OUT]
    blocks.append(_listed("What was left out", left, none="Nothing that was come to."))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _devices(rows: Sequence[Row]) -> str:
    """List each card, with its number in the tables."""
    cards = _cards(rows)
    lines = [f"{number}. {card}" for card, number in cards.items()]
    return "\n".join(lines) if lines else "Nothing was done yet."


def _cards(rows: Iterable[Row]) -> dict[str, int]:
    names = dict.fromkeys(f"{row.device}: {row.card}" for row in rows if row.card)
    return {name: number for number, name in enumerate(names, start=1)}


def _state(part: Part, rows: Sequence[Row]) -> str:
    ended = {row.item: row.status for row in rows if not row.result}
    statuses = [ended.get(item.name, NOT_REACHED) for item in part.items]
    counts = [
        f"{statuses.count(status)} {status}"
        for status in (DONE, FAILED, LEFT_OUT, NOT_REACHED)
        if status in statuses
    ]
    return f"{counted(len(part.items), 'item')}: {', '.join(counts)}."


def _checks(rows: Sequence[Row]) -> str:
    """Say how many questions were answered rightly."""
    passed, failed = (sum(row.status == status for row in rows) for status in (PASS, FAIL))
    if not passed + failed:
        return ""
    return f"{passed} of {counted(passed + failed, 'check')} passed, on {_on(rows)}."


def _on(rows: Iterable[Row]) -> str:
    return " and ".join(_cards(rows))


def _numbers(rows: Sequence[Row]) -> str:
    measured = [row for row in rows if row.value is not None and row.status in (MEASURED, PASS, FAIL)]
    if not measured:
        return ""
    lines = [
        "| item | result | measured | target | reached | on | what it says |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in measured:
        number = f"{row.value:.4g} {row.unit}".strip()
        cells = (row.item, row.result, number, row.target, row.reached, f"{row.device}: {row.card}", row.said)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _listed(title: str, rows: Sequence[Row], *, none: str) -> str:
    """List items and results by what is said of them."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        name = f"{row.item}, {row.result}" if row.result else row.item
        groups.setdefault((row.part, row.status, row.said), []).append(name)
    lines = [
        f"- {part}: {status}, {said}: {'; '.join(names)}" for (part, status, said), names in groups.items()
    ]
    return f"## {title}\n\n" + ("\n".join(lines) if lines else none)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
