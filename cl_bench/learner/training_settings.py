"""The settings of conf/training that every strategy takes."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cl_bench.learner.forward import PRECISIONS
from cl_bench.learner.schedule import SCHEDULES
from cl_bench.validation import (
    ANYBODYS_OPTIMIZER,
    check_choice,
    check_count,
    check_not_negative,
    check_optimizer,
    check_positive,
    check_share,
    check_warm_up,
)

OPTIMIZER_STATES = ("new", "kept")
ACTIVE_CLASSES = ("all", "seen")
Made = TypeVar("Made", bound=Callable[..., Any])
OF_THE_OPTIMIZER = ("lr", "momentum", "weight_decay")  # which have settings of their own


class TrainingSettings:
    """How a strategy is trained. Defaults stand in conf/training; what came later is off unless it is given.

    Args:
        epochs: passes over each task's training data; with `patience`, the most.
        iterations: steps a task, the last pass cut short; they take the place of `epochs`. None: `epochs`.
        batch_size, test_batch_size: in examples; the second changes nothing in training.
        optimizer: `adam`, `adamw`, `sgd`, or the path of a class such as `torch.optim.RMSprop`.
        optimizer_state: `new` for each task, or `kept`: Adam's averages continue from task to task.
        active_classes: `all` outputs are trained and tested, or with one head only those of classes `seen` in
            this task and earlier ones (tests before the first task are of all).
        learning_rate: step size at the start of each task.
        schedule: `constant`; `cosine` (to 0, step by step); `cosine_by_epoch` (to 0 in the last epoch);
            `cosine_epoch_end` (torch's, stepped before each epoch). See learner/schedule.py.
        precision: of the network's arithmetic: `float32`, `tf32` or `bfloat16`; see learner/forward.py.
        momentum: of an optimizer that has one, such as `sgd`.
        weight_decay: the optimizer's own: `adam` and `sgd` add weight_decay * theta to the gradient, `adamw`
            shrinks theta itself by learning_rate * weight_decay. Heads of other tasks do not decay.
        optimizer_settings: what else the optimizer's class takes, such as betas and eps.
        clip_norm: the largest norm of the whole gradient, with penalties, of each seed. None: no limit.
        label_smoothing: epsilon: the loss of the batch is (1 - epsilon) times the cross-entropy of the label
            plus epsilon times its mean over the classes that are active.
        warm_up: steps in which the rate grows to the schedule's, in equal parts; below 1, a share of the
            task's steps.
        patience: stop a task after so many epochs without a lower validation loss, and go back to the best
            epoch; see learner/early_stopping.py. None: train to the end.
        channels_last: the layout of images in memory, with which many convolutions are faster, and other in
            their last digits.

    Raises:
        ValueError: for a setting out of range, by name.
    """

    def __init__(
        self,
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
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        optimizer_settings: Mapping[str, Any] | None = None,
        clip_norm: float | None = None,
        label_smoothing: float = 0.0,
        warm_up: float = 0,
        patience: int | None = None,
        channels_last: bool = False,
    ) -> None:
        check_count(epochs=epochs, batch_size=batch_size, test_batch_size=test_batch_size)
        if iterations is not None:
            check_count(iterations=iterations)
        check_positive(learning_rate=learning_rate)
        check_optimizer(optimizer)
        check_choice("optimizer_state", optimizer_state, OPTIMIZER_STATES)
        check_choice("active_classes", active_classes, ACTIVE_CLASSES)
        check_choice("schedule", schedule, SCHEDULES)
        check_choice("precision", precision, PRECISIONS)
        check_share(momentum=momentum, label_smoothing=label_smoothing)
        check_not_negative(weight_decay=weight_decay)
        for name in OF_THE_OPTIMIZER:
            if name in (optimizer_settings or {}):
                raise ValueError(
                    "optimizer_settings must not have lr, momentum or weight_decay, which are learning_rate, "
                    f"momentum and weight_decay of training, got optimizer_settings={optimizer_settings}"
                )
        if clip_norm is not None:
            check_positive(clip_norm=clip_norm)
        check_warm_up(warm_up)
        if patience is not None:
            check_count(patience=patience)
        self.epochs, self.iterations, self.patience = epochs, iterations, patience
        self.batch_size, self.test_batch_size = batch_size, test_batch_size
        self.optimizer, self.optimizer_settings = optimizer, dict(optimizer_settings or {})
        self.momentum, self.weight_decay = momentum, weight_decay
        self.optimizer_state, self.active_classes = optimizer_state, active_classes
        self.learning_rate, self.schedule, self.warm_up = learning_rate, schedule, warm_up
        self.channels_last = channels_last
        self.precision, self.clip_norm, self.label_smoothing = precision, clip_norm, label_smoothing

    @property
    def moves_by_itself(self) -> bool:
        """Whether the optimizer may move a weight that never had a gradient in the task.

        Adam's averages of an earlier task, where they are kept, do so too. There it is as in torch, for runs
        from before there were these settings are the same.
        """
        plain = self.optimizer in ANYBODYS_OPTIMIZER and not self.optimizer_settings
        return not plain or self.weight_decay > 0 or self.momentum > 0


def takes_training_settings(function: Made) -> Made:
    """Let a function with `**training` say in its signature what these are.

    Avalanche looks there for misspelt names.
    """
    own = inspect.signature(function)
    named = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    settings = inspect.signature(TrainingSettings).parameters
    more = [each for name, each in settings.items() if name not in own.parameters]
    function.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
    return function
