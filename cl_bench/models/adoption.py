"""Networks that are not ours: heads on their features, frozen parts, and a look at what they give."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.models.frozen import freeze
from cl_bench.models.heads import Heads
from cl_bench.models.modes import modes_restored
from cl_bench.models.network import Network
from cl_bench.models.parameters import check_parameters

NUM_LOOKED_AT = 2  # images: as many as batch norm needs in training


def adopted(
    network: nn.Module,
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_heads: int,
    heads: bool = False,
    frozen: Sequence[str | int] = (),
) -> nn.Module:
    """Return a network that can be trained: with heads of ours where it gives features, and frozen parts.

    It is called once on black images before, in training and in testing; weights, buffers and modes are left
    as they were. Layers whose sizes come from their first input have them then.

    Args:
        input_shape, num_classes, num_heads: of the stream.
        heads: the network gives features [B, F]: heads are put on it, a linear layer a task. Otherwise it
            gives logits [B, K] of num_classes or more.
        frozen: parts that stay as they are, see `freeze`.

    Raises:
        ValueError: for what cannot be trained, with the reason.
    """
    if not isinstance(network, nn.Module):
        raise ValueError(f"a network must be a torch.nn.Module, got {type(network).__name__}")
    if heads and isinstance(network, Network):
        raise ValueError("heads=true is for a network that gives features, got one that has heads already")
    outputs = _outputs(network, input_shape, training=False)
    check_parameters(network)
    if heads:
        _check_rows(outputs, "features", "F", least=1)
        network = Network(network, Heads(outputs.shape[1], num_classes, num_heads, bias=True))
    else:
        _check_rows(outputs, "logits", "K", least=num_classes)
    in_training = _outputs(network, input_shape, training=True)
    _check_rows(in_training, "logits", "K", least=num_classes, where=" in training")
    freeze(network, frozen)
    if frozen and not any(each.requires_grad for each in network.parameters()):
        raise ValueError(f"frozen must leave something to train, got frozen={list(frozen)}, which is all")
    return network


def _outputs(network: nn.Module, input_shape: Sequence[int], *, training: bool) -> Any:
    """Call the network on black images, and put back what that changes.

    Raises:
        ValueError: where it cannot be called.
    """
    place = next(iter(network.parameters()), torch.empty(0))
    images = torch.zeros(NUM_LOOKED_AT, *input_shape, device=place.device)
    buffers = {name: each.clone() for name, each in network.named_buffers() if not _is_lazy(each)}
    try:
        with torch.no_grad(), modes_restored(network):
            network.train(training)
            return network(images, 0) if isinstance(network, Network) else network(images)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"a network must take images of the stream, {list(images.shape[1:])} each, got "
            f"{type(error).__name__} of {type(network).__name__} at a batch of two: {reason[:300]}"
        ) from error
    finally:
        for name, each in network.named_buffers():
            if name in buffers:
                each.copy_(buffers[name])


def _is_lazy(tensor: Tensor) -> bool:
    return nn.parameter.is_lazy(tensor)


def _check_rows(outputs: Any, what: str, letter: str, *, least: int, where: str = "") -> None:
    """See that outputs are one row a image. Raises ValueError."""
    advice = (
        "make its last layer that wide, or set model.heads=true for a network that gives features"
        if what == "logits"
        else "end it in a flattening or pooling layer"
    )
    if not isinstance(outputs, Tensor):
        raise ValueError(
            f"a network must give one tensor of {what} [B, {letter}]{where}, got {type(outputs).__name__}: "
            "let its forward return that tensor alone"
        )
    if outputs.dim() != 2 or len(outputs) != NUM_LOOKED_AT or outputs.shape[1] < least:
        wanted = letter if least == 1 else f"{least} or more"
        raise ValueError(
            f"a network must give {what} [{NUM_LOOKED_AT}, {wanted}] of {NUM_LOOKED_AT} images{where}, got "
            f"{list(outputs.shape)}: {advice}"
        )
    if not outputs.is_floating_point():
        raise ValueError(f"a network must give {what} in floating point{where}, got {outputs.dtype}")
