"""Which parameters of a network are trained, and what they must be for that."""

from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that training may move, by name; each once, in `network.parameters()`'s order.

    Those with `requires_grad=False` are frozen: no method moves them or knows of them.
    """
    return {name: each for name, each in network.named_parameters() if each.requires_grad}


def tied(network: nn.Module) -> set[nn.Parameter]:
    """Return the parameters that have several places in the network."""
    places = [
        parameter
        for module in network.modules()
        for parameter in module._parameters.values()
        if parameter is not None
    ]
    return {parameter for parameter in places if sum(parameter is each for each in places) > 1}


def scales(network: nn.Module) -> list[nn.Parameter]:
    """Return the scales of normalisation layers, which leave a network as it is where they are 1.

    A prior of weights around 0 is one around 1 for them.
    """
    kinds = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)
    found = [layer.weight for layer in network.modules() if isinstance(layer, kinds)]
    return [weight for weight in found if isinstance(weight, nn.Parameter)]


def is_plain(layer: nn.Module, kind: type[Layer]) -> TypeGuard[Layer]:
    """Whether a layer computes what torch's class computes, from its own weight and bias alone.

    A subclass with a forward pass of its own does not, nor does a layer with a parametrization.
    """
    if not isinstance(layer, kind) or type(layer).forward is not kind.forward:
        return False
    own = {name for name, parameter in layer._parameters.items() if parameter is not None}
    return "weight" in own and own <= {"weight", "bias"}


def check_parameters(network: nn.Module) -> None:
    """Refuse a network whose parameters cannot be laid out as one vector.

    Raises:
        ValueError: for a lazy layer, a precision other than torch's default, or nothing to train; with the
            parameter's name and what to do.
    """
    default = torch.get_default_dtype()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise ValueError(
                f"the weights of a network must have sizes before a strategy is built, got {name} of a lazy "
                "layer: call the network once on a batch of images, or give the layer its input size"
            )
        if isinstance(tensor, nn.Parameter) and not _has_precision(tensor, default):
            raise ValueError(
                f"the weights of a network must be {_short(default)}, as its images are, got {name} of "
                f"{_short(tensor.dtype)}: convert the network before the strategy is built, such as by "
                "model.float()"
            )
    if not trainable(network):
        raise ValueError(
            "a network must have a parameter that training may move, got none with requires_grad=True"
        )


def _has_precision(tensor: Tensor, default: torch.dtype) -> bool:
    return tensor.dtype == default or (not tensor.requires_grad and not tensor.is_floating_point())


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
