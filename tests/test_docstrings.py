"""Docstrings read alone: a tooltip shows one without the name, the arguments and the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

HOME = Path(__file__).resolve().parents[1]

PREPOSITION = re.compile(
    r"(About|Above|After|Against|Among|As|At|Before|Behind|Below|Beside|Between|Beyond|By|During|For|From|In|Inside|"
    r"Into|Like|Near|Of|Off|On|Onto|Out|Outside|Over|Per|Since|Through|Till|To|Toward|Towards|Under|Until|Upon|Via|"
    r"With|Within|Without)\b"
)
# what points back at a name that a tooltip does not show
POINTER = re.compile(
    r"(Also|And|But|Its?|Once|Or|Same|Such|That|The like|The same|Their|Them|These|They|This|Those|Where|"
    r"What `main` does)\b"
)
NAMES_IN_LOWER_CASE = ("cl_bench", "cl-bench")
FEWEST_WORDS = 3
MOST_WORDS = 30
MOST_WORDS_ON_AVERAGE = 16


class Docstring(NamedTuple):
    """The docstring of `name`, a module, class, function or method, in line `line` of `path`."""

    path: str
    line: int
    name: str
    text: str


def rooms() -> dict[str, list[Path]]:
    """The modules of each room: a folder or module of cl_bench, and the two programmes beside it."""
    package = sorted((HOME / "cl_bench").rglob("*.py"))
    found = {"speed": sorted((HOME / "speed").rglob("*.py")), "gpu": sorted((HOME / "gpu").rglob("*.py"))}
    for path in package:
        found.setdefault(path.relative_to(HOME / "cl_bench").parts[0].removesuffix(".py"), []).append(path)
    return found


def docstrings(path: Path) -> Iterator[Docstring]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                line = 1 if isinstance(node, ast.Module) else node.lineno
                name = path.stem if isinstance(node, ast.Module) else node.name
                yield Docstring(str(path.relative_to(HOME)), line, name, text)


def sentences(text: str) -> list[str]:
    """The sentences of a docstring's prose: no examples, tables, formulas set apart, or headings of sections.

    An item of Args or Raises begins a sentence. Indented lines outside a section are set apart, as the
    documentation shows them (`docs/hooks/docstrings.py`).
    """
    prose, current, fenced, section = [], "", False, False
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(("```", "~~~")):
            fenced = not fenced
            continue
        heading = re.fullmatch(r"\w+:", bare)
        item = re.match(r"([-*+]|\d+\.) |\*{0,2}[`\w]+(, [`\w]+)*:( |$)", bare)
        if bare and not line.startswith(" "):
            section = bool(heading)
        apart = fenced or bare.startswith((">>>", "...", "|", "$$", ".."))
        apart = apart or (line.startswith("    ") and not section)
        if apart or not bare or heading or item:
            prose.append(current)
            current = ""
        if not (apart or heading):
            current += " " + bare
    prose.append(current)
    # a period within a name, a number or `et al.` ends nothing
    return [
        each.strip()
        for paragraph in prose
        for each in re.split(
            r"(?<!\bal)(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)[.!?]\)?\s+(?=[A-Z`$(\d\"])", paragraph
        )
        if each.strip()
    ]


def number_of_words(sentence: str) -> int:
    """Words as they are read: a `code span` and a formula count as one, a symbol as none."""
    spans = re.sub(r"`[^`]*`|\$[^$]*\$|\[[^\]]*\]", "x", sentence)
    return sum(bool(re.search(r"\w", word)) for word in spans.split())


def first_sentence(text: str) -> str:
    paragraph = text.split("\n\n")[0]
    # a colon ends it where a list or table follows, not where a name is explained
    return (
        re.match(r"(.*?([.!?](?=\)?(\s|$))|:$))(?<!al\.)(?<!e\.g\.)(?<!i\.e\.)", paragraph, re.S)
        or [paragraph]
    )[0]


def wrong_beginning(text: str) -> str:
    """What keeps the first sentence from reading alone; empty where nothing does."""
    first = first_sentence(text)
    if PREPOSITION.match(first):
        return "begins with a preposition"
    if POINTER.match(first):
        return "points at a name that is not shown"
    if first[:1].islower() and not first.startswith(NAMES_IN_LOWER_CASE):
        return "begins with a lower-case word"
    if len(first.split()) < FEWEST_WORDS:
        return f"has fewer than {FEWEST_WORDS} words"
    if not first.rstrip().endswith((".", ":", "!", "?")):
        return "has no end"
    return ""


def measured(room: str) -> tuple[list[str], list[str], float]:
    """The docstrings that do not begin well, the sentences that are too long, and the words a sentence."""
    begun, long, words, number = [], [], 0, 0
    for path in rooms()[room]:
        for each in docstrings(path):
            where = f"{each.path}:{each.line} {each.name}"
            reason = wrong_beginning(each.text)
            if reason:
                begun.append(f"{where} {reason}: {first_sentence(each.text)}")
            for sentence in sentences(each.text):
                count = number_of_words(sentence)
                words, number = words + count, number + 1
                if count > MOST_WORDS:
                    long.append(f"{where} {count} words: {sentence}")
    return begun, long, words / max(number, 1)


@pytest.mark.parametrize("room", sorted(rooms()))
def test_docstrings_of_a_room_read_alone(room):
    begun, long, average = measured(room)
    assert not begun, "\n".join(begun)
    assert not long, "\n".join(long)
    assert average <= MOST_WORDS_ON_AVERAGE


if __name__ == "__main__":
    print(f"{'room':<14}{'docstrings':>11}{'beginnings':>11}{'over 30':>9}{'words':>7}")
    for room in sorted(rooms()):
        begun, long, average = measured(room)
        number = sum(1 for path in rooms()[room] for _ in docstrings(path))
        print(f"{room:<14}{number:>11}{len(begun):>11}{len(long):>9}{average:>7.1f}")
