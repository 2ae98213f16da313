"""The learning rate of each step of a task."""

import math

SCHEDULES = ("constant", "cosine", "cosine_by_epoch")


def factor(schedule: str, *, step: int, steps_per_epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied with at `step`, from 0: 1, or (1 + cos(pi x)) / 2, where x grows
    from 0 to 1 over the task, step by step (`cosine`) or in the last epoch (`cosine_by_epoch`).
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        progress = step / (epochs * steps_per_epoch)
    else:
        progress = step // steps_per_epoch / max(epochs - 1, 1)
    return (1 + math.cos(math.pi * progress)) / 2
