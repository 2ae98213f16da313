"""Settings as Python has them -> the words of a command line, which name them by dots."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from cl_bench.config.checked import TARGET, Checker, SettingError
from cl_bench.config.compose import compose, hydra_apart
from cl_bench.config.given_settings import has, no_setting
from cl_bench.config.handed import OF_THE_SUITE
from cl_bench.config.nearest import nearest_settings
from cl_bench.config.tuned_files import TUNING
from cl_bench.config.words import OF_ANY_NETWORK, WordError, check_words, override, quoted

Folders = str | PathLike[str] | Sequence[str | PathLike[str]] | None


def composed(words: Sequence[str], *, folders: Sequence[str], parts: Mapping[str, Any]) -> DictConfig:
    """Compose a configuration, with parts that were given from Python in the place of chosen ones.

    Args:
        words: as on a command line.
        folders: of more YAML files.
        parts: the dotted name of a part, such as benchmark.dataset, and what stands for it.
    """
    config = compose(words, config_dirs=folders)
    with open_dict(config):
        for name, part in parts.items():
            OmegaConf.update(config, name, part, merge=False)
        if parts:
            config[TUNING].given = None  # no command line does that
    return config


def placed(config: DictConfig, settings: Mapping[str, Any], homes: Sequence[str]) -> list[str]:
    """Write settings as words, each with the dotted name that it has in the configuration.

    Args:
        settings: value by name, or by dotted name; a mapping sets what is in it.
        homes: the parts of the configuration in which a name without dots is looked for.

    Raises:
        SettingError: for a name that is in none of them, or in several.
    """
    words: list[str] = []
    with hydra_apart():
        for name, value in settings.items():
            words += _words(config, _full_name(config, name, value, homes), value)
    return words


def words_of_seeds(
    config: DictConfig,
    *,
    seed: int | None,
    seeds: Sequence[int] | None,
    seed_for: Mapping[str, int] | None,
) -> list[str]:
    """Write the seeds that are given. Raises SettingError where both `seed` and `seeds` are."""
    if seed is not None and seeds is not None:
        raise SettingError(f"seeds takes the place of seed, got both: {seed=}, seeds={list(seeds)}")
    about = {"seed": seed, "seeds": seeds, "seed_for": seed_for}
    return placed(config, {key: each for key, each in about.items() if each is not None}, tuple(about))


def _full_name(config: DictConfig, name: str, value: Any, homes: Sequence[str]) -> str:
    if "." in name or name in homes:
        return name
    found = [
        f"{home}.{name}"
        for home in homes
        if name != "name" and not name.startswith("_") and _takes(config, f"{home}.{name}")
    ]
    if len(found) > 1:
        written = " or ".join(f'**{{"{each}": {value!r}}}' for each in found)
        raise SettingError(f"{name} is a setting of {' and of '.join(found)}: write {written}")
    if not found:
        raise SettingError(_no_such_name(config, name, value, homes))
    return found[0]


def _takes(config: DictConfig, name: str) -> bool:
    return name in OF_ANY_NETWORK or has(config, name)


def _no_such_name(config: DictConfig, name: str, value: Any, homes: Sequence[str]) -> str:
    """Say that a name is in none of the parts, and which there are, as Python writes them."""
    names = {
        home: [str(each) for each in OmegaConf.select(config, home) if not str(each).startswith("_")]
        for home in homes
    }
    for each in OF_THE_SUITE if "model" in names else ():
        names["model"] += [each] if each not in names["model"] else []
    short = {f"{home}.{each}": each for home, inside in names.items() for each in inside if each != "name"}
    near = list(dict.fromkeys(short[each] for each in nearest_settings(name, short)))
    if near:
        return (
            f"there is no setting {name}. Did you mean {' or '.join(f'{each}={value!r}' for each in near)}?"
        )
    there = "; ".join(
        f"{home} has {', '.join(short[f'{home}.{each}'] for each in inside if each != 'name')}"
        for home, inside in names.items()
    )
    return f"there is no setting {name}, nor one like it: {there}"


def _words(config: DictConfig, name: str, value: Any) -> Iterator[str]:
    """Yield the word of a setting; of a mapping one for each setting in it."""
    present = OmegaConf.select(config, name, default=None) if has(config, name) else None
    if isinstance(value, Mapping) and isinstance(present, DictConfig) and TARGET not in value:
        for key, each in value.items():
            inner = f"{name}.{key}"
            # only a mapping that is empty in conf/ takes names of the user's own
            yield from [word(f"+{inner}", each)] if not present else _words(config, inner, each)
    elif _takes(config, name):
        yield word(name, value)
    else:
        raise SettingError(no_setting(config, f"{name}={written_value(value, name)}", Checker()))


def word(name: str, value: Any) -> str:
    """Write a setting as the command line has it: text as it is where it can stand so, else in quotes."""
    plain = f"{name}={value}"
    if isinstance(value, str) and value:
        try:
            if override(plain) == plain and _reads_back(plain, value):
                return plain
        except WordError:
            pass
    return f"{name}={written_value(value, name)}"


def _reads_back(plain: str, value: str) -> bool:
    return bool(OverridesParser.create().parse_override(plain).value() == value)


def written_value(value: Any, name: str) -> str:
    """Write a value in the grammar of Hydra.

    Raises:
        SettingError: for an object that no setting can be.
    """
    if isinstance(value, PathLike):
        value = fspath(value)
    if type(value).__module__ == "torch" and type(value).__name__ in ("device", "dtype"):
        value = str(value).removeprefix("torch.")
    if hasattr(value, "tolist"):  # of NumPy and torch: numbers and arrays of them
        value = value.tolist()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        inner = (f"{quoted(str(key))}:{written_value(each, name)}" for key, each in value.items())
        return f"{{{','.join(inner)}}}"
    if isinstance(value, list | tuple | range):
        return f"[{','.join(written_value(each, name) for each in value)}]"
    if isinstance(value, type) or inspect.isroutine(value):
        raise SettingError(
            f'{name} must be the path of a class or function, got the object: give "{_shortest_path(value)}"'
        )
    raise SettingError(
        f"{name} must be a number, a text, true or false, None, a list or a mapping of these, got a "
        f"{type(value).__name__}"
    )


def _shortest_path(named: Any) -> str:
    """Return the path of a class or function: torch.optim.AdamW, which stands in torch.optim.adamw."""
    module, name = named.__module__, named.__qualname__
    parts = module.split(".")
    packages = (".".join(parts[:number]) for number in range(1, len(parts)))
    found = (each for each in packages if getattr(sys.modules.get(each), name, None) is named)
    return f"{next(found, module)}.{name}"


def folders_of(config_dir: Folders) -> tuple[str, ...]:
    """Return the folders of more YAML files as absolute paths.

    Raises:
        SettingError: for one that is no folder.
    """
    if config_dir is None:
        return ()
    given = [config_dir] if isinstance(config_dir, str | PathLike) else list(config_dir)
    found = [Path(each).expanduser().resolve() for each in given]
    for path, each in zip(found, given, strict=True):
        if not path.is_dir():
            raise SettingError(
                f"config_dir must be a folder of YAML files, got {fspath(each)!r}, which is no folder"
            )
    return tuple(map(str, found))


def with_results_dir(words: Sequence[str], results_dir: str | PathLike[str] | None) -> list[str]:
    """Add the folder of results that is given as an argument. Raises SettingError where a word has it."""
    check_words(words)
    if results_dir is None:
        return list(words)
    given = [each for each in words if str(each).lstrip("+").startswith("results_dir=")]
    if given:
        raise SettingError(
            f"results_dir is given twice, by {given[0]} and results_dir={fspath(results_dir)!r}"
        )
    return [*words, word("results_dir", fspath(results_dir))]


def name_of_choice(what: str, name: Any) -> str:
    """Check that a choice is given by its name. Raises TypeError."""
    if not isinstance(name, str):
        raise TypeError(
            f"{what} must be the name of a choice, as `cl-bench list {what}` shows them, got a "
            f"{type(name).__name__}"
        )
    return name


def untuned(folders: Sequence[str]) -> list[str]:
    """Return the words that leave tuned settings out, ours and those that `cl-bench tune` wrote."""
    found = any(Path(each, "tuning").is_dir() for each in folders)
    return ["tuned=none", *(["tuning=none"] if found else [])]
