"""The settings of conf/training that every strategy takes, and the optimizer that they name."""

import torch
from torch import nn

from cl_bench.learner.forward import PRECISIONS
from cl_bench.learner.schedule import SCHEDULES
from cl_bench.validation import check_choice, check_count, check_positive

OPTIMIZERS = ("adam", "sgd")
OPTIMIZER_STATES = ("new", "kept")
ACTIVE_CLASSES = ("all", "seen")


def check_training(
    *,
    epochs: int,
    iterations: int | None,
    batch_size: int,
    test_batch_size: int,
    optimizer: str,
    optimizer_state: str,
    active_classes: str,
    learning_rate: float,
    schedule: str,
    precision: str,
) -> None:
    """See that each setting has one of its values.

    Raises:
        ValueError: for one that has not, by name.
    """
    check_count(epochs=epochs, batch_size=batch_size, test_batch_size=test_batch_size)
    if iterations is not None:
        check_count(iterations=iterations)
    check_positive(learning_rate=learning_rate)
    check_choice("optimizer", optimizer, OPTIMIZERS)
    check_choice("optimizer_state", optimizer_state, OPTIMIZER_STATES)
    check_choice("active_classes", active_classes, ACTIVE_CLASSES)
    check_choice("schedule", schedule, SCHEDULES)
    check_choice("precision", precision, PRECISIONS)


def optimizer_of(name: str, vector: nn.Parameter, *, learning_rate: float) -> torch.optim.Optimizer:
    """A new optimizer, `adam` or `sgd`, of one vector of parameters."""
    make = torch.optim.SGD if name == "sgd" else torch.optim.Adam
    fused = vector.device.type in ("cpu", "cuda")  # one pass over memory instead of ten
    return make([vector], lr=learning_rate, fused=fused)
