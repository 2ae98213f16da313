"""Names of any kind as text that can be printed, written and drawn: shown, never obeyed.

A name may hold line breaks, terminal codes, marks that turn the direction of what follows, or half a
character (a lone surrogate, as of a file name that is not UTF-8).
"""

import codecs
from typing import Any, TextIO

_ASCII = {
    **{"±": "+-", "–": "-", "—": "-", "−": "-", "…": "...", "·": "*", "×": "x", "→": "->", "←": "<-"},
    **{"≤": "<=", "≥": ">=", "“": '"', "”": '"', "’": "'"},
}


def one_line(text: Any) -> str:
    r"""The text with an escape for all that has no sign of its own.

    >>> one_line("a\nb\u202ec")
    'a\\nb\\u202ec'
    """
    return "".join(each if each.isprintable() else escaped(each) for each in str(text))


def escaped(text: str) -> str:
    r"""Each character as Python writes it in ASCII: \n, \u202e."""
    return text.encode("unicode_escape").decode("ascii")


def encoded(text: str) -> bytes:
    """UTF-8 for a file; half a character, which has none, becomes its escape."""
    return text.encode("utf-8", errors="backslashreplace")


def in_whole_characters(value: Any) -> Any:
    """What a JSON file held, half characters in its texts (which no table and no file takes) as escapes."""
    if isinstance(value, str):
        return value if value.isascii() else encoded(value).decode()
    if isinstance(value, list):
        return [in_whole_characters(each) for each in value]
    if isinstance(value, dict):
        return {in_whole_characters(key): in_whole_characters(each) for key, each in value.items()}
    return value


def counted(number: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def never_fail(*streams: TextIO) -> None:
    """Let a stream write what its encoding lacks as ASCII: ± becomes +-, letters become escapes."""
    codecs.register_error(_in_ascii.__name__, _in_ascii)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)  # a test's or a notebook's stream may have none
        if reconfigure is not None:
            reconfigure(errors=_in_ascii.__name__)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(each) or escaped(each) for each in lacking), error.end
