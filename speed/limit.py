"""The physical limit: the matrix products of a network alone, without autograd, data or anything between."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speed.clock import Work, nothing

Product = Callable[[], object]


class Passes(NamedTuple):
    """How often each product of a layer is done for each batch."""

    forward: int = 1
    by_weights: int = 1
    by_inputs: int = 1  # never of the first layer: nobody needs the gradient of the images


class LinearMap(NamedTuple):
    """A Linear or Conv2d layer, and the shapes of one example before and after it."""

    layer: nn.Module
    before: tuple[int, ...]
    after: tuple[int, ...]


class Products(NamedTuple):
    """The products of one layer for batches of one size, with everything allocated."""

    forward: Product
    by_weights: Product
    by_inputs: Product


def linear_maps(network: nn.Module, images: Tensor) -> list[LinearMap]:
    """List all layers of the network that multiply, in the order in which `images` meet them."""
    maps: list[LinearMap] = []

    def remember(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps.append(LinearMap(layer, tuple(inputs[0].shape[1:]), tuple(output.shape[1:])))

    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    hooks = [layer.register_forward_hook(remember) for layer in layers]
    try:
        with torch.no_grad():
            network(images[:2])
    finally:
        for hook in hooks:
            hook.remove()
    return maps


def matrix_products(
    network: nn.Module, images: Tensor, *, num_images: int, batch_size: int, passes: Passes
) -> Work:
    """Return a function that does the products of so many images, batch by batch, and nothing else.

    Args:
        network, images: give the layers, shapes and device; their numbers are not used.
        num_images: the last batch is smaller where they do not divide.
    """
    maps = linear_maps(network, images)
    whole, rest = divmod(num_images, batch_size)
    batches = [(batch_size, whole), (rest, 1)] if rest else [(batch_size, whole)]
    prepared = [
        ([_products(each, size, images.device, first=each is maps[0]) for each in maps], times)
        for size, times in batches
        if times
    ]

    @torch.no_grad()
    def work() -> None:
        for layers, times in prepared:
            for _ in range(times):
                _batch(layers, passes)

    return work


def _batch(layers: list[Products], passes: Passes) -> None:
    for _ in range(passes.forward):
        for layer in layers:
            layer.forward()
    for _ in range(passes.by_weights):
        for layer in layers:
            layer.by_weights()
    for _ in range(passes.by_inputs):
        for layer in layers:
            layer.by_inputs()


def _products(of: LinearMap, size: int, device: torch.device, *, first: bool) -> Products:
    generator = torch.Generator(device).manual_seed(0)

    def filled(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    inputs, back = filled(size, *of.before), filled(size, *of.after)
    if isinstance(of.layer, nn.Conv2d):
        return _convolution(of.layer, inputs, back, filled(*of.layer.weight.shape), first=first)
    assert isinstance(of.layer, nn.Linear)
    weight = filled(*of.layer.weight.shape)
    outputs, by_weights, by_inputs = map(torch.empty_like, (back, weight, inputs))
    return Products(
        lambda: torch.mm(inputs, weight.T, out=outputs),
        lambda: torch.mm(back.T, inputs, out=by_weights),
        nothing if first else lambda: torch.mm(back, weight, out=by_inputs),
    )


def _convolution(layer: nn.Conv2d, inputs: Tensor, back: Tensor, weight: Tensor, *, first: bool) -> Products:
    """Return the products of a convolution; one call for both backward products stands for `by_weights`.

    That call is faster than two, and torch has no convolution into a given tensor.
    """
    stride, padding, dilation = layer.stride, layer.padding, layer.dilation
    assert not isinstance(padding, str)
    return Products(
        lambda: F.conv2d(inputs, weight, None, stride, padding, dilation, layer.groups),
        lambda: torch.ops.aten.convolution_backward(
            back, inputs, weight, None, stride, padding, dilation, False, [0, 0], layer.groups,
            [not first, True, False],
        ),
        nothing,
    )  # fmt: skip
