"""Rules of settings: each error names the rule, the setting and its value. Nothing slow is imported here."""

import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

MOST_THREADS = 1024  # torch is killed by the system for some number above it
MOST_TASKS = 5_000  # of a stream; the analysis reads no more: its matrix has their square
LARGEST_SEED = 2**63 - 1  # records hold seeds as 64-bit integers
OPTIMIZERS = {"adam": "torch.optim.Adam", "adamw": "torch.optim.AdamW", "sgd": "torch.optim.SGD"}
ANYBODYS_OPTIMIZER = ("adam", "sgd")  # what a strategy without an optimizer is given, too, beside others
# what to do where seeds cannot be trained at once
ONE_BY_ONE = "set training.stacked=false, or from Python take a stream for each seed"
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
DEVICE = re.compile(r"auto|cpu|(cuda|gpu)(:(0|[1-9]\d{0,2}))?")


def check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not (is_number(value) and 0 < value < math.inf):
            raise ValueError(f"{name} must be a positive number, got {name}={value!r}")


def check_limit(**settings: float) -> None:
    """Check numbers that may be infinite: then they limit nothing."""
    for name, value in settings.items():
        if not (is_number(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, or .inf for no limit, got {name}={value!r}")


def check_not_negative(**settings: float) -> None:
    for name, value in settings.items():
        if not (is_number(value) and 0 <= value < math.inf):
            raise ValueError(f"{name} must be a number and not negative, got {name}={value!r}")


def check_share(**settings: float) -> None:
    for name, value in settings.items():
        if not (is_number(value) and 0 <= value < 1):
            raise ValueError(f"{name} must be at least 0 and below 1, got {name}={value!r}")


def check_number(name: str, value: float) -> None:
    if not is_number(value) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number, got {name}={value!r}")


def check_count(**settings: int) -> None:
    for name, value in settings.items():
        if not is_whole(value) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, got {name}={value!r}")


def check_num_tasks(num_tasks: int) -> int:
    check_count(num_tasks=num_tasks)
    if num_tasks > MOST_TASKS:
        raise ValueError(f"num_tasks must be at most {MOST_TASKS:,}, got {num_tasks=}")
    return num_tasks


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {name}={value!r}")


def check_optimizer(optimizer: str) -> None:
    """Check the name of an optimizer, or the path of its class. Whether that exists is seen elsewhere."""
    if not isinstance(optimizer, str) or not (optimizer in OPTIMIZERS or DOTTED.fullmatch(optimizer)):
        near = get_close_matches(str(optimizer).lower(), OPTIMIZERS, n=1)
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or the path of a class such as "
            f"torch.optim.RMSprop, got optimizer={optimizer!r}"
            + (f"; did you mean {near[0]}?" if near else "")
        )


def check_warm_up(warm_up: float) -> None:
    """Check a number of steps: a whole number, or a share of a task's steps below 1."""
    if not is_number(warm_up) or warm_up < 0 or (warm_up >= 1 and warm_up % 1):
        raise ValueError(
            "warm_up must be a whole number of steps, or below 1 a share of each task's steps, got "
            f"warm_up={warm_up!r}"
        )


def check_unused(settings: Mapping[str, Any], unused: Mapping[str, str]) -> None:
    """Check that settings which a strategy does not use are as if they were not there: 0, null or empty.

    `unused` has the reason for each.
    """
    for name, reason in unused.items():
        value = settings.get(name)
        if value and not (name == "optimizer" and value in ANYBODYS_OPTIMIZER):
            raise ValueError(f"training.{name} is not used by this strategy: {reason}, got {name}={value!r}")


def check_threads(threads: int) -> None:
    check_count(threads=threads)
    if threads > MOST_THREADS:
        raise ValueError(f"threads must be at most {MOST_THREADS}, got threads={threads}")


def check_device(device: str, *, setting: str = "training.device") -> None:
    """Check the name of a device. Whether this machine has it, only torch knows."""
    if isinstance(device, str) and DEVICE.fullmatch(device):
        return
    rule = f"{setting} must be auto, cpu, cuda or gpu (cuda:1, ...), got {device!r}"
    word = str(device).lower().strip()
    if word.partition(":")[0] == "mps":
        rule += f": Apple's GPUs have no double precision, which tests need; use {setting}=cpu"
    elif DEVICE.fullmatch(word):
        rule += f"; did you mean {setting}={word}?"
    elif word.isdecimal():
        rule += f"; did you mean {setting}=cuda:{word}?"
    raise ValueError(rule)


def check_seed(name: str, value: int) -> None:
    if not is_whole(value) or value < 0:
        raise ValueError(f"a seed must be a whole number, at least 0, got {name}={value!r}")
    if value > LARGEST_SEED:
        raise ValueError(f"a seed must be below 2**63, as records hold it, got {name}={value}")


def check_seeds(seeds: Sequence[int]) -> None:
    """Check the seeds of a job that trains several at once."""
    if (
        not isinstance(seeds, Sequence)
        or isinstance(seeds, str)
        or not seeds
        or not all(map(is_whole, seeds))
    ):
        raise ValueError(f"seeds must be a list of different whole numbers, such as [0,1,2], got {seeds=}")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be a list of different whole numbers, got {seeds=}")
    for seed in seeds:
        check_seed("seeds", seed)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
