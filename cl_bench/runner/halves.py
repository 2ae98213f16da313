"""Seeds whose memory is too small for all at once are trained again in two halves."""

import gc
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cl_bench.records.atomic import read_json
from cl_bench.runner.run_folder import SUMMARY, RunFolder

TOO_MANY = "out_of_memory_at_once_with_seeds"  # in run.json


def halves(folders: Sequence[RunFolder]) -> tuple[list[RunFolder], list[RunFolder]]:
    """Split the runs in two parts, the first as large as the second or larger by one.

    All say in run.json from now on with which seeds they were too many.
    """
    for folder in folders:
        folder.facts[TOO_MANY] = _seeds(folders)
    middle = (len(folders) + 1) // 2
    return list(folders[:middle]), list(folders[middle:])


def were_too_many(folders: Sequence[RunFolder]) -> bool:
    """Whether an unfinished run says that some or all of these were too many on the same card.

    A half of them may have a checkpoint then.
    """
    seeds, config = set(_seeds(folders)), folders[0].config
    told = [about for folder in folders if (about := _unfinished(folder)) is not None]
    told = [about for about in told if about.get(TOO_MANY) and seeds.issuperset(about[TOO_MANY])]
    if not (told and config.resume):
        return False
    from cl_bench.config.build import device_of  # here, for it imports torch
    from cl_bench.config.environment import hardware

    card = hardware(str(device_of(config.training.device))).get("gpu")
    return any((about.get("hardware") or {}).get("gpu") == card for about in told)


def release(error: BaseException) -> None:
    """Let go of the tensors of a failed attempt, which the frames of its error and causes still hold."""
    left: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while left:
        each = left.pop()
        if each is not None and each not in seen:  # an error may be the cause of its own cause
            seen.append(each)
            traceback.clear_frames(each.__traceback__)
            left += [each.__cause__, each.__context__]


def free_memory() -> None:
    """Give back memory that nobody holds any more. Avalanche's strategies are reference cycles."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _seeds(folders: Sequence[RunFolder]) -> list[int]:
    return [folder.config.seed for folder in folders]


def _unfinished(folder: RunFolder) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        about = read_json(folder.path / SUMMARY)
        if isinstance(about, dict) and about.get("status") != "finished":
            told = about.get(TOO_MANY)
            return about if isinstance(told, list) and all(type(each) is int for each in told) else None
    return None
