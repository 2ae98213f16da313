"""Which settings say where and how a run is done, and not what it computes."""

from collections.abc import Mapping
from functools import cache
from typing import Any

# no part of a run's name, and never what sets two methods apart
INCIDENTAL = (
    "study",
    "seeds",
    "results_dir",
    "resume",
    "data",
    "loggers",
    "tracking",
    "hydra",
    "training.device",
    "training.threads",
    "training.deterministic",
    "training.compile",
    "training.stacked",
    "training.checkpoint_minutes",
    "training.probe_every",  # writes a file more; training and records are the same, bit for bit
    "training.probe_size",
    "training.save",
    "seed_for.probe",
    "training.also_test",  # a column more, of the same tests
    "training.test_all_at_end",  # more tests after the last task
    "training.ood",  # a file more
    "training.ood_size",
    "benchmark.dataset.root",
    "benchmark.dataset.download",
    "model.download",
    "model.first_weights",  # of a module that was given from Python: where a seed starts
    "benchmark.dataset.with_test",  # it follows from training.test_on
)

# In a choice of conf/ or in config.yaml: settings that came when there were runs already, each with its
# neutral value, at which a run is what it was without it. There a setting is no part of the hash, and a run
# that lacks it has that value. So a new setting renames no old run:
#   decay: 1.0
#   _later_: {decay: 1.0}
LATER_KEY = "_later_"
# In a choice of a data set: which of its settings a benchmark on it is called by. It computes nothing.
CALLED_BY = "_called_by_"
SAID = (LATER_KEY, CALLED_BY)  # what a choice says of its settings, and is none
# the same, of runs that were written before choices could say so
LATER: dict[str, Any] = {"benchmark.classes_per_task": None}


@cache
def is_incidental(key: str) -> bool:
    """Whether the setting of this dotted key, or one that it belongs to, is incidental."""
    return any(key == name or key.startswith(f"{name}.") for name in INCIDENTAL)


def neutral_values(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The neutral value of each setting that came later, by its dotted key, as nested settings declare it."""
    found = dict(LATER) if not prefix else {}
    declared = settings.get(LATER_KEY)
    if isinstance(declared, Mapping):
        found |= {f"{prefix}{name}": value for name, value in declared.items()}
    for key, value in settings.items():
        if isinstance(value, Mapping) and key != LATER_KEY:
            found |= neutral_values(value, f"{prefix}{key}.")
    return found


def identifying(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The nested settings that make a run's name: all but incidental ones and later ones that are neutral."""
    return _identifying(settings, neutral_values(settings), "")


def _identifying(settings: Mapping[str, Any], neutral: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        full = f"{prefix}{key}"
        if key in SAID or is_incidental(full) or (full in neutral and _equal(value, neutral[full])):
            continue
        if isinstance(value, list):  # its mappings declare for themselves, as plugins may
            found[key] = [_of_item(each, f"{full}.") for each in value]
        else:
            found[key] = _identifying(value, neutral, f"{full}.") if isinstance(value, Mapping) else value
    return found


def _of_item(item: Any, prefix: str) -> Any:
    return _identifying(item, neutral_values(item, prefix), prefix) if isinstance(item, Mapping) else item


def without_neutral(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the settings of a group that came later and are neutral."""
    declared = settings.get(LATER_KEY)
    neutral = declared if isinstance(declared, Mapping) else {}
    return {
        key: value
        for key, value in settings.items()
        if key != LATER_KEY and not (key in neutral and _equal(value, neutral[key]))
    }


def without_said(settings: Any) -> Any:
    """Settings, nested in mappings and lists, without what choices say of them."""
    if isinstance(settings, Mapping):
        return {key: without_said(value) for key, value in settings.items() if key not in SAID}
    return [without_said(each) for each in settings] if isinstance(settings, list) else settings


def _equal(value: Any, other: Any) -> bool:
    """Whether two settings are the same; 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_equal, value, other))
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(_equal(value[key], other[key]) for key in value)
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted keys; lists become their text."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
