"""The YAML that a search leaves: tuned settings that a run can take up, and the whole search with them."""

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cl_bench.config.environment import versions
from cl_bench.config.tuned_files import TUNING
from cl_bench.records.atomic import write_whole
from cl_bench.tuning.search import Score
from cl_bench.tuning.space import Trial

SCORE = "mean over seeds of the average accuracy on validation images after the last task, a fraction"


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
        "trials": [_trial(*each) for each in zip(trials, scores, strict=True)],
    }
    content = {**nested(trials[chosen]), TUNING: search}
    comment = textwrap.fill(summary, width=120, initial_indent="# ", subsequent_indent="# ")
    text = yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"# @package _global_\n{comment}\n{text}")


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


def _trial(trial: Trial, score: Score) -> dict[str, Any]:
    told = {"settings": settings_of(trial), "accuracy": score.accuracy, "by_seed": score.by_seed}
    told |= {"short": score.short} if score.short is not None else {}
    return told | ({"error": score.error} if score.error else {})
