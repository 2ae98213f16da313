"""What a network makes of images, when it stays as it is: outputs of its body, or of a part by name."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.models.network import Network


def frozen_features(network: nn.Module, batches: Iterable[Tensor], *, layer: str | None = None) -> Tensor:
    """Return the features of images, in evaluation mode and without gradients.

    Args:
        network: a `Network`, or any module where a layer is named.
        batches: its inputs, [B, C, H, W] each, on its device.
        layer: the name of a part, as in `network.get_submodule`; None: the body, whose outputs the heads get.

    Returns:
        float32 on the host: [N, F], or [N, C, H, W] of a part that gives maps; any other output is flattened
        to [N, F].

    Raises:
        ValueError: for a part that there is not or that is not called once, and for other outputs.
    """
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            give = _giver(network, layer)
            return torch.cat([_rows(give(batch), len(batch)) for batch in batches])
    finally:
        network.train(was_training)


def _giver(network: nn.Module, layer: str | None) -> Callable[[Tensor], Any]:
    if layer is None:
        if not isinstance(network, Network):
            raise ValueError(
                f"layer must name a part of {type(network).__name__}, which has no body and heads: one of "
                f"{_parts(network)}"
            )
        return network.body
    try:
        part = network.get_submodule(layer)
    except AttributeError as error:
        raise ValueError(f"layer must be a part of the network, got {layer=}; {_parts(network)}") from error

    def give(images: Tensor) -> Any:
        found: list[Any] = []
        handle = part.register_forward_hook(lambda _module, _inputs, output: found.append(output))
        try:
            _ = network(images, 0) if isinstance(network, Network) else network(images)
        finally:
            handle.remove()
        if len(found) != 1:
            raise ValueError(f"layer must be called once an image, got {layer=}, called {len(found)} times")
        return found[0]

    return give


def _rows(output: Any, num_images: int) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != num_images:
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"features must be a tensor with a row for each of {num_images} images, got {got}")
    values = output.to("cpu", torch.float32)
    return values if values.ndim in (2, 4) else values.reshape(num_images, -1)


def _parts(network: nn.Module) -> str:
    names = [name for name, _ in network.named_modules() if name]
    shown = ", ".join(names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
