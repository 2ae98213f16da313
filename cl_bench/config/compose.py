"""Composition from Python, where configurations are found, and how a run's folder is named."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from cl_bench.config.choices import (
    GROUPS,
    by_group,
    choices,
    folders_given,
    folders_told,
    look_in,
    looking_in,
    plugged_in,
)
from cl_bench.config.data_sets import called, parts
from cl_bench.config.environment import num_cores
from cl_bench.config.handed import OF_THE_SUITE, without_those_of_others
from cl_bench.config.nearest import no_such_choice, no_such_setting
from cl_bench.config.places import conf_folder
from cl_bench.config.tuned import folders_of, reads_test, with_tuning
from cl_bench.config.tuned_files import TUNING
from cl_bench.config.words import check_words, one_run, override
from cl_bench.records.identity import LATER, SAID, flatten, identifying, neutral_values
from cl_bench.validation import check_seeds

VERSION_BASE = "1.3"
CONFIG_NAME = "config"
_CHOSEN_TWICE = re.compile(r"^(\S+) appears more than once in|^Multiple values for (\S+)\.")  # Hydra's words


class EntryPointConfigs(SearchPathPlugin):
    """Configurations of installed packages: entry points `cl_bench.conf`, each a package of YAML files."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for entry_point in plugged_in():
            search_path.append(provider=entry_point.name, path=f"pkg://{entry_point.value}")


