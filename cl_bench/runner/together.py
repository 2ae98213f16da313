"""Seeds that were trained at once, of which a kill at the very end let only some finish."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cl_bench.records.atomic import read_json
from cl_bench.runner.run_folder import CHECKPOINTS, SUMMARY, RunFolder

AT_ONCE = "trained_at_once_with_seeds"  # in run.json


def to_finish_together(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """Return the runs that are to finish with one of these; empty where there are none.

    Their last checkpoint has all that they need. Alone, one would have to be trained again, to last digits of
    its own.
    """
    by_seed = {folder.config.seed: folder for folder in folders}
    for folder in folders:
        seeds = _told(folder)
        if seeds and all(seed in by_seed for seed in seeds):
            group = [by_seed[seed] for seed in seeds]
            if any(each.finished() for each in group) and _is_trained(group):
                return group
    return []


def _told(folder: RunFolder) -> list[Any]:
    """Return the seeds that an unfinished run was trained at once with."""
    with suppress(OSError, ValueError):
        about = read_json(folder.path / SUMMARY)
        if isinstance(about, dict) and about.get("status") != "finished":
            seeds = about.get(AT_ONCE)
            return seeds if isinstance(seeds, list) and all(type(seed) is int for seed in seeds) else []
    return []


def _is_trained(group: Sequence[RunFolder]) -> bool:
    """Whether the last checkpoint of all runs is that of their last task."""
    path = group[0].path / CHECKPOINTS / "task"
    if not path.exists():
        return False
    from cl_bench.runner.checkpoint_file import CheckpointError, read  # here, for it imports torch

    with suppress(CheckpointError, OSError, KeyError, ValueError):
        content = read(path)
        about = read_json(group[0].path / SUMMARY)
        return (
            content["runs"] == [folder.path.name for folder in group]
            and content["after_task"] == about["num_tasks"]
        )
    return False
