"""The learning rate of each step of a task."""

import math

from torch.optim import Optimizer

SCHEDULES = ("constant", "cosine", "cosine_by_epoch", "cosine_epoch_end")


def factor(schedule: str, *, step: int, num_steps: int, steps_per_epoch: int, warm_up: float = 0) -> float:
    """What the learning rate is multiplied with at `step`, from 0.

    A `constant` schedule has 1. The others have (1 + cos(pi x)) / 2, where x grows over the task of
    `num_steps`:

        cosine             x = n / N          at step n = 0..N-1
        cosine_by_epoch    x = e / (E - 1)    in epoch e = 0..E-1: from 1 to 0 in the last epoch
        cosine_epoch_end   x = (e + 1) / E    lower from the first epoch on, and 0 in the last one

    The last epoch may be cut short, and counts as one. `cosine_epoch_end` is torch's CosineAnnealingLR with
    T_max = E where it is stepped before each epoch, as the authors of BayesBiNN do. A single epoch has 1 in
    both, where torch's would be 0 and nothing would move.

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
        epoch, last_epoch = step // steps_per_epoch, (num_steps - 1) // steps_per_epoch
        ahead = 1 if schedule == "cosine_epoch_end" and last_epoch else 0
        progress = (epoch + ahead) / (max(last_epoch, 1) + ahead)
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
