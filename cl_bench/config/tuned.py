"""The tuning of a run's settings: where it was done, whether the run keeps to it, and which data it may read.

Tuned settings are YAML files of the groups `tuned` (ours, in conf/) and `tuning` (what `cl-bench tune`
wrote), found by benchmark and strategy; see `tuned_files`. What a file tells of its search is no setting and
no part of a run's hash; the values chosen are.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from cl_bench.config.choices import folders_given, folders_told
from cl_bench.config.tuned_files import NOT_SEARCHED, TUNING, found_by, read_files

NO_TUNING = "none: defaults"
PUBLISHED = "published"
MOST_SHOWN = 3  # differences in a warning; run.json has them all
_NOT_THERE = object()


def reads_test(config: DictConfig) -> bool:
    """Whether the run may read test images: not where it is scored on validation images."""
    return config.training.test_on != "validation"


def test_data(config: DictConfig) -> str:
    """Say in words what the run does with test images."""
    return "read only to report" if reads_test(config) else "not read"


def with_tuning(config: DictConfig, hydra: Any) -> DictConfig:
    """Return the configuration without Hydra's part, and with all that is known of its tuning under `tuning`.

    That is: the choices of benchmark and strategy, the files of tuned settings and those of their Defaults,
    and what they tell of the search. What was given to compose the configuration is there, too.
    """
    tuned = found_by(read_files(hydra))
    with open_dict(config):
        search = config.get(TUNING)
        pair = f"{hydra.runtime.choices.benchmark}/{hydra.runtime.choices.strategy}"
        config[TUNING] = {
            "pair": pair,
            "found": tuned and tuned._asdict(),
            "search": search,
            "given": _given(config, hydra),
            "folders": list(map(str, folders_told(hydra))),
        }
        config.pop("hydra", None)
    return config


def folders_of(config: DictConfig) -> tuple[Path, ...]:
    """Return the folders of --config-dir that a configuration was composed with.

    One that does not say it, such as a stored one, has those of the command that is at work.
    """
    folders = (config.get(TUNING) or {}).get("folders")
    return folders_given() if folders is None else tuple(map(Path, folders))


def arguments(config: DictConfig) -> list[str] | None:
    """Return the words of `cl-bench run` for this one run; None where Hydra did not compose it."""
    given = (config.get(TUNING) or {}).get("given")
    if given is None:
        return None
    overrides = [each for each in given.overrides if each.lstrip("+").split("=")[0] not in ("seed", "seeds")]
    alone = ["seeds=null"] if given.several else []
    return [*given.flags, *overrides, f"seed={config.seed}", *alone]


def _given(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """Return flags and overrides of the command line, and whether the job has several `seeds`."""
    found_in = [each for each in hydra.overrides.hydra if each.startswith("hydra.searchpath=")]
    places = [each.path for each in hydra.runtime.config_sources if each.provider == "command-line"]
    return {
        "flags": [word for place in places for word in ("--config-dir", place)],
        "overrides": [*found_in, *hydra.overrides.task],
        "several": config.seeds is not None,
    }


def provenance(config: DictConfig) -> Any:
    """Map each file that tuned settings came from to its SHA-256, for run.json, or say there was none."""
    tuned = _found(config)
    return NO_TUNING if tuned is None else tuned["files"]


def tuned_by(config: DictConfig) -> dict[str, Any]:
    """Tell run.json how these settings were searched, on which seeds, and what this run sets otherwise.

    The result is empty where no settings were tuned.
    """
    tuned = _found(config)
    if tuned is None:
        return {}
    return {"search": tuned["search"], "seeds": tuned["seeds"], "differs": differences(config)}


def differences(config: DictConfig) -> list[str]:
    """List what is set otherwise than at the search: `training.epochs 1 (tuned at 10)`."""
    tuned = _found(config)
    if tuned is None or tuned["search"] == NOT_SEARCHED:
        return []
    how = PUBLISHED if tuned["search"].startswith(PUBLISHED) else "tuned"
    told = []
    for key, there in tuned["settings"].items():
        here = OmegaConf.select(config, key, default=_NOT_THERE)
        here = str(list(here)) if isinstance(here, ListConfig) else here
        if here is not _NOT_THERE and here != there:
            told.append(f"{key} {_shown(here)} ({how} at {_shown(there)})")
    return told


def warning(config: DictConfig) -> str:
    """Say that tuned settings are used otherwise than they were found; empty where they are not."""
    differs = differences(config)
    if not differs:
        return ""
    left = len(differs) - MOST_SHOWN
    shown = ", ".join(differs[:MOST_SHOWN]) + (f" and {left} more" if left > 0 else "")
    return (
        f"{config.strategy.name} uses settings of {next(iter(provenance(config)))}, which were tuned "
        f"under another protocol: {shown}; leave them out with {_left_out(config)}, or search anew with "
        "cl-bench tune"
    )


def _left_out(config: DictConfig) -> str:
    """Return the overrides that do without tuned settings; a group without a file is unknown to Hydra."""
    groups = dict.fromkeys(name.partition("/")[0] for name in provenance(config))
    return " ".join(f"{group}=none" for group in groups)


def _found(config: DictConfig) -> Any:
    """Return what `with_tuning` left, as plain values; None where there is nothing."""
    tuned = (config.get(TUNING) or {}).get("found")
    return None if tuned is None else OmegaConf.to_container(tuned)


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


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
    for seed, names in (search.get("streams") or {}).items():
        shared = sorted(set(order or ()) & set(names or ()))
        if seed in (config.seed, config.seed_for.order) or shared:
            raise ValueError(
                f"a reported stream must not be one that its settings were tuned on, got seed={config.seed}, "
                f"which shares {shared[0] if shared else 'its seed'} with tuning seed {seed}: report other "
                f"seeds, or leave the tuned settings out with {_left_out(config)}"
            )
