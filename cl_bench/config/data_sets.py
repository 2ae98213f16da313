"""Data sets by name within a configuration: what a benchmark on one is called, and several as one."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from cl_bench.config.choices import by_group, choices, folders_given
from cl_bench.config.nearest import nearest_choices, no_such_choice
from cl_bench.config.places import conf_folder
from cl_bench.records.identity import CALLED_BY, without_said

GROUP = "benchmark/dataset"
CHOICE = "dataset"  # in an entry with settings: the choice that they change
# what one data set of several gets from all of them together, so that it is no setting of its own
SHARED = {"root": "${data.root}", "download": "${data.download}", "with_test": "${reads_test:}"}
MOST_LETTERS = 60  # of a data set's part of a benchmark's name, which is a part of the names of runs

ENDING = re.compile(r"\.(tar(\.\w+)?|tgz|npz|safetensors|csv|tsv|parquet)$", re.IGNORECASE)


def called(dataset: Mapping[str, Any]) -> str:
    """Return the name of a data set in the names of benchmarks.

    It is its `name`. A choice of many data sets, such as folders of images, has `_called_by_`: the setting
    that tells them apart. That is a path, of which the last part counts, a name, or a list of data sets.
    A `name` of one's own comes first.

    Raises:
        ValueError: for a data set without a name.
    """
    name = dataset.get("name")
    if name is None:
        raise ValueError("benchmark.dataset must have a name, got none; add +benchmark.dataset.name=...")
    by = dataset.get(CALLED_BY)
    own = str(dataset.get("_target_")).rpartition(".")[2] != name
    if by is None or own or (isinstance(dataset, DictConfig) and OmegaConf.is_missing(dataset, by)):
        return str(name)
    told = dataset.get(by)
    if isinstance(told, Sequence) and not isinstance(told, str):
        texts = [_called_of(each) for each in told]
    else:
        texts = [_last_part(str(told))]
    return "_".join(filter(None, texts))[:MOST_LETTERS].strip("._-") or str(name)


def _called_of(entry: Any) -> str:
    return entry if isinstance(entry, str) else called(settings_of(entry))


def _last_part(path: str) -> str:
    last = ENDING.sub("", path.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", last)).strip("._-")[:MOST_LETTERS]


def parts(entries: Sequence[Any], root: Any) -> list[dict[str, Any]]:
    """Return how each of several data sets is built: a function and its settings, all but those shared.

    Args:
        entries: names of choices of benchmark/dataset, or mappings: the choice under `dataset`, and settings
            that are changed.
        root: the whole configuration, which settings may refer to.

    Raises:
        ValueError: for fewer than two, for one that stands twice, and for what `settings_of` refuses.
    """
    found = [_part(settings_of(entry), root) for entry in entries]
    if len(found) < 2:
        raise ValueError(f"datasets must list at least two data sets, got {_shown(entries)}; add one")
    for index, each in enumerate(found):
        if each in found[:index]:
            raise ValueError(
                f"datasets must list each data set once, got {_shown([entries[index]])} twice: its images "
                "would be of two classes; take it out, or use benchmark=permuted"
            )
    return found


def _part(node: Mapping[str, Any], root: Any) -> dict[str, Any]:
    missing = [key for key, value in node.items() if value == "???"]
    if missing:
        name = node["name"]
        raise ValueError(
            f"{name} of datasets has no {missing[0]}: write {{{CHOICE}: {name}, {missing[0]}: ...}}"
        )
    if "datasets" in node:
        raise ValueError(f"datasets must list single data sets, got {node['name']}; list its data sets")
    own = {key: value for key, value in node.items() if key != "name" and SHARED.get(key) != value}
    resolved = OmegaConf.create(without_said(own))
    resolved._set_parent(root)
    settings = OmegaConf.to_container(resolved, resolve=True)
    assert isinstance(settings, dict)
    return {**{str(key): value for key, value in settings.items()}, "_partial_": True}


def settings_of(entry: Any) -> dict[str, Any]:
    """Return the settings of one data set, unresolved: those of its choice, and what is set in their place.

    Raises:
        ValueError: for a choice or a setting that there is not.
    """
    if not isinstance(entry, str | Mapping):
        raise ValueError(f"{_RULE}, got {entry!r}")
    given = {} if isinstance(entry, str) else {str(key): value for key, value in entry.items()}
    name = entry if isinstance(entry, str) else given.pop(CHOICE, None)
    if name is None or any(key.startswith("_") for key in given):
        raise ValueError(f"{_RULE}, got {_shown([entry])}")
    node = _chosen(str(name), folders_given())
    for key in given:
        if key not in node:
            own = ", ".join(each for each in node if not each.startswith("_") and each != "name")
            near = "".join(f"; did you mean {each}?" for each in nearest_choices(key, list(node))[:1])
            raise ValueError(f"{name} of datasets has no setting {key}, but {own}{near}")
    return {**node, **given}


_RULE = (
    "an entry of datasets must be the name of a choice of benchmark/dataset, or a mapping such as "
    "{dataset: image_folder, path: ...}"
)


def _chosen(name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    try:
        return dict(_loaded(name, folders))
    except HydraException as error:
        message = no_such_choice(GROUP, name, list(choices(GROUP)), by_group())
        raise ValueError(f"datasets: {message}") from error


@lru_cache(maxsize=64)
def _loaded(name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    path = create_config_search_path(str(conf_folder()))
    for folder in folders:
        path.prepend("command-line", f"file://{folder}", anchor=SearchPathQuery(provider="schema"))
    whole = ConfigLoaderImpl(path).load_configuration(f"{GROUP}/{name}", [], RunMode.RUN)
    node = OmegaConf.to_container(whole.benchmark.dataset, resolve=False)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def _shown(entries: Sequence[Any]) -> str:
    return ", ".join(str(dict(each) if isinstance(each, Mapping) else each) for each in entries) or "none"
