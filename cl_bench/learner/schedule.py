"""The learning rate of each step of a task."""

import math

from torch.optim import Optimizer

SCHEDULES = ("constant", "cosine", "cosine_by_epoch")


def factor(schedule: str, *, step: int, num_steps: int, steps_per_epoch: int, warm_up: float = 0) -> float:
    """What the learning rate is multiplied with at `step`, from 0.

    A `constant` schedule has 1. The others have (1 + cos(pi x)) / 2, where x grows from 0 to 1 over the task
    of `num_steps`. It grows step by step (`cosine`), or epoch by epoch, to 1 in the last epoch, which may be
    cut short (`cosine_by_epoch`).

    With a warm-up of W steps that is multiplied with min(1, (step + 1) / W). A `warm_up` below 1 is a share
    of the steps: W = warm_up * num_steps, rounded up.
    """
    share = math.ceil(warm_up * num_steps - 1e-9)  # 0.7 * 10 is a bit more than 7
    width = warm_up if warm_up >= 1 else share
    rising = min(1.0, (step + 1) / width) if width else 1.0
    return rising * _falling(schedule, step=step, num_steps=num_steps, steps_per_epoch=steps_per_epoch)


def _falling(schedule: str, *, step: int, num_steps: int, steps_per_epoch: int) -> float:
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        progress = step / num_steps
    else:
        last_epoch = (num_steps - 1) // steps_per_epoch
        progress = step // steps_per_epoch / max(last_epoch, 1)
    return (1 + math.cos(math.pi * progress)) / 2


def set_rate(optimizer: Optimizer, rate: float, *, first: float, schedule: str) -> None:
    """Set the learning rate of an optimizer's next step, where the schedule has changed it.

    A group of parameters that began with another rate keeps its ratio to `first`. A constant schedule changes
    nothing, and so leaves the rate to others.

    Args:
        rate: of the step.
        first: at the start of the task.

    Raises:
        ValueError: where something else has changed it, too.
    """
    for group in optimizer.param_groups:
        start, before = group.setdefault("initial_lr", group["lr"]), group.get("size", first)
        if rate == before:
            continue
        if group["lr"] != _of_group(start, before, first):
            raise ValueError(
                f"training.schedule={schedule} sets the learning rate of every step, as training.warm_up "
                f"does, and something else has set it to {group['lr']}: set training.schedule=constant and "
                "training.warm_up=0, or let it be"
            )
        group["size"], group["lr"] = rate, _of_group(start, rate, first)


def _of_group(start: float, rate: float, first: float) -> float:
    """The learning rate of a group that began with `start` where the optimizer began with `first`."""
    return rate if start == first else start * (rate / first)
