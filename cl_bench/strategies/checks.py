"""Checks of settings: errors that name the rule, the setting and its value."""

from collections.abc import Sequence


def check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not (_is_number(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {name}={value!r}")


def check_not_negative(**settings: float) -> None:
    for name, value in settings.items():
        if not (_is_number(value) and value >= 0):
            raise ValueError(f"{name} must be a number and not negative, got {name}={value!r}")


def check_count(**settings: int) -> None:
    for name, value in settings.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, got {name}={value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {name}={value!r}")


def check_share(**settings: float) -> None:
    for name, value in settings.items():
        if not (_is_number(value) and 0 <= value < 1):
            raise ValueError(f"{name} must be at least 0 and below 1, got {name}={value!r}")
