"""Checks of settings: rule, name and value in one ValueError."""

import math
from collections.abc import Sequence


def check_num_tasks(num_tasks: int) -> int:
    if not isinstance(num_tasks, int) or isinstance(num_tasks, bool) or num_tasks < 1:
        raise ValueError(f"num_tasks must be a whole number, at least 1, got {num_tasks=}")
    return num_tasks


def check_number(setting: str, value: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{setting} must be a number, got {setting}={value!r}")


def check_choice(setting: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{setting} must be one of {', '.join(choices)}, got {setting}={value!r}")
