"""Names in letters that the font has, broken into lines that fit."""

import re
from functools import cache

from matplotlib.font_manager import findfont, get_font

from cl_bench.figures.style import FONT
from cl_bench.records.text import escaped, one_line


def wrapped(label: str, inches: float, *, size: float = 9) -> str:
    """A label in lines that fit into so many inches, broken at spaces, or else after an underscore or =, or
    else anywhere.

    Most letters are 0.6 of their size wide, or less; a line of wide ones has fewer.
    """
    most = max(8, int(72 * inches / (0.6 * size)))

    def fits(line: str) -> bool:
        return len(line) <= most and size * sum(map(_ems, line)) <= 72 * inches

    lines: list[str] = [""]
    for word in drawable(label).split(" "):
        whole = f"{lines[-1]} {word}" if lines[-1] else word
        if fits(whole):
            lines[-1] = whole
            continue
        lines += [""] * bool(lines[-1])
        for piece in re.findall(r"[^_=]*[_=]?", word):
            for part in [piece] if fits(lines[-1] + piece) or fits(piece) else piece:
                if lines[-1] and not fits(lines[-1] + part):
                    lines.append("")
                lines[-1] += part
    return "\n".join(lines)


def drawable(text: str) -> str:
    r"""The text in letters that the font has; others are drawn as their escapes, such as \u4e2d."""
    return "".join(each if ord(each) in _letters() else escaped(each) for each in one_line(text))


def inches_of(text: str, *, size: float) -> float:
    """The width of the longest of its lines, in the plain weight of the font."""
    return max(size * sum(map(_ems, drawable(line))) / 72 for line in text.split("\n"))


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())


@cache
def _ems(letter: str) -> float:
    """The width of a letter, over the size of the font."""
    font = get_font(findfont(FONT))
    font.set_size(100, 72)
    return font.load_char(ord(letter)).linearHoriAdvance / 65536 / 100
