"""The words of a command line before Hydra reads them: paths are taken as they are, slips are answered."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from cl_bench.places import shell_word
from cl_bench.running.nearest import nearest_choices, nearest_settings

# settings whose value is a path or a name, whatever letters are in it
TEXT = re.compile(r"(^|[._])(dir|root|path|folder|study|name)$")
SWEEP = ("-m", "--multirun")


class WordError(ValueError):
    """A word that is no setting; the message says what to type."""


class Words(NamedTuple):
    """A command line, taken apart."""

    flags: list[str]  # Hydra's, each followed by its value
    overrides: list[str]

    @property
    def sweeps(self) -> bool:
        return any(flag in SWEEP for flag in self.flags)

    @property
    def runs(self) -> bool:
        """Whether something is run, with our own configuration, and not shown."""
        return not {each.partition("=")[0] for each in self.flags} - {
            *SWEEP,
            "--config-dir",
            "-cd",
            "--run",
            "-r",
        }

    @property
    def config_dirs(self) -> list[str]:
        return [
            self.flags[index + 1] for index, each in enumerate(self.flags) if each in ("--config-dir", "-cd")
        ]


def read(
    arguments: Sequence[str], *, names: Callable[[], Sequence[str]], choices: Mapping[str, Sequence[str]]
) -> Words:
    """Flags and settings, with paths quoted and `~` expanded.

    Args:
        names: full names of all settings there are.
        choices: group -> its choices.

    Raises:
        WordError: for a word that is neither.
    """
    takes_value = {
        option: action.nargs != 0 for action in get_args_parser()._actions for option in action.option_strings
    }
    flags: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            rest.append(word)
        elif option in takes_value or any(
            known.startswith(option) for known in takes_value if option[:2] == "--"
        ):
            flags.append(option)
            if takes_value.get(option):
                value = value if equals else (left.pop(0) if left else "")
                flags.append(expanded(value) if option in ("--config-dir", "-cd") else value)
        else:
            given = value if equals else (left[0] if left and "=" not in left[0] else "...")
            raise WordError(_written_otherwise(word, option.lstrip("-"), given, names(), choices))
    several = any(flag in SWEEP for flag in flags)
    shown = any(flag in ("-sc", "--shell-completion") for flag in flags)
    overrides = rest if shown else list(_overrides(rest, several, names, choices))
    return Words(flags, overrides)


def _overrides(
    words: Sequence[str],
    several: bool,
    names: Callable[[], Sequence[str]],
    choices: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if "=" in word and not word.startswith("="):
            yield override(word, several=several)
        elif word.startswith("~"):
            yield word  # deletes a setting
        else:
            raise WordError(_no_setting(word, following, words, names(), choices))


def override(word: str, *, several: bool = False) -> str:
    """`name=value` as Hydra reads it: `~` at the start of a path is expanded, and what is a path or a name by
    the setting's name is quoted where Hydra would take it for something else.

    Args:
        several: whether a,b is two values.

    Raises:
        WordError: for a value that must be quoted, with what to type.
    """
    name, _, value = word.partition("=")
    parsed = _parsed(word)
    if TEXT.search(name.lstrip("+")) and value and "${" not in value:
        if parsed is None:
            return f"{name}={quoted(expanded(value))}"
        if parsed.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
            return word if several else f"{name}={quoted(expanded(value))}"
        if isinstance(parsed._value, QuotedString):
            return f"{name}={quoted(expanded(parsed._value.text))}"
        if isinstance(parsed._value, str):
            home = expanded(parsed._value)
            return word if home == parsed._value else f"{name}={quoted(home)}"
        path = not name.endswith(("study", "name"))  # a study may be a number
        kept = parsed.is_sweep_override() or parsed._value is None or not path
        return word if kept else f"{name}={quoted(value)}"
    if parsed is None:
        as_text = shell_word(f"{name}={quoted(value)}")
        raise WordError(f"{word} cannot be read: quote the value, as in {as_text}, or correct it")
    return word


def one_run(overrides: Sequence[str]) -> list[str]:
    """The same, of which none has several values.

    Raises:
        WordError: for one that has.
    """
    for word in overrides:
        parsed = _parsed(word)
        if parsed is not None and parsed.is_sweep_override():
            name, _, value = word.partition("=")
            listed = shell_word(f"{'seeds' if name == 'seed' else name}=[{value}]")
            raise WordError(
                f"{word} gives several values to one run: `cl-bench run -m {shell_word(word)}` sweeps over them, "
                + (f"{listed} trains them in one job" if name == "seed" else f"a list is written {listed}")
            )
    return list(overrides)


def expanded(path: str) -> str:
    """With `~` and `~user` at its start replaced, as a shell does it.

    Raises:
        WordError: for a user whom the machine does not know.
    """
    found = os.path.expanduser(path)
    if found.startswith("~") and found.partition("/")[0] != "~" and "/" in found:
        raise WordError(f"{path} must begin with a home folder, got {path.partition('/')[0]}, which is none")
    return found


def _parsed(word: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def quoted(text: str) -> str:
    """A text as Hydra reads it, whatever letters are in it."""
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _no_setting(
    word: str,
    following: str,
    words: Sequence[str],
    names: Sequence[str],
    choices: Mapping[str, Sequence[str]],
) -> str:
    """What to type in place of a word without `=`."""
    if word == "=" or word.startswith("="):
        before = words[words.index(word) - 1] if words.index(word) else "name"
        value = word[1:] or following or "value"
        return f"a setting is one word, without spaces: type {shell_word(f'{before}={value}')}"
    if following.startswith("="):
        behind = words[words.index(following) + 1 :]
        value = following[1:] or (behind[0] if behind else "value")
        return _written_otherwise(f"{word} = {value}", word, value, names, choices)
    name, colon, value = word.partition(":")
    if colon and (name in names or name in choices):
        return _written_otherwise(word, name, value, names, choices)
    if (word in choices or word in names) and following and "=" not in following:
        return _written_otherwise(f"{word} {following}", word, following, names, choices)
    if word in choices:
        return f"{word!r} has no value: type {word}=..., one of {', '.join(choices[word])}"
    groups = [group for group, options in choices.items() if word in options]
    if groups:
        written = " or ".join(f"{group}={word}" for group in groups)
        return f"{word!r} is no setting: type {written}"
    near = nearest_settings(word, [*names, *choices])
    if near:
        return f"{word!r} has no value: type {' or '.join(f'{each}=...' for each in near)}"
    similar = [
        f"{group}={each}" for group, options in choices.items() for each in nearest_choices(word, options)
    ]
    if similar:
        return f"{word!r} is no setting; did you mean {' or '.join(similar[:3])}?"
    return f"{word!r} is no setting: they are written name=value; cl-bench run --help shows them"


def _written_otherwise(
    word: str, name: str, value: str, names: Sequence[str], choices: Mapping[str, Sequence[str]]
) -> str:
    """That settings are written name=value."""
    everything = [*names, *choices]
    found = name if name in everything else next(iter(nearest_settings(name, everything)), name)
    return f"settings are written name=value, got {word!r}: type {shell_word(f'{found}={value}')}"