def register() -> None:
    """Tell Hydra of our resolvers and search path before any composition; more calls change nothing."""
    Plugins.instance().register(EntryPointConfigs)
    OmegaConf.register_new_resolver("workers", lambda threads: max(1, num_cores() // threads), replace=True)
    OmegaConf.register_new_resolver("case", lambda key, values: values[key], replace=True)
    OmegaConf.register_new_resolver("relabelled_classes", _relabelled_classes, replace=True)
    OmegaConf.register_new_resolver("num_tasks", _num_tasks, replace=True)
    OmegaConf.register_new_resolver("data_name", _data_name, replace=True)
    OmegaConf.register_new_resolver("data_sets", _data_sets, replace=True)
    OmegaConf.register_new_resolver("run_name", lambda *, _root_: run_name(_root_), replace=True)
    OmegaConf.register_new_resolver("reads_test", lambda *, _root_: reads_test(_root_), replace=True)


def _relabelled_classes(seed: int, num_classes: int) -> list[int]:
    from cl_bench.streams.order import relabelled_classes  # with torch, which --help does not need

    return relabelled_classes(seed, num_classes)


def _num_tasks(usual: int, *, _parent_: Any) -> int:
    """Count the tasks that classes_per_task lists; the usual number where it is not set."""
    listed = _parent_.get("classes_per_task")
    return len(listed) if isinstance(listed, ListConfig) else usual


def _data_name(*, _parent_: Any, _root_: Any) -> str:
    """Return the name of the benchmark's data set."""
    with looking_in(folders_of(_root_)):
        return called(_parent_.get("dataset") or {})


def _data_sets(*, _parent_: Any, _root_: Any) -> list[dict[str, Any]]:
    """Return how each of the data sets that `datasets` beside it lists is built."""
    listed: Any = _parent_.get("datasets")
    if not isinstance(listed, ListConfig):
        raise ValueError(f"datasets must be a list of data sets, got {listed!r}; write [mnist,fashion_mnist]")
    entries = OmegaConf.to_container(listed, resolve=True)
    assert isinstance(entries, list)
    with looking_in(folders_of(_root_)):
        return parts(entries, _root_)


@contextmanager
def hydra_apart() -> Iterator[None]:
    """Let Hydra be ours within the block: what its user has initialised is there again afterwards."""
    register()
    version_base = version.VersionBase.instance()
    before, base = Singleton._instances.pop(GlobalHydra, None), version_base.getbase()
    version.setbase(VERSION_BASE)
    try:
        yield
    finally:
        version_base.version_base = base
        Singleton._instances.pop(GlobalHydra, None)
        if before is not None:
            Singleton._instances[GlobalHydra] = before


def loader(config_dirs: Iterable[str | Path] = ()) -> ConfigLoader:
    """Return a loader that finds configurations as `cl-bench run --config-dir DIR` does."""
    path = create_config_search_path(str(conf_folder()))
    for folder in config_dirs:
        path.prepend("command-line", f"file://{folder}", anchor=SearchPathQuery(provider="schema"))
    return _Loader(path)


class _Loader(ConfigLoaderImpl):
    """A loader whose folders count for choices from then on."""

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        try:
            config = super().load_configuration(*args, **kwargs)
        except MarkedYAMLError as error:
            raise HydraException(_unreadable(error)) from error
        look_in(folders_told(config.hydra))
        return config


def _unreadable(error: MarkedYAMLError) -> str:
    mark = error.problem_mark
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"cannot read {mark.name if mark else 'a file'} as YAML: {error.problem}{where}; correct it"


def all_settings() -> list[str]:
    """List the full names of all settings that a plain run has, and the groups of choices."""
    return known_settings(loader(folders_given()).load_configuration(CONFIG_NAME, [], RunMode.RUN))


def compose(overrides: Sequence[str] = (), *, config_dirs: Iterable[str | Path] = ()) -> DictConfig:
    """Compose the configuration of one run, from Python.

    Paths are taken as they are, `~` at their start expanded, as `cl-bench run` does.

    Args:
        config_dirs: folders of more YAML files, as `--config-dir` takes one.

    Raises:
        ValueError: for a setting or a choice that does not exist.
    """
    check_words(overrides)
    given = one_run([override(each) for each in overrides])
    try:
        with hydra_apart():
            config = loader(config_dirs).load_configuration(CONFIG_NAME, given, RunMode.RUN, from_shell=False)
            return with_tuning(config, config.hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(explain(error)) from error


def explain(error: Exception) -> str:
    """Say in a sentence what is wrong with the overrides, with the nearest names that do exist."""
    message = (str(error).strip() or type(error).__name__).splitlines()
    text = message[0].rpartition("raised while resolving interpolation: ")[2]
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if getattr(error, "missing_cfg_file", None):  # a choice that does not exist
        group, _, wrong = str(error.missing_cfg_file).rpartition("/")  # type: ignore[attr-defined]
        options = getattr(error, "options", None) or choices(group)
        return no_such_choice(group, wrong, list(options), by_group())
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
        root = cause.parent_node._get_root()
        value = message[-1].partition(f"use +{cause.full_key}=")[2]
        if isinstance(root, DictConfig):
            return no_such_setting(str(cause.full_key), value, known_settings(root))
    twice = _CHOSEN_TWICE.search(text)
    if not twice:
        return text
    group = twice[1] or twice[2]
    return (
        f"{group} is chosen already: type {group}=... without a +; in a file write `override /{group}: ...`"
    )


def known_settings(config: DictConfig) -> list[str]:
    """List the full names of all settings that users set, and the groups of choices."""
    names = flatten(_container(config, resolve=False))
    of_any_network = [f"model.{name}" for name in OF_THE_SUITE] if "model" in config else []
    shown = dict.fromkeys([*(name for name in names if "._" not in f".{name}"), *of_any_network])
    return [*shown, *GROUPS]


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the settings as resolved dictionaries and lists.

    Left out are Hydra's part, the record of a tuning, and the published numbers, which are the study's.
    """
    try:
        return _container(config, resolve=True)
    except MissingMandatoryValue as error:
        written = flatten(_container(config, resolve=False))
        missing = sorted(name for name, value in written.items() if value == "???") or [str(error.full_key)]
        have = "has" if len(missing) == 1 else "have"
        raise ValueError(f"{', '.join(missing)} {have} no default and must be set, got no value") from error


def settings(config: DictConfig) -> dict[str, Any]:
    """Return the settings of a run by dotted names.

    A setting that is made from the seed stands as it was written, such as `${relabelled_classes:${seed},10}`.
    Runs that differ in it by their seed alone are of one method.
    """
    written = flatten(_container(config, resolve=False))
    by_seed = {key: value for key, value in written.items() if isinstance(value, str) and "${seed}" in value}
    found = flatten(plain(config)) | by_seed
    return {key: value for key, value in found.items() if not set(key.split(".")) & set(SAID)}


def later(config: DictConfig) -> dict[str, Any]:
    """The settings that its choices say came later, by dotted names, each with its neutral value."""
    return flatten({key: value for key, value in neutral_values(plain(config)).items() if key not in LATER})


def _container(config: DictConfig, *, resolve: bool) -> dict[str, Any]:
    open_config = OmegaConf.masked_copy(
        config, [str(key) for key in config if key not in ("hydra", TUNING, "expected")]
    )
    with looking_in(folders_of(config)):
        container = OmegaConf.to_container(open_config, resolve=resolve, throw_on_missing=resolve)
        assert isinstance(container, dict)
        settings = {str(key): value for key, value in container.items()}
        if isinstance(settings.get("model"), dict):
            settings["model"] = without_those_of_others(settings["model"])
    return settings


def one_seed_each(config: DictConfig) -> list[DictConfig]:
    """Return the configuration of each run: of every seed in `seeds`, or of the one `seed`."""
    if config.seeds is None:
        return [config]
    check_seeds(config.seeds)
    each = []
    for seed in config.seeds:
        one = deepcopy(config)
        with open_dict(one):
            one.seed, one.seeds = seed, None
        each.append(one)
    return each


def config_hash(config: DictConfig) -> str:
    """Hash all settings that change what a run computes: eight hexadecimal digits."""
    text = json.dumps(identifying(plain(config)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run_name(config: DictConfig) -> str:
    """Name a run's folder: <benchmark>-<strategy>-s<seed>-<hash>; of several `seeds`, the first one's."""
    config = one_seed_each(config)[0]
    return f"{config.benchmark.name}-{config.strategy.name}-s{config.seed}-{config_hash(config)}"


def run_folder(config: DictConfig) -> Path:
    return Path(config.results_dir) / str(config.study) / run_name(config)
