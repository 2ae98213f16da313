"""What all strategies share: resident batches, flat parameters, named generators, one head a task."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.models.dynamic_modules import DynamicModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn

from cl_bench.models import Network
from cl_bench.strategies.experiences import resident_task
from cl_bench.training.batches import ResidentBatches, batches_of
from cl_bench.training.flat import FlatParameters
from cl_bench.training.generators import Seeds

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine", "cosine_by_epoch")


class TaskFree(nn.Module):
    """A network without heads, called as ours are: the task is ignored."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, task: int | Tensor = 0) -> Tensor:
        return self.model(images)


class Learner(SupervisedTemplate):
    """Base of the suite's strategies: an Avalanche `SupervisedTemplate` whose weights are one flat vector.

    A subclass changes what it needs: `differentiate` (gradients of one batch), `optimizer_step`, `predict`
    (log probabilities), Avalanche's hooks around tasks, and `state_tensors` for what it keeps between tasks.

    Args:
        model: `cl_bench.models.Network`, or any network whose parameters do not grow.
        epochs: passes over each task's training data.
        batch_size, test_batch_size: in examples; the second changes nothing in training.
        optimizer: `adam` or `sgd`, made anew for each task.
        learning_rate: step size at the start of each task.
        schedule: `constant`; `cosine` (to 0, step by step); `cosine_by_epoch` (to 0 in the last epoch).
        device: where weights and data live.
        seeds: of the generators for batches, noise and testing.
        plugins, evaluator: Avalanche's own, for whoever wants them.

    Raises:
        ValueError: for a setting out of range, by name.
        TypeError: for a model whose parameters grow (Avalanche's dynamic modules).
    """

    loss: Tensor

    def __init__(
        self,
        *,
        model: nn.Module,
        epochs: int,
        batch_size: int,
        test_batch_size: int,
        optimizer: str,
        learning_rate: float,
        schedule: str,
        device: torch.device | str,
        seeds: Seeds,
        plugins: Sequence[BasePlugin] = (),
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        check_count(epochs=epochs, batch_size=batch_size, test_batch_size=test_batch_size)
        check_positive(learning_rate=learning_rate)
        check_choice("optimizer", optimizer, OPTIMIZERS)
        check_choice("schedule", schedule, SCHEDULES)
        if any(isinstance(module, DynamicModule) for module in model.modules()):
            raise TypeError(
                "the parameters of a cl_bench strategy are laid out once and cannot grow: use "
                "cl_bench.models with one head a task, or strategy=avalanche; "
                f"got {type(model).__name__} with Avalanche dynamic modules"
            )
        self.network = (model if isinstance(model, Network) else TaskFree(model)).to(device)
        self.flat = self.lay_out(self.network)
        self.schedule, self.learning_rate, self.optimizer_name = schedule, learning_rate, optimizer
        super().__init__(
            model=self.network,
            optimizer=self.new_optimizer(),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=batch_size,
            train_epochs=epochs,
            eval_mb_size=test_batch_size,
            device=device,
            plugins=list(plugins),
            evaluator=evaluator,
        )
        self.batch_order = seeds.generator("batches")
        self.noise = seeds.generator("noise", self.device)
        self.test_noise = seeds.generator("test", self.device)

    # What subclasses change

    def lay_out(self, network: nn.Module) -> FlatParameters:
        """The parameters as one vector; a subclass may replace layers of `network` first."""
        return FlatParameters(network.parameters())

    def optimized(self) -> nn.Parameter:
        """The vector that the optimizer moves, with its gradient in `.grad`."""
        return self.flat.values

    def differentiate(self, **kwargs: Any) -> None:
        """Forward and backward pass of the batch: gradients of its mean loss into `flat.gradients`."""
        self._before_forward(**kwargs)
        self.mb_output = self.forward()
        self._after_forward(**kwargs)
        self.loss = self.loss + self.criterion()
        self._before_backward(**kwargs)
        self.backward()
        self._after_backward(**kwargs)

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        """Log probabilities [B, K]; sampling methods average probabilities over weight samples."""
        return self.network(images, task).log_softmax(dim=-1)

    def state_tensors(self) -> dict[str, Tensor]:
        """What the strategy keeps between tasks besides the network, by name."""
        return {}

    # How Avalanche calls it

    def forward(self) -> Tensor:
        if self.is_training:
            return self.network(self.mb_x, self.head)
        return self.predict(self.mb_x, self.head)

    @property
    def head(self) -> int | Tensor:
        """The current batch's head: an int, or one for each example."""
        return self.mbatch[-1]

    def training_epoch(self, **kwargs: Any) -> None:
        for self.mbatch in self.dataloader:  # noqa: B020 (Avalanche's own idiom)
            if self._stop_training:
                break
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            self.flat.zero_gradients()
            self.loss = self._make_empty_loss()
            self.differentiate(**kwargs)
            self._before_update(**kwargs)
            self.set_step_size()
            self.optimizer_step()
            self.steps_taken += 1
            self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)

    def _unpack_minibatch(self) -> None:
        *tensors, task = self.mbatch
        if isinstance(task, Tensor):
            # labels of Avalanche's own loaders are tensors, nearly always of one task: an int is faster
            task = int(task[0]) if bool((task == task[0]).all()) else task.to(self.device)
        self.mbatch = [tensor.to(self.device, non_blocking=True) for tensor in tensors] + [task]

    def make_train_dataloader(self, **kwargs: Any) -> None:
        data = getattr(self.experience, "task_data", None)
        if data is None:
            # somebody else's benchmark: its own loader, so that its augmentation stays random; it draws from
            # the global generator, as all of Avalanche does
            super().make_train_dataloader(**kwargs)
            self.num_examples = len(self.adapted_dataset)
        else:
            self.dataloader = self.train_batches(data)
            self.num_examples = self.dataloader.num_examples

    def train_batches(self, data: Any) -> ResidentBatches:
        """Shuffled batches of the current task."""
        return batches_of(
            [data], batch_size=self.train_mb_size, device=self.device, generator=self.batch_order
        )

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        self.dataloader = self.in_order(self.experience, batch_size=self.eval_mb_size)

    def in_order(self, experience: Any, *, batch_size: int) -> ResidentBatches:
        """All examples of an experience in batches, in order, with its evaluation transforms."""
        return batches_of([resident_task(experience)], batch_size=batch_size, device=self.device)

    def model_adaptation(self, model: nn.Module | None = None) -> nn.Module:
        return self.network if model is None else model

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        """A new optimizer for each task. (Avalanche's own would drop its state and ours at the first one.)"""
        self.optimizer = self.new_optimizer()
        self.steps_taken = 0

    def new_optimizer(self) -> torch.optim.Optimizer:
        parameters = [self.optimized()]
        if self.optimizer_name == "sgd":
            return torch.optim.SGD(parameters, lr=self.learning_rate)
        return torch.optim.Adam(parameters, lr=self.learning_rate)

    def step_size(self) -> float:
        """The learning rate of the current step, by the schedule."""
        if self.schedule == "constant":
            return self.learning_rate
        per_epoch = len(self.dataloader)
        if self.schedule == "cosine":
            progress = self.steps_taken / (self.train_epochs * per_epoch)
        else:
            progress = self.steps_taken // per_epoch / max(self.train_epochs - 1, 1)
        return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2

    def set_step_size(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.step_size()

    def other_heads(self, task: int) -> list[tuple[nn.Parameter, slice]]:
        """The rows of output parameters that belong to heads of other tasks."""
        if not isinstance(self.network, Network) or self.network.heads.num_heads == 1:
            return []
        heads = self.network.heads
        return [
            (parameter, heads.rows(other))
            for parameter in heads.linear.parameters()
            for other in range(heads.num_heads)
            if other != task
        ]


class Finetune(Learner):
    """Training on each task in turn with nothing against forgetting: the lower reference."""


def check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not (_is_number(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {name}={value!r}")


def check_not_negative(**settings: float) -> None:
    for name, value in settings.items():
        if not (_is_number(value) and value >= 0):
            raise ValueError(f"{name} must be a number and not negative, got {name}={value!r}")


def check_count(**settings: int) -> None:
    for name, value in settings.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, got {name}={value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {name}={value!r}")
