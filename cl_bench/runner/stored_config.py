"""The configuration that a run left behind, read as something that a stranger may have written."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cl_bench.config.checked import Checker, Problem
from cl_bench.config.compose import plain
from cl_bench.config.known_code import is_known, known_names, names_in
from cl_bench.config.tuned_files import TUNING
from cl_bench.records import compact
from cl_bench.records.atomic import ForeignFileError, read_whole
from cl_bench.records.identity import flatten
from cl_bench.records.run_files import is_packed
from cl_bench.records.text import one_line
from cl_bench.runner.run_folder import CONFIG

MOST_SAID = 500  # letters of an error
MAX_BYTES = 2**16  # the largest of ours has 4,000
MAX_BRACKETS = 1000  # PyYAML's time grows with the square of their depth; ours are [] and {}
MAX_DEPTH = 50
LARGEST = 2**63  # of whole numbers
MAPPINGS = ("benchmark", "model", "strategy", "training", "seed_for")
LISTS = ("plugins", "loggers")
NEEDED = ("study", "seed", *MAPPINGS, *LISTS)
NOT_THE_RUNS = {"hydra", TUNING}  # of how a configuration was composed; they are not stored
_MERGE = "tag:yaml.org,2002:merge"


class StoredConfigError(ValueError):
    """A stored configuration cannot be run; the message names the file and the rule."""


def stored_config(run: Path, *, trust: bool = False, how: str = "give --trust") -> DictConfig:
    """Read the configuration that a run left, without its tracking.

    A configuration names the classes that it is made of, so that running it runs them. Only those are taken
    that conf/ and installed packages name at the same setting, and Avalanche's strategies; with `trust` any.
    It is plain data: an interpolation, which could call a function when it is resolved, is never taken.

    Args:
        how: trust is said, for the error.

    Raises:
        StoredConfigError: where it cannot be read, is no configuration of a run, or names something else.
    """
    path = run / CONFIG
    config = _packed_config(run) if is_packed(run) else read_yaml(path)
    for text in _texts(config):
        if "${" in text:
            raise StoredConfigError(
                f"{path} must hold plain values, got the interpolation {one_line(text)[:80]!r}"
            )
    _check_shape(path, config)
    config = {key: value for key, value in config.items() if key not in NOT_THE_RUNS}
    config |= {"tracking": {"name": "none"}, "expected": []}
    if not trust:
        known = known_names()
        for named in names_in(config):
            if not is_known(named, known):
                raise StoredConfigError(
                    f"{path}: only what conf/ or an installed package names at this setting is run, got "
                    f"{one_line(named)[:200]}; read the file, and if you trust it {how}"
                )
    try:
        return OmegaConf.create(config)
    except OmegaConfBaseException as error:
        raise StoredConfigError(f"{path}: {one_line(str(error).splitlines()[0])}") from error


def check_settings(run: Path, config: DictConfig) -> None:
    """Check settings by the rules of `cl-bench run`: only those that this version has.

    Raises:
        StoredConfigError: with the first rule that is broken.
    """
    try:
        settings = plain(config)
        broken = next((each for each in Checker().problems_of(settings) if _there(settings, each)), None)
    except (TypeError, AttributeError, KeyError, OmegaConfBaseException) as error:
        raise StoredConfigError(f"{run}: its settings are not a run's: {error!r}") from error
    if broken is not None:
        raise StoredConfigError(one_line(f"{run}: {broken.message}")[:MOST_SAID])


def _there(settings: Mapping[str, Any], problem: Problem) -> bool:
    names = flatten(dict(settings))
    return all(
        any(each == name or each.startswith(f"{name}.") for each in names) for name in problem.settings
    )


def _packed_config(run: Path) -> dict[str, Any]:
    """The configuration of a run in a compact study, as plain as one that `read_yaml` gives."""
    path = run.parent / compact.FILE
    try:
        found = compact.run_at(run).config
    except (OSError, ValueError) as error:
        raise StoredConfigError(f"{path} cannot be read: {one_line(error)}") from error
    if found is None:
        raise StoredConfigError(f"{path}: {run.name} has no {CONFIG}, and cannot be run again")
    _check_plain(path, found)
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping of plain values: texts, numbers, truth values, lists and mappings.

    What can say more than it shows is refused, since nothing that is written here has it. That is: merged
    mappings, keys that stand twice, tags, dates, and aliases, with which a short file claims much memory.
    """
    try:
        text = read_whole(path, most=MAX_BYTES).decode()
        if text.count("[") + text.count("{") > MAX_BRACKETS:
            raise StoredConfigError(f"{path} must have at most {MAX_BRACKETS:,} brackets")
        _check_events(path, text)
        content = yaml.load(text, Loader=_Once)
        if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
            raise StoredConfigError(f"{path} must hold settings by name, got {type(content).__name__}")
        _check_plain(path, content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, StoredConfigError):
            raise
        if isinstance(error, ForeignFileError):
            raise StoredConfigError(str(error)) from error
        raise StoredConfigError(f"{path} cannot be read: {one_line(' '.join(str(error).split()))}") from error
    return content


class _Once(yaml.SafeLoader):
    """A reader of mappings whose keys are plain and stand in them once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(keys) < len(node.value) or any(key.tag == _MERGE for key, _ in node.value):
            raise ValueError("a key must be a name")
        seen: set[str] = set()
        for key in keys:
            if key in seen:
                raise ValueError(f"a key must stand once in a mapping, got {key[:80]!r} twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _check_events(path: Path, text: str) -> None:
    """Refuse aliases and depth before anything is built of them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise StoredConfigError(f"{path} must have no YAML aliases, got one")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise StoredConfigError(f"{path} must be nested at most {MAX_DEPTH} deep")


def _check_plain(path: Path, node: Any) -> None:
    if isinstance(node, dict | list):
        for each in node:
            _check_plain(path, each)
        for each in node.values() if isinstance(node, dict) else ():
            _check_plain(path, each)
    elif isinstance(node, int) and not -LARGEST <= node < LARGEST:
        raise StoredConfigError(
            f"{path} must have whole numbers below 2**63, got one of {node.bit_length()} bits"
        )
    elif not isinstance(node, str | int | float | None):
        raise StoredConfigError(f"{path} must hold plain values, got a {type(node).__name__}")


def _check_shape(path: Path, config: dict[str, Any]) -> None:
    missing = [name for name in NEEDED if name not in config]
    if missing:
        raise StoredConfigError(f"{path} must have the settings of a run, got no {', '.join(missing)}")
    for name in MAPPINGS:
        if not isinstance(config[name], dict):
            raise StoredConfigError(f"{path}: {name} must hold settings, got {type(config[name]).__name__}")
    for name in LISTS:
        if not isinstance(config[name], list) or not all(isinstance(each, dict) for each in config[name]):
            raise StoredConfigError(f"{path}: {name} must be a list of mappings, each with a _target_")


def _texts(node: Any) -> Iterator[str]:
    """Yield every text, keys too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for each in node:
            yield from _texts(each)
        for value in node.values() if isinstance(node, dict) else ():
            yield from _texts(value)
