"""Names of any kind as text that can be printed, written and drawn: shown, never obeyed.

A name may hold line breaks, terminal codes, or marks that turn the direction of what follows. It may also
hold half a character: a lone surrogate, as of a file name that is not UTF-8.
"""

import codecs
import hashlib
import os
from collections.abc import Sequence
from typing import Any, TextIO

LONGEST_NAME = 200  # letters of a name in tables
_ASCII = {
    **{"±": "+-", "–": "-", "—": "-", "−": "-", "…": "...", "·": "*", "×": "x", "→": "->", "←": "<-"},
    **{"≤": "<=", "≥": ">=", "“": '"', "”": '"', "’": "'"},
}


def one_line(text: Any) -> str:
    r"""Return the text with an escape for all that has no sign of its own.

    >>> one_line("a\nb\u202ec")
    'a\\nb\\u202ec'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else escaped(each) for each in text)


def lines_of(text: Any) -> str:
    """Return the text with its lines, each as `one_line`."""
    return "\n".join(map(one_line, str(text).splitlines()))


def reason(error: BaseException) -> str:
    """Return what an error says. Of one of the system's: what it refuses, why, and what to do.

    >>> reason(PermissionError(13, os.strerror(13), "results"))
    'the system refuses results: Permission denied; see that it is what you mean, and yours to use'
    """
    if not isinstance(error, OSError) or error.filename is None or not error.strerror:
        return lines_of(error)
    where = lines_of(error.filename)
    if error.errno is None or error.strerror != os.strerror(error.errno):
        return f"{lines_of(error.strerror)}: {where}"  # ours, which says what cannot be done
    return f"the system refuses {where}: {error.strerror}; see that it is what you mean, and yours to use"


def shortened(text: Any, most: int = LONGEST_NAME) -> str:
    """Return one line of at most `most` letters: a long text ends in a hash, so that others stay others.

    >>> shortened("a" * 1000, 20)
    'aaaaaaaaaaa…41edece4'
    """
    line = one_line(text)
    if len(line) <= most:
        return line
    return f"{line[: most - 9]}…{hashlib.sha256(line.encode()).hexdigest()[:8]}"


def cut(text: str, most: int) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(text: str) -> str:
    r"""Write each character as Python does in ASCII: \n, \u202e."""
    return text.encode("unicode_escape").decode("ascii")


def encoded(text: str) -> bytes:
    """Encode as UTF-8 for a file; half a character, which has no code, becomes its escape."""
    return text.encode("utf-8", errors="backslashreplace")


def printable(value: Any) -> Any:
    """Return what a JSON file held, each text in it as `one_line`."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        return [printable(each) for each in value]
    if isinstance(value, dict):
        return {one_line(key): printable(each) for key, each in value.items()}
    return value


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 seed`, `2 seeds`."""
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


def there_are(names: str, *, near: Sequence[str]) -> str:
    """Say which names there are, and first those that may be meant.

    >>> there_are("ewc, vcl", near=["ewc"]), there_are("ewc, vcl", near=[])
    ('did you mean ewc? There are ewc, vcl', 'there are ewc, vcl')
    """
    return f"did you mean {' or '.join(near)}? There are {names}" if near else f"there are {names}"
