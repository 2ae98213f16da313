"""Tables and blocks of code, as Markdown has them."""

from typing import Any


def table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def block(text: str, language: str, *, title: str = "") -> str:
    return f"```{language}" + (f' title="{title}"' if title else "") + f"\n{text.rstrip()}\n```\n"
