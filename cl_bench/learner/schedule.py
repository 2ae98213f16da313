"""The learning rate of each step of a task."""

import math

SCHEDULES = ("constant", "cosine", "cosine_by_epoch")


def factor(schedule: str, *, step: int, num_steps: int, steps_per_epoch: int) -> float:
    """What the learning rate is multiplied with at `step`, from 0: 1, or (1 + cos(pi x)) / 2, where x grows
    from 0 to 1 over the task of `num_steps`, step by step (`cosine`) or in the last epoch, which may be cut
    short (`cosine_by_epoch`).
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        progress = step / num_steps
    else:
        last_epoch = (num_steps - 1) // steps_per_epoch
        progress = step // steps_per_epoch / max(last_epoch, 1)
    return (1 + math.cos(math.pi * progress)) / 2
