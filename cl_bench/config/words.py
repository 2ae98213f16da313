"""The words of a command line before Hydra reads them: paths are taken as they are, slips are answered."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from cl_bench.config.choices import GROUPS, look_in
from cl_bench.config.handed import OF_THE_SUITE
from cl_bench.config.nearest import nearest_choices, nearest_settings
from cl_bench.config.places import CONFIG_DIR, expanded, shell_word

# settings whose value is a path, or a name, whatever letters are in it
PATH = re.compile(r"(^|[._])(dir|root|path|folder)$")
NAME = re.compile(r"(^|\.)(study|name)$")
# a mapping whose names are those of somebody's class: any may be given
OPEN = re.compile(r"(^|[._])settings(\.|$)")
# what the suite reads of every network, whether or not its file has it
OF_ANY_NETWORK = {f"model.{name}" for name in OF_THE_SUITE}
SWEEP, RUN = ("-m", "--multirun"), ("-r", "--run")


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
        """Whether a run of our own configuration is asked for, and not only a look at it."""
        return not set(self.flags) - {*SWEEP, *CONFIG_DIR, *RUN, *self.config_dirs}

    @property
    def config_dirs(self) -> list[str]:
        return [self.flags[index + 1] for index, each in enumerate(self.flags) if each in CONFIG_DIR]

    @property
    def as_hydra_reads(self) -> list[str]:
        """The words for Hydra's own parser, which wants -m first and takes one --config-dir."""
        left, flags, folders = list(self.flags), list[str](), self.config_dirs
        while left:
            flag = left.pop(0)
            if flag in CONFIG_DIR:
                left.pop(0)
            elif flag not in SWEEP:
                flags.append(flag)
        first = ["--config-dir", folders[0]] if folders else []
        return [*["-m"][: self.sweeps], *first, *flags, *with_folders(self.overrides, folders[1:])]


def check_words(words: Sequence[str]) -> None:
    """Check that words are a list of them, as from Python. Raises WordError for one text, and a mapping."""
    if isinstance(words, str):
        raise WordError(f"settings are a list of words, as in [{words!r}], got a text")
    if isinstance(words, Mapping):
        written = [f"{name}={value}" for name, value in words.items()]
        raise WordError(f"settings are a list of words, as in {written[:3]}, got a mapping")


