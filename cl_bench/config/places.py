"""Paths: where the package's own files lie, and how users write where theirs do."""

import re
import shlex
from pathlib import Path

CONFIG_DIR = ("-cd", "--config-dir")  # the option that names a folder of more choices
AT_HOME = re.compile(r"(?P<option>--?[\w-]+=)?(?P<path>~.*)", re.DOTALL)


def conf_folder() -> Path:
    """Return the folder conf/: inside the package where it is installed, beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]  # cl_bench
    return next(path for path in (here / "conf", here.parent / "conf") if path.is_dir())


def at_home(word: str) -> str:
    """Expand `~` at the start of the path in a word of a command line.

    A shell does the rest: it leaves `~` alone after `--output=` and in quotes.
    """
    match = AT_HOME.fullmatch(word)
    return word if match is None else f"{match['option'] or ''}{expanded(match['path'])}"


def expanded(path: str) -> str:
    """Replace `~` or `~user`, where a path begins with one, by that home folder.

    Raises:
        ValueError: where there is no such home.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        raise ValueError(
            f"cannot expand {path}: {path.partition('/')[0]} is no home folder; a folder of that name is "
            f"written ./{path}"
        ) from error


def shell_word(word: str) -> str:
    """Write a word as it is typed at a shell: in double quotes where it needs quotes and these do."""
    if shlex.quote(word) == word:
        return word
    return f'"{word}"' if not set(word) & set('"$`\\!') else shlex.quote(word)
