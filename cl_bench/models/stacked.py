"""Several networks of one shape as one: every parameter and buffer has a leading axis, the seed's."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from cl_bench.models.heads import BatchNormPerHead, Task


class StackedNetwork(nn.Module):
    """R networks side by side: `template` has their structure, its tensors are stacked, [R, ...].

    Called with R batches one after another, images [R * B, ...], it returns their logits one after another,
    [R * B, K]. Each network sees its own batch only, so that gradients do not mix.

    Args:
        networks: of equal structure; they are copied.

    Raises:
        ValueError: for networks of other structures, or with layers that draw from torch's global generator.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        tensors_by_name = _tensors_by_name(networks)
        _check_draws(networks[0])
        self.num_seeds = len(networks)
        self.template = deepcopy(networks[0])
        _replace(
            self.template,
            lambda name, _: torch.stack([tensor.detach() for tensor in tensors_by_name[name]]),
        )
        self._normalises_by_head = any(isinstance(each, BatchNormPerHead) for each in self.template.modules())

    def forward(self, images: Tensor, task: Task = 0) -> Tensor:
        """Return logits [R * B, K] of images [R * B, C, H, W]; task as in `Heads`.

        Raises:
            ValueError: in training on a mixture of heads with batch norm of their own: seeds differ in how
                many examples a head has.
        """
        if self.training and isinstance(task, Tensor) and self._normalises_by_head:
            raise ValueError(
                "cannot train the seeds at once: with normalisation=batch and weights=binary a batch must be "
                "of one head, got a head for each example; set training.stacked=false, or from Python take a "
                "stream for each seed"
            )
        tensors = dict(self.template.named_parameters()) | dict(self.template.named_buffers())
        by_seed = images.unflatten(0, (self.num_seeds, -1))
        if isinstance(task, Tensor):
            task = task.unflatten(0, (self.num_seeds, -1))
        task_axis = 0 if isinstance(task, Tensor) else None
        logits = vmap(self._one, in_dims=(0, 0, task_axis))(tensors, by_seed, task)
        return logits.flatten(0, 1)

    def _one(self, tensors: dict[str, Tensor], images: Tensor, task: Task) -> Tensor:
        return functional_call(self.template, tensors, (images, task))

    def one(self, index: int) -> nn.Module:
        """Copy the network of one seed, as it is now."""
        network = deepcopy(self.template)
        _replace(network, lambda _, tensor: tensor[index].clone())
        return network


def _check_draws(network: nn.Module) -> None:
    """Refuse layers whose random numbers no seed has for itself. Raises ValueError."""
    for name, each in network.named_modules():
        if isinstance(each, nn.modules.dropout._DropoutNd) or type(each).__name__ == "StochasticDepth":
            raise ValueError(
                "seeds trained at once cannot have layers that draw from torch's global generator, got "
                f"{name} of {type(each).__name__}: take cl_bench.models.Dropout, or training.stacked=false"
            )


def _replace(network: nn.Module, make: Callable[[str, Tensor], Tensor]) -> None:
    """Put make(name, tensor) in the place of every parameter and buffer; keep what is frozen or tied so."""
    made: dict[Tensor, Tensor] = {}
    for name, tensor in _tensors(network).items():
        owner, _, last = name.rpartition(".")
        module = network.get_submodule(owner)
        if last in module._parameters:
            if tensor not in made:
                made[tensor] = nn.Parameter(make(name, tensor.detach()), requires_grad=tensor.requires_grad)
            module._parameters[last] = made[tensor]  # type: ignore[assignment]
        else:
            module._buffers[last] = make(name, tensor)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name, also those of several names and of no state_dict."""
    return dict(network.named_parameters(remove_duplicate=False)) | dict(
        network.named_buffers(remove_duplicate=False)
    )


def _tensors_by_name(networks: Sequence[nn.Module]) -> dict[str, list[Tensor]]:
    states = [_tensors(network) for network in networks]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if not states or any(each != shapes[0] for each in shapes):
        raise ValueError(
            f"cannot stack {len(states)} networks: they must have the same structure, got others"
        )
    return {name: [state[name] for state in states] for name in states[0]}