def read(
    arguments: Sequence[str],
    *,
    names: Callable[[], Sequence[str]],
    choices: Callable[[], Mapping[str, Sequence[str]]],
) -> Words:
    """Read flags and settings, with paths quoted and `~` expanded.

    Choices in folders of --config-dir count from then on.

    Args:
        names: full names of all settings there are.
        choices: maps groups to their choices.

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
                flags.append(_folder(option, value) if option in CONFIG_DIR else value)
        else:
            given = value if equals else (left[0] if left and "=" not in left[0] else "...")
            raise WordError(_written_otherwise(word, option.lstrip("-"), given, names(), choices()))
    look_in(Words(flags, []).config_dirs)
    several = any(flag in SWEEP for flag in flags)
    shown = any(flag in ("-sc", "--shell-completion") for flag in flags)
    overrides = rest if shown else list(_overrides(rest, several, names, choices))
    return Words(flags, overrides)


def _folder(option: str, value: str) -> str:
    folder = Path(expanded(value)).resolve()
    if not folder.is_dir():
        raise WordError(f"{option} must be given a folder of YAML files, got {value!r}, which is no folder")
    return str(folder)


def _overrides(
    words: Sequence[str],
    several: bool,
    names: Callable[[], Sequence[str]],
    choices: Callable[[], Mapping[str, Sequence[str]]],
) -> Iterator[str]:
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if "=" in word and not word.startswith("="):
            more = list(itertools.takewhile(lambda each: "=" not in each, words[index + 1 :]))
            if more and word.endswith(","):
                typed = shell_word("".join([word, *more]))
                raise WordError(f"values have no spaces between them: type {typed}")
            yield override(word, several=several)
        elif word.startswith("~"):
            yield word  # deletes a setting
        else:
            raise WordError(_no_setting(word, following, words, names(), choices()))


def override(word: str, *, several: bool = False) -> str:
    """Write `name=value` as Hydra reads it.

    `~` at the start of a path is expanded. A path or a name, by the setting's name, is quoted where Hydra
    would take it for something else. What is given to a mapping of somebody's settings may be new there,
    and so may be what the suite reads of every network.

    Args:
        several: whether a,b is two values.

    Raises:
        WordError: for a value that must be quoted, with what to type.
    """
    name, _, value = word.partition("=")
    inside = OPEN.search(name)
    if name in OF_ANY_NETWORK or (inside and name[0] not in "+~" and (inside[2] or value.startswith("{"))):
        name = f"++{name}"
        word = f"{name}={value}"
    parsed = _parsed(word)
    if name in GROUPS and parsed is not None and isinstance(parsed._value, list):
        swept = shell_word(f"{name}={','.join(map(str, parsed._value))}")
        each = f"`cl-bench run -m {swept}` makes a run of each"
        raise WordError(f"a run has one {name}, got a list, {word}: {each}")
    is_path, is_name = PATH.search(name.lstrip("+")), NAME.search(name.lstrip("+"))
    if value and "${" not in value and (is_path or is_name):
        text = _text(value, parsed, several=several)
        if text is None:
            return word
        whole = expanded(text) if is_path else text
        return word if parsed is not None and parsed._value == whole else f"{name}={quoted(whole)}"
    if parsed is None:
        as_text = shell_word(f"{name}={quoted(value)}")
        raise WordError(f"{word} cannot be read: quote the value, as in {as_text}, or correct it")
    return word


def _text(value: str, parsed: Override | None, *, several: bool) -> str | None:
    """Return the text that a path or a name stands for: a number, a list or true is one, null is none."""
    if parsed is None:
        return value
    if isinstance(parsed._value, QuotedString):
        return parsed._value.text
    if isinstance(parsed._value, str):
        return parsed._value
    if parsed.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
        return None if several else value
    return value if parsed._value is not None and not parsed.is_sweep_override() else None


def with_folders(overrides: Sequence[str], folders: Sequence[str | Path]) -> list[str]:
    """Let Hydra look for YAML in these folders, too, before those that the overrides name."""
    if not folders:
        return list(overrides)
    places = [quoted(f"file://{folder}") for folder in folders]
    others = []
    for each in overrides:
        name, _, listed = each.partition("=")
        if name == "hydra.searchpath":
            places += filter(None, [listed.strip().removeprefix("[").removesuffix("]").strip()])
        else:
            others.append(each)
    return [*others, f"hydra.searchpath=[{','.join(places)}]"]


def one_run(overrides: Sequence[str]) -> list[str]:
    """Return the overrides as Hydra reads them, none of several values.

    Raises:
        WordError: for one that has several.
    """
    for word in overrides:
        parsed = _parsed(word)
        if parsed is not None and parsed.is_sweep_override():
            raise WordError(f"{word} gives one run several values: {_several(word)}")
    return list(overrides)


def _several(word: str) -> str:
    """Say what to type for several values: a sweep, and a list where the setting may be one."""
    name, _, value = word.partition("=")
    if name in ("seed", "seeds"):
        listed, each = shell_word(f"seeds=[{value}]"), shell_word(f"seed={value}")
        return f"`cl-bench run -m {each}` makes a run of each; {listed} trains them in one job"
    sweep = f"`cl-bench run -m {shell_word(word)}` makes a run of each"
    return sweep if name in GROUPS else f"{sweep}; one list is {shell_word(f'{name}=[{value}]')}"


def _parsed(word: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def quoted(text: str) -> str:
    """Quote a text so that Hydra reads it as it is, whatever letters are in it."""
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _no_setting(
    word: str,
    following: str,
    words: Sequence[str],
    names: Sequence[str],
    choices: Mapping[str, Sequence[str]],
) -> str:
    """Say what to type in place of a word without `=`."""
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
    """Say that settings are written name=value."""
    everything = [*names, *choices]
    nearest = name if name in everything else next(iter(nearest_settings(name, everything)), name)
    return f"settings are written name=value, got {word!r}: type {shell_word(f'{nearest}={value}')}"
