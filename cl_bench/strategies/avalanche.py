"""Any stock or third-party Avalanche strategy, by the path of its class."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import BaseSGDTemplate, SupervisedTemplate
from torch import Tensor, nn

from cl_bench.learner.devices import as_device
from cl_bench.learner.optimizers import optimizer_of
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.training_settings import TrainingSettings, takes_training_settings
from cl_bench.models import Network
from cl_bench.models.stacked import StackedNetwork
from cl_bench.validation import ONE_BY_ONE, check_unused


class WithTaskLabels(MultiTaskModule):
    """A network with several heads, as Avalanche calls one.

    It is called with a task label for each example, or without any (LwF does): then it gives the outputs of
    all heads trained so far, by task.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, task_labels: int | Tensor | None) -> Any:
        return self.forward_all_tasks(x) if task_labels is None else self.network(x, task_labels)

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        return self.network(x, task_label)


UNUSED = {
    "clip_norm": "Avalanche's loop does not clip gradients",
    "warm_up": "Avalanche has plugins for schedules",
    "patience": "Avalanche has a plugin for it, EarlyStoppingPlugin",
    "channels_last": "Avalanche's loop calls the network itself",
}


@takes_training_settings
def stock(
    *,
    path: str,
    settings: Mapping[str, Any],
    model: nn.Module,
    iterations: int | None,
    optimizer_state: str,
    active_classes: str,
    schedule: str,
    device: torch.device | str,
    compile: bool,
    precision: str,
    seeds: Seeds,
    plugins: Sequence[BasePlugin] = (),
    evaluator: EvaluationPlugin | None = None,
    **training: Any,
) -> SupervisedTemplate:
    """The Avalanche strategy at `path` (say avalanche.training.EWC) with its own loop, loaders and
    `settings`.

    It draws from the global generator, which the run seeds; its evaluation is isolated from its training by
    the experiment loop. The learning rate must be constant: Avalanche has plugins for schedules. Its
    optimizer is torch's, of the network's parameters, and label smoothing is that of torch's loss.

    Raises:
        ValueError: for a path that names no class, settings the class does not take, or what it cannot
            do: a schedule, another precision, compilation, `iterations`, optimizer_state=kept,
            active_classes=seen, clipping, a warm-up, early stopping, and with several heads momentum and
            weight decay.
    """
    if schedule != "constant":
        raise ValueError(f"schedule must be constant for a stock Avalanche strategy, got {schedule=}")
    if compile or precision not in ("float32", "tf32"):
        raise ValueError(
            "compile must be false and precision float32 or tf32 for a stock Avalanche strategy, got "
            f"{compile=}, {precision=}"
        )
    if iterations is not None or optimizer_state != "new" or active_classes != "all":
        raise ValueError(
            "for a stock Avalanche strategy iterations must be null, optimizer_state new, active_classes "
            f"all, got {iterations=}, {optimizer_state=}, {active_classes=}"
        )
    check_unused(training, UNUSED)
    trained = TrainingSettings(
        iterations=iterations,
        optimizer_state=optimizer_state,
        active_classes=active_classes,
        schedule=schedule,
        precision=precision,
        **training,
    )
    if isinstance(model, StackedNetwork):
        raise ValueError(
            f"a stock Avalanche strategy cannot train several seeds at once: {ONE_BY_ONE}, got {path=}"
        )
    cls = _load(path)
    if isinstance(model, Network) and model.heads.num_heads > 1:
        if trained.moves_by_itself:
            raise ValueError(
                "with several heads, which are one layer, the optimizer of a stock Avalanche strategy would "
                "move those of other tasks by momentum or weight decay: set training.optimizer to adam or "
                "sgd with neither, or benchmark.scenario to domain or class, got "
                f"optimizer={trained.optimizer!r}, momentum={trained.momentum}, "
                f"weight_decay={trained.weight_decay}"
            )
        model = WithTaskLabels(model)
    optimizer = optimizer_of(trained, list(model.parameters()))
    try:
        return cls(
            model=model,
            optimizer=optimizer,
            criterion=nn.CrossEntropyLoss(label_smoothing=trained.label_smoothing),
            train_mb_size=trained.batch_size,
            train_epochs=trained.epochs,
            eval_mb_size=trained.test_batch_size,
            device=as_device(device),
            plugins=list(plugins),
            evaluator=evaluator or EvaluationPlugin(),
            **settings,
        )
    except TypeError as error:
        raise ValueError(
            f"{path} does not take strategy.settings={dict(settings)}: {error}; give what it needs as "
            "+strategy.settings.NAME=VALUE"
        ) from error


def _load(path: str) -> type:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"strategy.path must name an Avalanche strategy class, got {path=}: {error}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseSGDTemplate)):
        raise ValueError(
            f"strategy.path must name an Avalanche strategy class, got {path=}, which is {found!r}"
        )
    return found
