"""Which settings say where and how a run is done, and not what it computes."""

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
    "seed_for.probe",
    "benchmark.dataset.root",
    "benchmark.dataset.download",
    "benchmark.dataset.with_test",  # it follows from training.test_on
)

# Settings that came when there were runs already, each with the value at which a run is what it was without
# it: at that value it is no part of the hash, and a run that lacks it has that value.
LATER: dict[str, Any] = {"benchmark.classes_per_task": None}


@cache
def is_incidental(key: str) -> bool:
    """Whether the setting of this dotted key, or one that it belongs to, is incidental."""
    return any(key == name or key.startswith(f"{name}.") for name in INCIDENTAL)


def is_as_before(key: str, value: Any) -> bool:
    """Whether the setting of this dotted key came later and has the value of runs from before."""
    return key in LATER and bool(value == LATER[key])


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys; lists become their text."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
