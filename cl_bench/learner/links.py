"""Checks that what a learner trains is what its network computes with, whatever plugins and subclasses do."""

from typing import Any

from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from cl_bench.deferred import deferred
from cl_bench.models import Task
from cl_bench.validation import ONE_BY_ONE

with deferred():
    from avalanche.core import BasePlugin
    from avalanche.models.dynamic_modules import DynamicModule


class TaskFree(nn.Module):
    """A network without heads that is called as ours are: the task is ignored."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, task: Task = 0) -> Tensor:
        """The network's logits [B, K].

        Raises:
            ValueError: where the network gives something else.
        """
        logits = self.model(images)
        if isinstance(logits, Tensor) and logits.dim() == 2:
            return logits
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"a network must give one row of logits for each image, [B, K], got {found}")


def check_size(model: nn.Module) -> None:
    """Refuse a network whose parameters grow.

    Raises:
        TypeError: for Avalanche's dynamic modules.
    """
    if any(isinstance(module, DynamicModule) for module in model.modules()):
        raise TypeError(
            "the parameters of a cl_bench strategy are laid out once and cannot grow: use cl_bench.models "
            "with one head per task, or strategy=avalanche; "
            f"got {type(model).__name__} with Avalanche dynamic modules"
        )


def check_links(learner: Any) -> None:
    """See that vector, network, optimizer and schedulers belong together, and that each plugin has an effect.

    Raises:
        ValueError: that names what has changed, and what to do.
    """
    flat = learner.flat
    flat.follow(learner.network)  # a subclass may lay it out anew
    flat.check()
    names = flat.frozen_since()
    if names and not (learner.may_freeze_later and learner.optimized() is flat.values):
        raise ValueError(
            f"{type(learner).__name__} keeps numbers of every weight that it trains, so that none can be "
            f"frozen after it was built, got {', '.join(names)}: call requires_grad_(False) before that"
        )
    _check_optimizer(learner)
    _check_schedulers(learner)
    for plugin in learner.plugins:
        check_plugin(plugin, on_cpu=flat.values.device.type == "cpu")


def _check_optimizer(learner: Any) -> None:
    optimizer, vector, weights = learner.optimizer, learner.optimized(), learner.flat.values
    moved = {id(each) for group in optimizer.param_groups for each in group["params"]}
    whole, parts = id(vector) in moved, moved & set(map(id, learner.flat.parameters))
    if vector is not weights and not whole:
        raise ValueError(
            f"the optimizer of {type(learner).__name__} must be one of [self.optimized()], of which the "
            f"network's weights are made, got {type(optimizer).__name__} of other tensors: build it "
            "so in new_optimizer"
        )
    if bool(whole) == bool(parts):
        raise ValueError(
            "an optimizer must move either self.flat.values or parameters of self.model, got "
            f"{type(optimizer).__name__} of {'both' if whole else 'neither'}: build it in "
            "new_optimizer, which is called for each task"
        )


def _check_schedulers(learner: Any) -> None:
    for owner in (learner, *learner.plugins):
        for each in list(vars(owner).values()):
            if isinstance(each, LRScheduler) and each.optimizer is not learner.optimizer:
                raise ValueError(
                    f"the {type(each).__name__} of {type(owner).__name__} schedules an optimizer that is "
                    "no longer used, as each task has a new one: set training.schedule, set "
                    "training.optimizer_state=kept, or build the scheduler in _before_training_exp"
                )


def check_outputs(outputs: Any, labels: Tensor, *, in_test: bool = False) -> None:
    """See that a network has an output for each class of a task, and that a test gets log probabilities.

    Raises:
        ValueError: with the numbers; for probabilities, which are in [0, 1] and have sum 1.
    """
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= outputs.shape[1]:
        raise ValueError(
            f"a network must have an output for each class: labels of this task are {lowest} to {highest}, "
            f"which takes {highest + 1} outputs, got {outputs.shape[1]}: make its last layer that wide"
        )
    if in_test and bool((outputs >= 0).all()) and bool(((outputs.sum(dim=1) - 1).abs() < 1e-3).all()):
        raise ValueError(
            "predict() must return log probabilities, got probabilities: numbers in [0, 1] with sum 1; "
            "return their logarithms, or log_probabilities(logits) of cl_bench.posteriors.prediction"
        )


def take_weights(network: nn.Module, new: nn.Module) -> None:
    """Give a network the weights and buffers of another one of its own structure.

    Raises:
        ValueError: for another structure.
    """
    try:
        network.load_state_dict(new.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "the network of a cl_bench strategy can be replaced by one of its own structure alone, whose "
            f"weights it takes, got {type(new).__name__}: {' '.join(str(error).split())}"
        ) from error


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


def check_stackable(kind: type, plugins: Any, *, patience: int | None) -> None:
    """See that a class says for itself that it can train several seeds at once, and that no plugin is there.

    Raises:
        ValueError: for another class, for plugins, and for early stopping.
    """
    if not vars(kind).get("stackable", False):
        raise ValueError(
            f"{kind.__name__} does not say that it can train several seeds at once "
            f"(class attribute stackable): {ONE_BY_ONE}, got a StackedNetwork"
        )
    if plugins:  # the loss they add to is a sum over seeds
        raise ValueError(
            f"Avalanche's plugins know nothing of several seeds at once: {ONE_BY_ONE}, got "
            f"plugins={[type(plugin).__name__ for plugin in plugins]}"
        )
    if patience is not None:
        raise ValueError(
            "each seed stops early at a time of its own, which several at once cannot: "
            f"{ONE_BY_ONE}, got {patience=}"
        )
