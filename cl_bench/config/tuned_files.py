"""Files of tuned settings: the values that they set, and what they tell of the search for these.

Under the key `tuning` a file tells four things. `search` is grid or random (by `cl-bench tune`), by hand,
published or none. `streams` maps each seed to its orders. `settings` are what else the values were found
with, by dotted key. `trials` and more stand where `cl-bench tune` wrote it. What a file does not tell is
read from its Defaults.
"""

import hashlib
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from cl_bench.records.identity import flatten, is_incidental

TUNING = "tuning"  # the key in a file and in a composed configuration
GROUPS = ("tuning", "tuned")  # what `cl-bench tune` wrote comes before our own
NOT_SEARCHED = "none"
_NO_PROTOCOL = [  # what a search sets in its own way, and what trains nothing
    "seed",
    "seeds",
    "seed_for",
    "benchmark.validation_share",
    "benchmark.class_order",
    "training.test_on",
    "training.test_last",
    "training.test_batch_size",
    "expected",
]


class TunedFile(NamedTuple):
    """One file of tuned settings; `name` is <group>/<benchmark>/<strategy>.yaml."""

    name: str
    sha256: str
    values: dict[str, Any]  # by dotted keys, those that are written out
    search: dict[str, Any]  # what it tells of the search; empty where it does not


class Found(NamedTuple):
    """How the settings of a pair of benchmark and strategy were found."""

    files: dict[str, str]  # name -> SHA-256; the first is the one that was chosen
    search: str
    seeds: list[int]
    settings: dict[str, Any]  # dotted key -> the value that was found, or that it was found with


def read_files(hydra: Any) -> list[TunedFile]:
    """Read the files of the groups that Hydra chose, each before those of its Defaults."""
    files: dict[str, TunedFile] = {}
    for group in GROUPS:
        left = [str(hydra.runtime.choices.get(group))]
        while left:
            name = f"{group}/{left.pop()}.yaml"
            text = _text(name, hydra)
            if text is not None and name not in files:
                content: Any = OmegaConf.to_container(OmegaConf.create(text.decode() or "{}"))
                defaults = content.pop("defaults", [])
                tuning = content.pop(TUNING, None)
                search = tuning if isinstance(tuning, dict) else {}
                files[name] = TunedFile(name, hashlib.sha256(text).hexdigest(), _written(content), search)
                left += [each for each in defaults if isinstance(each, str) and each != "_self_"]
    return list(files.values())


def found_by(read: list[TunedFile]) -> Found | None:
    """Return what the files tell together; None without files. The nearest that tells a search counts."""
    if not read:
        return None
    search = next((each.search for each in read if "search" in each.search), {})
    settings: dict[str, Any] = {}
    for each in reversed(read):
        settings |= each.values
    settings |= _written(search.get("settings") or {})
    seeds = [seed for each in read for seed in each.search.get("streams") or {}]
    return Found(
        files={each.name: each.sha256 for each in read},
        search=_in_words(search),
        seeds=sorted(set(seeds)),
        settings={key: value for key, value in settings.items() if not _says_nothing(key)},
    )


def _in_words(tuning: dict[str, Any]) -> str:
    search = str(tuning.get("search", "not told"))
    trials = tuning.get("trials")
    return f"{search}, {len(trials)} trials" if isinstance(trials, list) else search


def _written(content: dict[str, Any]) -> dict[str, Any]:
    """Return values by dotted keys, without what is made from other settings."""
    return {key: value for key, value in flatten(content).items() if "${" not in str(value)}


def _says_nothing(key: str) -> bool:
    if key.endswith("._target_") or is_incidental(key):
        return True
    return any(key == name or key.startswith(f"{name}.") for name in _NO_PROTOCOL)


def _text(name: str, hydra: Any) -> bytes | None:
    """Read the file of this name in the first place of Hydra's search path that has it."""
    for source in hydra.runtime.config_sources:
        if source.schema in ("file", "pkg"):
            place = files(source.path) if source.schema == "pkg" else Path(source.path)
            with suppress(OSError):
                return place.joinpath(name).read_bytes()
    return None
