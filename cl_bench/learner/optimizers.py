"""The optimizer that training settings name, for one vector of all weights."""

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.learner.training_settings import TrainingSettings
from cl_bench.validation import OPTIMIZERS

FUSED = ("cpu", "cuda")  # one pass over memory instead of ten
SHAPES = ((2, 3), (4,))  # of the probe's parameters, which as one vector must do the same
NUM_STEPS = 3

Parameters = Sequence[nn.Parameter]


def optimizer_of(settings: TrainingSettings, parameters: Parameters, **more: Any) -> torch.optim.Optimizer:
    """A new optimizer of these parameters, as the settings have it.

    A momentum or weight decay of 0 is handed over, too: a class may have another default (AdamW has 0.01).

    Args:
        more: what else its class takes, such as another lr, unless the settings have it.

    Raises:
        ValueError: for a class that does not exist, or does not take the settings.
    """
    kind = _class_at(OPTIMIZERS.get(settings.optimizer, settings.optimizer))
    takes = inspect.signature(kind).parameters
    closure = inspect.signature(kind.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise _unfit(settings, "a step of it computes the loss again, several times (it needs a closure)")
    own = {"momentum": settings.momentum, "weight_decay": settings.weight_decay}
    for name, value in own.items():
        if value and name not in takes:
            raise ValueError(f"training.optimizer={settings.optimizer} has no {name}, got {name}={value}")
    given = {name: value for name, value in own.items() if name in takes} | {"lr": settings.learning_rate}
    try:
        return kind(parameters, **(given | more | settings.optimizer_settings))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"training.optimizer={settings.optimizer} cannot be built for one vector of all weights with "
            f"optimizer_settings={settings.optimizer_settings}: {error}"
        ) from error


def optimizer_of_vector(
    settings: TrainingSettings, vector: nn.Parameter, *, learning_rate: float
) -> torch.optim.Optimizer:
    """A new optimizer of one vector of parameters; fused where torch has a kernel for it.

    Raises:
        ValueError: as `optimizer_of`.
    """
    fused = settings.optimizer in OPTIMIZERS and vector.device.type in FUSED
    ways = {"fused", "foreach", "differentiable", "capturable"}
    chosen = ways & settings.optimizer_settings.keys()
    kernel = {"fused": True} if fused and not chosen else {}
    return optimizer_of(settings, [vector], lr=learning_rate, **kernel)


def check_elementwise(settings: TrainingSettings) -> None:
    """See that an optimizer does with all weights in one vector what it does with them in layers.

    It is tried on ten weights. Those that look at the shape or the norm of a layer do not (Muon, Adafactor,
    LAMB). Those that need the loss again, or other gradients, cannot take a step here (LBFGS, SparseAdam).

    Raises:
        ValueError: for one that does not.
    """
    if settings.optimizer in OPTIMIZERS:
        return
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    gradients = [[(number + 1) * 3**step * part.sin() for number, part in enumerate(parts)]
                 for step in range(NUM_STEPS)]  # fmt: skip
    before = torch.get_rng_state()
    together = _moved(settings, [_joined(parts)], [[_joined(each)] for each in gradients])
    if not torch.equal(before, torch.get_rng_state()):
        torch.set_rng_state(before)
        raise _unfit(settings, "it draws random numbers from torch's global generator")
    if not torch.allclose(together, _moved(settings, parts, gradients), rtol=1e-9, atol=0):
        raise _unfit(settings, "its steps depend on how the weights are divided into layers")


def _moved(settings: TrainingSettings, start: list[Tensor], gradients: list[list[Tensor]]) -> Tensor:
    """Take the steps of these gradients, and return the parts where they lead, all in one vector."""
    parameters = [nn.Parameter(part.clone()) for part in start]
    optimizer = optimizer_of(settings, parameters)
    try:
        for step in gradients:
            for parameter, gradient in zip(parameters, step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
    except (TypeError, ValueError, RuntimeError) as error:
        raise _unfit(settings, str(error)) from error
    return _joined([parameter.detach() for parameter in parameters])


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])


def _unfit(settings: TrainingSettings, reason: str) -> ValueError:
    return ValueError(
        "training.optimizer must move each weight by its own gradients alone, in one step a batch, as all "
        f"weights of a strategy are one vector, got optimizer={settings.optimizer!r}: {reason}"
    )


def _class_at(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"training.optimizer={path} does not exist: {error}") from error
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise ValueError(f"optimizer must be a torch.optim.Optimizer, got optimizer={path!r}: {found!r}")
    return found


def clip_norm(gradients: Tensor, largest: float) -> None:
    """Scale gradients [R, P] in place, so that the norm of each row is at most `largest`.

    As `torch.nn.utils.clip_grad_norm_` of one network's parameters.
    """
    for row in gradients:  # one by one: the same bits as alone
        row.mul_((largest / (torch.linalg.vector_norm(row) + 1e-6)).clamp(max=1.0))
