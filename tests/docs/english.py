"""How long the sentences of a page are.

Counted is what is written in README.md and docs/*.md: paragraphs and the items of lists, each of which ends a
sentence. Left out are code blocks, headings, images, and what the hooks put in. Cells of tables are short by
nature: they are held to the longest sentence, and are no part of the average.

`python tests/docs/english.py [PAGE...]` prints the averages, and the sentences that are too long.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
AVERAGE, LONGEST, MARKS = 16, 30, 1  # words; colons and semicolons of one sentence

NO_PROSE = re.compile(
    r"\A---[\s\S]*?^---$"  # what the site wants to know of the page
    r"|^```[\s\S]*?^```$"  # a block
    r"|<!--[\s\S]*?-->|^:::.*$"  # what a hook puts in
    r"|^#.*$|^!\[.*$"  # headings, images
    r"|^ {4,}.*$",  # a block by its indentation
    re.MULTILINE,
)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
FORMULA = re.compile(r"`#!math [^`]*`")
CODE = re.compile(r"`([^`]*)`")
ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ", re.MULTILINE)
END = re.compile(r"(?<![ (]al)(?<!e\.g)(?<!i\.e)(?<!vs)([.!?])(?:[)\"*_]*)(?=\s|$)")
WORD = re.compile(r"[\w§%]")


class Page(NamedTuple):
    prose: list[str]
    cells: list[str]

    @property
    def average(self) -> float:
        return sum(map(length, self.prose)) / max(1, len(self.prose))


def measured(text: str) -> Page:
    """The sentences of a page, those of its tables apart."""
    text = NO_PROSE.sub("", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    prose = "\n".join("" if line.startswith("|") else line for line in text.splitlines())
    paragraphs = re.split(r"\n\s*\n", ITEM.sub("\n\n", prose))
    cells = [cell for row in rows for cell in re.split(r"(?<!\\)\|", row.strip("|"))]
    return Page(
        [each for one in paragraphs for each in sentences(one)],
        [each for one in cells for each in sentences(one)],
    )


def sentences(text: str) -> list[str]:
    """Sentences of a paragraph: code and formulas keep their place, but their stops end nothing."""
    hidden: list[str] = []

    def hide(found: re.Match) -> str:
        hidden.append(found[0])
        return f"\0{len(hidden) - 1}\0"

    text = CODE.sub(hide, FORMULA.sub(hide, LINK.sub(r"\1", text)))
    parts = END.sub(r"\1\n", " ".join(text.split())).splitlines()
    shown = [re.sub(r"\0(\d+)\0", lambda found: hidden[int(found[1])], part).strip() for part in parts]
    return [part for part in shown if WORD.search(part)]


def length(sentence: str) -> int:
    """Words of a sentence. Those of code count, a formula counts as one."""
    return sum(bool(WORD.search(word)) for word in FORMULA.sub("x", sentence).split())


def marks(sentence: str) -> int:
    """Colons and semicolons that part a sentence, outside of code."""
    return len(re.findall(r"[:;](?=\s|$)", CODE.sub("", sentence)))


def faults(page: Page) -> list[str]:
    """What is wrong with a page, a line each."""
    found = [f"{length(each)} words: {each}" for each in (*page.prose, *page.cells) if length(each) > LONGEST]
    found += [f"{marks(each)} colons and semicolons: {each}" for each in page.prose if marks(each) > MARKS]
    if page.average > AVERAGE:
        found.append(f"{page.average:.1f} words a sentence on average, at most {AVERAGE}")
    return found


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or PAGES):
        page = measured(path.read_text())
        print(f"{path.name}: {page.average:.1f} words a sentence, {len(page.prose)} sentences")
        print("".join(f"    {each}\n" for each in faults(page)), end="")
