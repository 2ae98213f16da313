"""Which settings say where and how a run is done, and not what it computes."""

from functools import cache

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


@cache
def is_incidental(key: str) -> bool:
    """Whether the setting of this dotted key, or one that it belongs to, is incidental."""
    return any(key == name or key.startswith(f"{name}.") for name in INCIDENTAL)
