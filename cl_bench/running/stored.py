"""The configuration that a run left behind, read as something that a stranger may have written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cl_bench.choices import folders
from cl_bench.running.folder import CONFIG

MAX_BYTES = 2**18  # the largest of ours has 4,000
MAX_BRACKETS = 1000  # PyYAML's time grows with the square of their depth; ours are [] and {}
NEEDED = ("study", "seed", "benchmark", "model", "strategy", "training", "seed_for", "plugins", "loggers")
_TARGET = re.compile(r"^[^#\n]*_target_:\s*([\w.]+)", re.MULTILINE)


class StoredConfigError(ValueError):
    """A stored configuration cannot be run; the message names the file and the rule."""


def stored_config(run: Path, *, trust: bool = False) -> DictConfig:
    """The configuration of a run folder, without its tracking.

    A configuration names the classes that it is made of, so that running it runs them. Only those that
    conf/ and installed packages name are taken, and Avalanche's strategies; with `trust` any. It is plain
    data: an interpolation, which could call a function when it is resolved, is never taken.

    Raises:
        StoredConfigError: where it cannot be read, is no configuration of a run, or names something else.
    """
    path = run / CONFIG
    config = read_yaml(path)
    missing = [name for name in NEEDED if name not in config]
    if missing:
        raise StoredConfigError(f"{path} must have the settings of a run, got no {', '.join(missing)}")
    for text in _texts(config):
        if "${" in text:
            raise StoredConfigError(f"{path} must hold plain values, got the interpolation {text[:80]!r}")
    if not trust:
        known = known_targets()
        for key, name in _names(config):
            if not (name in known or (key == "path" and str(name).startswith("avalanche."))):
                raise StoredConfigError(
                    f"{path}: only what conf/ or an installed package names is run, got {key}={name!r}; "
                    "read the file, and if you trust it give --trust"
                )
    try:
        return OmegaConf.create({**config, "tracking": {"name": "none"}, "expected": []})
    except OmegaConfBaseException as error:
        raise StoredConfigError(f"{path}: {str(error).splitlines()[0]}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping of plain values. An alias, with which a short file can claim any amount of memory, is
    refused: nothing that is written here has one.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StoredConfigError(f"{path} must be of at most {MAX_BYTES:,} bytes; it is no configuration")
        text = path.read_text()
        if text.count("[") + text.count("{") > MAX_BRACKETS:
            raise StoredConfigError(f"{path} must have at most {MAX_BRACKETS:,} brackets")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise StoredConfigError(f"{path} must have no YAML aliases, got one")
        found = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, StoredConfigError):
            raise
        raise StoredConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise StoredConfigError(f"{path} must hold settings by name, got {type(found).__name__}")
    return found


def known_targets() -> set[str]:
    """Every `_target_` in conf/ and in the configurations of installed packages."""
    return {
        name
        for folder in folders()
        for path in folder.rglob("*.yaml")
        for name in _TARGET.findall(path.read_text())
    }


def _texts(node: Any) -> Iterator[str]:
    """Every text, keys too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for each in node:
            yield from _texts(each)
        for value in node.values() if isinstance(node, dict) else ():
            yield from _texts(value)


def _names(node: Any, *, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Whatever names code: targets anywhere, and the class of a stock strategy."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_" or (key == "path" and inside == "strategy"):
                yield key, value
            yield from _names(value, inside=str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _names(value)
