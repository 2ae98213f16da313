"""Several networks of one shape as one: every parameter and buffer has a leading axis, the seed's."""

from collections.abc import Sequence
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
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        tensors_by_name = _tensors_by_name(networks)
        self.num_seeds = len(networks)
        self.template = deepcopy(networks[0])
        for name, tensors in tensors_by_name.items():
            owner, _, last = name.rpartition(".")
            module = self.template.get_submodule(owner)
            stacked = torch.stack([tensor.detach() for tensor in tensors])
            if last in module._parameters:
                module._parameters[last] = nn.Parameter(stacked)
            else:
                module._buffers[last] = stacked
        self._normalises_by_head = any(isinstance(each, BatchNormPerHead) for each in self.template.modules())

    def forward(self, images: Tensor, task: Task = 0) -> Tensor:
        """Logits [R * B, K] of images [R * B, C, H, W]; task as in `Heads`.

        Raises:
            ValueError: in training on a mixture of heads with batch norm of their own: seeds differ in how
                many examples a head has.
        """
        if self.training and isinstance(task, Tensor) and self._normalises_by_head:
            raise ValueError(
                "batches of several heads with normalisation=batch and weights=binary cannot be stacked: set "
                "training.stacked=false, got a head for each example"
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
        """A copy of the network of one seed, as it is now."""
        network = deepcopy(self.template)
        for name, tensor in self.template.state_dict().items():
            owner, _, last = name.rpartition(".")
            module = network.get_submodule(owner)
            if last in module._parameters:
                module._parameters[last] = nn.Parameter(tensor[index].clone())
            else:
                module._buffers[last] = tensor[index].clone()
        return network


def _tensors_by_name(networks: Sequence[nn.Module]) -> dict[str, list[Tensor]]:
    states = [network.state_dict() for network in networks]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if not states or any(each != shapes[0] for each in shapes):
        raise ValueError(f"stacked networks must have one structure, got {len(states)} networks that differ")
    return {name: [state[name] for state in states] for name in states[0]}
