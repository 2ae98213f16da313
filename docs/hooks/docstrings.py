"""Docstrings as Markdown: plain text for the terminal, with formulas as they are typed."""

import inspect
import re
from typing import Any

import griffe

SECTIONS = ("Args:", "Attributes:", "Columns:", "Keys:", "Returns:", "Raises:")
ENTRY = re.compile(r"^([A-Za-z_][\w., ]*): (.*)$")


def to_markdown(docstring: str) -> str:
    """Turn a docstring into Markdown: its signs escaped, indented blocks as code, sections as lists."""
    lines = inspect.cleandoc(docstring).splitlines()
    parts: list[str] = []
    while lines:
        line = lines.pop(0)
        if line in SECTIONS:
            parts.append(f"**{line.rstrip(':')}**\n\n{_entries(_indented(lines))}")
        elif line.startswith("    ") or line.startswith(">>> "):
            block = [line, *_indented(lines)] if line.startswith("    ") else [line, *_until_blank(lines)]
            language = "text" if line.startswith("    ") else "pycon"
            parts.append(f"```{language}\n" + inspect.cleandoc("\n" + "\n".join(block)) + "\n```")
        elif line.strip():
            parts.append(_escaped(" ".join([line, *(text.strip() for text in _paragraph(lines))])))
    return "\n\n".join(parts)


def _paragraph(lines: list[str]) -> list[str]:
    taken = []
    while lines and lines[0].strip() and not lines[0].startswith("    ") and lines[0] not in SECTIONS:
        taken.append(lines.pop(0))
    return taken


def _until_blank(lines: list[str]) -> list[str]:
    taken = []
    while lines and lines[0].strip():
        taken.append(lines.pop(0))
    return taken


def _indented(lines: list[str]) -> list[str]:
    taken = []
    while lines and (lines[0].startswith("    ") or not lines[0].strip()):
        taken.append(lines.pop(0))
    return taken


def _entries(lines: list[str]) -> str:
    """Write a list item for each line that is not indented further than the first; others belong to it."""
    items: list[str] = []
    for line in inspect.cleandoc("\n".join(["", *lines])).splitlines():
        if line.startswith("    ") and items:
            items[-1] += " " + line.strip()
        elif line.strip():
            items.append(line)
    shown = []
    for item in items:
        named = ENTRY.match(item)
        shown.append(f"- `{named[1]}`: {_escaped(named[2])}" if named else f"- {_escaped(item)}")
    return "\n".join(shown)


def _escaped(text: str) -> str:
    """Escape what Markdown would take for its own, outside of `code`."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([\\*_\[\]#])", r"\\\1", piece).replace("<", "&lt;")
        for piece in pieces
    )


class AsMarkdown(griffe.Extension):
    """An extension for mkdocstrings, with `docstring_style: null`."""

    def on_instance(self, *, obj: Any, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
