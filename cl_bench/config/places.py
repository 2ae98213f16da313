"""Where the package's own files lie, and how people write where theirs do."""

import re
import shlex
from pathlib import Path

AT_HOME = re.compile(r"(?P<option>--?[\w-]+=)?(?P<path>~.*)", re.DOTALL)


def conf_folder() -> Path:
    """The folder conf/: inside the package where it is installed, beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]  # cl_bench
    return next(path for path in (here / "conf", here.parent / "conf") if path.is_dir())


def at_home(word: str) -> str:
    """A word of a command line with `~` at the start of its path replaced, as a shell does it: it leaves it
    alone after `--output=` and in quotes.
    """
    match = AT_HOME.fullmatch(word)
    return word if match is None else f"{match['option'] or ''}{expanded(match['path'])}"


def expanded(path: str) -> str:
    """A path whose `~` or `~user`, where it begins with one, is replaced by that home folder.

    Raises:
        ValueError: where there is no such home.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        raise ValueError(
            f"{path} must begin with a home folder, got {path.partition('/')[0]}, which is none; a folder of "
            f"that name is written ./{path}"
        ) from error


def shell_word(word: str) -> str:
    """A word as it is typed at a shell: in double quotes where it needs quotes and these do."""
    if shlex.quote(word) == word:
        return word
    return f'"{word}"' if not set(word) & set('"$`\\!') else shlex.quote(word)
