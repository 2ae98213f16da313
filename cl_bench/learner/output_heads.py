"""The output heads that the current task leaves alone, and the classes that a single head has."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from cl_bench.models import Heads
from cl_bench.posteriors.distillation import known_classes

WITHOUT_HEADS = (
    "the benchmark tells the task of each example, and the network has no heads that would use that: "
    "these are no task-incremental results. Take a network of cl_bench.models for them"
)


def rows_of_others(heads: Heads | None, tasks: Collection[int]) -> list[tuple[nn.Parameter, slice]]:
    """The rows of output parameters that belong to heads of other tasks; none of a network without heads."""
    if heads is None or heads.num_heads == 1:
        return []
    return [
        (parameter, heads.rows(other))
        for parameter in heads.linear.parameters()
        for other in range(heads.num_heads)
        if other not in tasks
    ]


def activate(heads: Heads, labels: Tensor, device: torch.device) -> None:
    """Let a single head have the classes among these labels [N], besides those that it has already."""
    new = known_classes(labels, heads.num_classes).to(device)  # labels of the host: nobody waits for a device
    heads.active = new if heads.active is None else heads.active | new
