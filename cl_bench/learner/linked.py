"""How a learner's weights stay those of its network, whatever its plugins and subclasses do."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from cl_bench.deferred import deferred
from cl_bench.learner.adam import adam_step
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.learner.resumable import Resumable
from cl_bench.learner.schedule import factor
from cl_bench.models import Task

with deferred():
    from avalanche.core import BasePlugin


class TaskFree(nn.Module):
    """A network without heads, called as ours are: the task is ignored."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, task: Task = 0) -> Tensor:
        """Logits [B, K].

        Raises:
            ValueError: where the network gives something else.
        """
        logits = self.model(images)
        if isinstance(logits, Tensor) and logits.dim() == 2:
            return logits
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"a network must give one row of logits for each image, [B, K], got {found}")


class Linked(Resumable):
    """Base of `Learner`: its weights are one flat vector, of which the network's parameters are views.

    Attributes:
        may_freeze_later: whether parameters may be frozen (`requires_grad_(False)`) after it was built; not
            where a class keeps numbers of every weight.
    """

    flat: FlatParameters
    schedule: str
    learning_rate: float
    optimizer_name: str
    steps_taken: int
    iterations: int | None
    may_freeze_later = True

    def optimized(self) -> nn.Parameter:
        """The vector that the optimizer moves, with its gradient in `.grad`."""
        return self.flat.values

    @property
    def model(self) -> nn.Module:
        """The network as it was given. Another one that is set gives it its weights and buffers."""
        return self.network.get_submodule("model") if isinstance(self.network, TaskFree) else self.network

    @model.setter
    def model(self, new: nn.Module) -> None:
        if new in (self.network, self.model):
            return
        try:
            self.model.load_state_dict(new.state_dict())
        except RuntimeError as error:
            raise ValueError(
                "the network of a cl_bench strategy can be replaced by one of its own structure alone, whose "
                f"weights it takes, got {type(new).__name__}: {' '.join(str(error).split())}"
            ) from error

    @property
    def num_steps(self) -> int:
        """Of the current task."""
        return self.train_epochs * len(self.dataloader) if self.iterations is None else self.iterations

    def new_optimizer(self) -> torch.optim.Optimizer:
        parameters = [self.optimized()]
        make = torch.optim.SGD if self.optimizer_name == "sgd" else torch.optim.Adam
        fused = parameters[0].device.type in ("cpu", "cuda")  # one pass over memory instead of ten
        return make(parameters, lr=self.learning_rate, fused=fused)

    def step_size(self) -> float:
        """The learning rate of the current step, by the schedule."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * factor(
            self.schedule,
            step=self.steps_taken,
            num_steps=self.num_steps,
            steps_per_epoch=len(self.dataloader),
        )

    def set_step_size(self) -> None:
        """Set the optimizer's where the schedule changes it: a constant one leaves it to others.

        Raises:
            ValueError: where others change it, too.
        """
        size = self.step_size()
        for group in self.optimizer.param_groups:
            start, before = group.setdefault("initial_lr", group["lr"]), group.get("size", self.learning_rate)
            if size == before:
                continue
            if group["lr"] != self._rate(start, before):
                raise ValueError(
                    f"training.schedule={self.schedule} sets the learning rate of every step, and something "
                    f"else has set it to {group['lr']}: set training.schedule=constant, or let it be"
                )
            group["size"], group["lr"] = size, self._rate(start, size)

    def _rate(self, start: float, size: float) -> float:
        """The learning rate of a group of the optimizer that began with `start`."""
        return size if start == self.learning_rate else start * (size / self.learning_rate)

    def optimizer_step(self) -> None:
        self.flat.relink()
        adam_step(self.optimizer, self.optimized())

    def check_links(self) -> None:
        """See, before and after each epoch, that what is trained is what the network computes with.

        Raises:
            ValueError: that names what has changed, and what to do.
        """
        self.flat.follow(self.network)  # a subclass may lay it out anew
        self.flat.check()
        names = self.flat.frozen_since()
        if names and not (self.may_freeze_later and self.optimized() is self.flat.values):
            raise ValueError(
                f"{type(self).__name__} keeps numbers of every weight that it trains, so that none can be "
                f"frozen after it was built, got {', '.join(names)}: call requires_grad_(False) before that"
            )
        self._check_optimizer()
        self._check_schedulers()
        for plugin in self.plugins:
            check_plugin(plugin, on_cpu=self.flat.values.device.type == "cpu")

    def _check_optimizer(self) -> None:
        moved = {id(each) for group in self.optimizer.param_groups for each in group["params"]}
        vector = self.optimized()
        whole, parts = id(vector) in moved, moved & set(map(id, self.flat.parameters))
        if vector is not self.flat.values and not whole:
            raise ValueError(
                f"the optimizer of {type(self).__name__} must be one of [self.optimized()], of which the "
                f"network's weights are made, got {type(self.optimizer).__name__} of other tensors: build it "
                "so in new_optimizer"
            )
        if bool(whole) == bool(parts):
            raise ValueError(
                "an optimizer must move either self.flat.values or parameters of self.model, got "
                f"{type(self.optimizer).__name__} of {'both' if whole else 'neither'}: build it in "
                "new_optimizer, which is called for each task"
            )

    def _check_schedulers(self) -> None:
        for owner in (self, *self.plugins):
            for each in list(vars(owner).values()):
                if isinstance(each, LRScheduler) and each.optimizer is not self.optimizer:
                    raise ValueError(
                        f"the {type(each).__name__} of {type(owner).__name__} schedules an optimizer that is "
                        "no longer used, as each task has a new one: set training.schedule, set "
                        "training.optimizer_state=kept, or build the scheduler in _before_training_exp"
                    )


def check_outputs(outputs: Any, labels: Tensor) -> None:
    """See that a network has an output for each class of a task.

    Raises:
        ValueError: with the numbers.
    """
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= outputs.shape[1]:
        raise ValueError(
            f"a network must have an output for each class: labels of this task are {lowest} to {highest}, "
            f"which takes {highest + 1} outputs, got {outputs.shape[1]}: make its last layer that wide"
        )


# Avalanche's plugins that cannot do what they are for, and what to take instead
WITHOUT_TESTS = (
    "it stops by tests in the midst of training (eval_every), of which a cl_bench strategy has none: set "
    "training.epochs or training.iterations"
)
ALIASED = (
    "on a CPU it does nothing, as Avalanche 0.6.0 compares the weights with a view of themselves: take "
    "strategy=si"
)


def check_plugin(plugin: BasePlugin, *, on_cpu: bool) -> None:
    """Refuse a plugin of Avalanche's that would have no effect.

    Raises:
        ValueError: with the reason.
    """
    names = {kind.__name__ for kind in type(plugin).__mro__ if kind.__module__.startswith("avalanche.")}
    reasons = {"EarlyStoppingPlugin": WITHOUT_TESTS}
    if on_cpu:
        reasons["SynapticIntelligencePlugin"] = ALIASED
    for name in names & reasons.keys():
        raise ValueError(f"a cl_bench strategy cannot have the plugin {name}: {reasons[name]}")
