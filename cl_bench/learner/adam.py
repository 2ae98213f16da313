"""Adam's step on the one vector of all weights."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer


def adam_step(optimizer: torch.optim.Optimizer, vector: Tensor) -> None:
    """Take the step of `optimizer.step()`, to the last bit, in less time.

    For torch's fused Adam of `vector` alone the kernel is called at once. What torch does for many tensors
    before it calls the kernel takes as long as the kernel does for 85,000 weights.
    """
    state = optimizer.state.get(vector, {}) if _is_kernel_alone(optimizer) else {}
    if vector.grad is None or "step" not in state:
        optimizer.step()
        return
    (group,) = optimizer.param_groups
    with torch.no_grad():
        state["step"].add_(1)
        torch._fused_adam_(
            [vector],
            [vector.grad],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=group["maximize"],
        )


def _is_kernel_alone(optimizer: Any) -> bool:
    """Tell whether a step is nothing but the fused kernel on one tensor, and nobody listens to it.

    Schedulers replace `step`, and others register hooks.
    """
    if type(optimizer) is not torch.optim.Adam or "step" in vars(optimizer) or _is_heard(optimizer):
        return False
    group, *others = optimizer.param_groups
    other_kernels = ("amsgrad", "differentiable", "decoupled_weight_decay")
    plain = group["fused"] and not any(group.get(name) for name in other_kernels)
    numbers = not any(isinstance(each, Tensor) for each in (group["lr"], *group["betas"]))
    return plain and numbers and not others and len(group["params"]) == 1


def _is_heard(optimizer: Any) -> bool:
    return bool(
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or torch_optimizer._global_optimizer_pre_hooks
        or torch_optimizer._global_optimizer_post_hooks
    )
