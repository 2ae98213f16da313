"""The YAML that a search leaves: tuned settings that a run can take up, and the whole search with them."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cl_bench.config.environment import versions
from cl_bench.config.tuned_files import TUNING
from cl_bench.records.atomic import make_folder, write_whole
from cl_bench.tuning.search import Score
from cl_bench.tuning.space import Trial

SCORE = "mean over seeds of the average accuracy on validation images after the last task, a fraction"
DIGITS = 8  # of an accuracy, as a fraction


def write_tuned(
    path: Path, *, trials: Sequence[Trial], scores: Sequence[Score], chosen: int, about: dict[str, Any]
) -> None:
    """Write the settings of trial `chosen` as a file of the group `tuning`.

    Under the key `tuning`, which is no setting, stand every trial with its scores and whatever else `about`
    tells.
    """
    score = scores[chosen]
    summary = f"{score.accuracy:.1%} average accuracy on validation images of {len(score.by_seed)} tuning "
    summary += f"streams, the best of {len(trials)} trials: {about['command']}"
    search = {
        **about,
        "score": SCORE,
        "test_data": "not read",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "chosen": chosen,
        "trials": "",  # their lines follow, as the last key
    }
    content = {**nested(trials[chosen]), TUNING: search}
    comment = textwrap.fill(summary, width=120, initial_indent="# ", subsequent_indent="# ")
    text = yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True).removesuffix(" ''\n")
    lines = [f"\n  - {_line(trial, score)}" for trial, score in zip(trials, scores, strict=True)]
    make_folder(path.parent)
    write_whole(path, f"# @package _global_\n{comment}\n{text}{''.join(lines)}\n")


def nested(trial: Trial) -> dict[str, Any]:
    """Turn settings with dotted keys into nested mappings."""
    settings: dict[str, Any] = {}
    for setting in trial:
        *parents, last = setting.key.lstrip("+").split(".")
        inner = settings
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = setting.value
    return settings


def settings_of(trial: Trial) -> dict[str, Any]:
    return {setting.key.lstrip("+"): setting.value for setting in trial}


def _line(trial: Trial, score: Score) -> str:
    """A trial in one line, so that a file of many trials stays short."""
    told: dict[str, Any] = {"settings": settings_of(trial), "accuracy": _rounded(score.accuracy)}
    told |= {"by_seed": _each(score.by_seed)}
    told |= {"short": _each(score.short)} if score.short is not None else {}
    told |= {"error": score.error} if score.error else {}
    text = yaml.safe_dump(told, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True)
    return text.rstrip("\n")


def _each(by_seed: Mapping[int, float | None]) -> dict[int, float | None]:
    return {seed: _rounded(accuracy) for seed, accuracy in by_seed.items()}


def _rounded(accuracy: float | None) -> float | None:
    return None if accuracy is None else round(accuracy, DIGITS)
