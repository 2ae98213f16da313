"""A setting that was given: whether it exists, what a configuration is with it, and what to type if not."""

import re
from collections.abc import Iterable
from contextlib import suppress

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigTypeError

from cl_bench.config.checked import HANDED, TARGET, Checker, SettingError
from cl_bench.config.choices import choices
from cl_bench.config.compose import known_settings
from cl_bench.config.handed import SHAPES
from cl_bench.config.nearest import nearest_settings, no_such_setting
from cl_bench.config.places import shell_word
from cl_bench.config.signatures import signature_of
from cl_bench.config.sources import NotThereError

OF_CHOICES = ("strategy", "model", "benchmark")  # groups whose choices have settings of their own


def has(config: DictConfig, key: str) -> bool:
    """Whether a setting of this dotted name exists, with a value or without."""
    parent, _, last = key.rpartition(".")
    try:
        node = OmegaConf.select(config, parent) if parent else config
    except Exception:  # an interpolation on the way, which cannot be resolved
        return True
    if isinstance(node, ListConfig):
        return last.isdigit() and int(last) < len(node)
    return isinstance(node, DictConfig) and last in node.keys()  # noqa: SIM118 (a missing value is not `in`)


def with_overrides(config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """Copy a configuration with overrides set. Raises SettingError where a list meets a mapping."""
    config = config.copy()
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key, value = override.key_or_group, override.value()
        try:
            OmegaConf.update(config, key, value, merge=True, force_add=not has(config, key))
        except ConfigTypeError as error:  # of a list and a mapping
            kind = "list" if isinstance(value, dict) else "mapping"
            raise SettingError(f"{key} must be a {kind}, got {override.input_line}") from error
    return config


def no_setting(config: DictConfig, override: str, checker: Checker) -> str:
    """Say that a setting does not exist, which is nearest, and what is wrong with its value, too."""
    name, _, value = override.partition("=")
    if target := _takes_it(config, name):
        typed = shell_word(f"+{override}")
        return f"there is no setting {name} in its file, but {target} takes it: type {typed}"
    known = known_settings(config)
    near = nearest_settings(name, known)
    objection = ""
    if near and has(config, near[0]) and not isinstance(OmegaConf.select(config, near[0]), DictConfig):
        tried = checker.problems(with_overrides(config, [f"{near[0]}={value}"]))
        objection = next((each.message for each in tried if near[0] in each.settings), "")
    if not near and name.partition(".")[0] in OF_CHOICES:
        return _of_other_choices(config, name)
    return no_such_setting(name, value, known, objection=objection)


def _takes_it(config: DictConfig, name: str) -> str:
    """Return the class or function of a group that takes a setting which its file lacks; empty: none does."""
    group, _, last = name.partition(".")
    target = str(config[group].get(TARGET)) if group in OF_CHOICES else ""
    with suppress(NotThereError):
        signature = signature_of(target) if target else None
        given = (*HANDED.get(group, ()), *SHAPES, *config.training)  # by the run
        if signature is not None and last in signature.parameters and last not in given:
            return target
    return ""


def _of_other_choices(config: DictConfig, name: str) -> str:
    """Say that the choice has no such setting, what it has, and which choices have it."""
    group, _, rest = name.partition(".")
    own = [key for key in config[group] if not str(key).startswith("_") and key not in ("name", "dataset")]
    written = re.compile(rf"^ *{re.escape(rest.rpartition('.')[2])}:", re.MULTILINE)
    others = [f"{group}={each}" for each, path in choices(group).items() if written.search(path.read_text())]
    return (
        f"{group}={config[group].get('name')} has no setting {name}, but {', '.join(own) or 'none at all'}"
        + (f"; choices that have it: {', '.join(others)}" if others else "")
    )
