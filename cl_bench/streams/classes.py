"""Which classes each task of a split has."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cl_bench.validation import check_num_tasks


def class_groups(
    num_classes: int,
    *,
    num_tasks: int,
    classes_per_task: Sequence[int] | None,
    class_order: str | Sequence[int],
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """Return the classes of each task, int64; every class is in one. The generator draws a seeded order.

    Raises:
        ValueError: that names the setting, its value and the rule.
    """
    sizes = _sizes(num_classes, num_tasks=num_tasks, classes_per_task=classes_per_task)
    order = torch.tensor(_class_order(class_order, num_classes, generator))
    return order.tensor_split(num_tasks) if sizes is None else order.split(sizes)


def _sizes(num_classes: int, *, num_tasks: int, classes_per_task: Sequence[int] | None) -> list[int] | None:
    if check_num_tasks(num_tasks) > num_classes:
        raise ValueError(
            f"num_tasks must be at most {num_classes}, got {num_tasks=}: each task needs a class"
        )
    if classes_per_task is None:
        return None
    whole = isinstance(classes_per_task, list | tuple) and all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in classes_per_task
    )
    if not whole or sum(classes_per_task) != num_classes:
        total = f", {sum(classes_per_task)} in all" if whole else ""
        raise ValueError(
            "classes_per_task must be null or list whole numbers from 1 that add up to the "
            f"{num_classes} classes, got {classes_per_task=}{total}"
        )
    if len(classes_per_task) != num_tasks:
        raise ValueError(
            f"num_tasks must be the {len(classes_per_task)} tasks that classes_per_task lists, got "
            f"{num_tasks=} and classes_per_task={list(classes_per_task)}; leave num_tasks out"
        )
    return list(classes_per_task)


def _class_order(class_order: str | Sequence[int], num_classes: int, generator: torch.Generator) -> list[int]:
    if class_order == "fixed":
        return list(range(num_classes))
    if class_order == "seeded":
        return torch.randperm(num_classes, generator=generator).tolist()
    if not isinstance(class_order, list | tuple) or sorted(class_order, key=str) != sorted(
        range(num_classes), key=str
    ):
        raise ValueError(
            f"class_order must be fixed, seeded or a list of all classes 0 to {num_classes - 1}, "
            f"got {class_order=}"
        )
    return list(class_order)
