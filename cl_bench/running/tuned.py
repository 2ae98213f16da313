"""Where a run's settings were tuned, and what of its data it may read.

Tuned settings are YAML files of the groups `tuned` (ours, in conf/) and `tuning` (what `cl-bench tune`
wrote), found by benchmark and strategy. A file tells the search under the key `tuning`: one of the second
kind the whole of it, one of the first the seeds of its streams. That is no setting, so it is no part of a
run's hash; the values chosen are.
"""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict

TUNING = "tuning"  # the key in a composed configuration
GROUPS = ("tuned", "tuning")
NO_TUNING = "none: defaults"


def reads_test(config: DictConfig) -> bool:
    """Whether the run may read test images: not where it is scored on validation images."""
    return config.training.test_on != "validation"


def test_data(config: DictConfig) -> str:
    """What the run does with test images, in words."""
    return "read only to report" if reads_test(config) else "not read"


def with_tuning(config: DictConfig, hydra: Any) -> DictConfig:
    """The configuration without Hydra's part; under `tuning` the choices of benchmark and strategy, the files
    that tuned settings for them came from, also by their Defaults, and what these tell of the search; and
    what was given to compose it.
    """
    found: dict[str, str] = {}
    for group in GROUPS:
        left = [str(hydra.runtime.choices.get(group))]
        while left:
            name = f"{group}/{left.pop()}.yaml"
            content = _content(name, hydra)
            if content is not None and name not in found:
                found[name] = hashlib.sha256(content).hexdigest()
                defaults = (yaml.safe_load(content) or {}).get("defaults", [])
                left += [each for each in defaults if isinstance(each, str) and each != "_self_"]
    with open_dict(config):
        search = config.get(TUNING)
        pair = f"{hydra.runtime.choices.benchmark}/{hydra.runtime.choices.strategy}"
        config[TUNING] = {"pair": pair, "files": found, "search": search, "given": _given(config, hydra)}
        config.pop("hydra", None)
    return config


def arguments(config: DictConfig) -> list[str] | None:
    """Of `cl-bench run`, for this configuration of one seed alone; None where Hydra did not compose it."""
    given = (config.get(TUNING) or {}).get("given")
    if given is None:
        return None
    overrides = [each for each in given.overrides if each.lstrip("+").split("=")[0] not in ("seed", "seeds")]
    alone = ["seeds=null"] if given.several else []
    return [*given.flags, *overrides, f"seed={config.seed}", *alone]


def _given(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """Flags and overrides of the command line, and whether the job has several `seeds`."""
    found_in = [each for each in hydra.overrides.hydra if each.startswith("hydra.searchpath=")]
    places = [each.path for each in hydra.runtime.config_sources if each.provider == "command-line"]
    return {
        "flags": [word for place in places for word in ("--config-dir", place)],
        "overrides": [*found_in, *hydra.overrides.task],
        "several": config.seeds is not None,
    }


def provenance(config: DictConfig) -> Any:
    """For run.json: name -> SHA-256 of each file that tuned settings came from, or that there was none."""
    found = OmegaConf.to_container(config[TUNING].files) if config.get(TUNING) else None
    return found or NO_TUNING


def check_not_tuned_on(order: Collection[str] | None, config: DictConfig) -> None:
    """Refuse to report on a stream that the run's settings were tuned on.

    Args:
        order: the names of the stream's permutations or class order; None where it does not tell.

    Raises:
        ValueError: with the tuning seed and what is shared.
    """
    search = (config.get(TUNING) or {}).get("search")
    if not search or not reads_test(config):
        return
    for seed, names in search.streams.items():
        shared = sorted(set(order or ()) & set(names or ()))
        if seed in (config.seed, config.seed_for.order) or shared:
            raise ValueError(
                f"a reported stream must not be one that its settings were tuned on, got seed={config.seed}, "
                f"which shares {shared[0] if shared else 'its seed'} with tuning seed {seed}: report other "
                f"seeds, or leave the tuned settings out with {TUNING}=none tuned=none"
            )


def _content(name: str, hydra: Any) -> bytes | None:
    """Of the file of this name in the first place of Hydra's search path that has it."""
    for source in hydra.runtime.config_sources:
        if source.schema in ("file", "pkg"):
            place = files(source.path) if source.schema == "pkg" else Path(source.path)
            with suppress(OSError):
                return place.joinpath(name).read_bytes()
    return None
