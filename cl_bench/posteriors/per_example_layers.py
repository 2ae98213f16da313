"""Sums over examples of squares or magnitudes of each example's own gradient, by convolutions and scales.

A weight of a convolution acts at every place, so that the gradient of example n is a sum over P places:

    d l_n / d W = d_n a_n^T   [O, Q]

Here d_n [O, P] flows back, and a_n [Q, P] are the patches that came in, with Q inputs of one output.

A scale of a normalisation acts on what is normalised, x_n [C, P], a shift on nothing:

    d l_n / d scale = sum_p d_n x_n,   d l_n / d shift = sum_p d_n   [C]

One batched product of matrices gives these for all examples of a batch. That takes about as long as a
convolution's own gradient, where vmap(grad) runs each example apart.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cl_bench.models.parameters import is_plain

Magnitude = Callable[[Tensor], Tensor]  # torch.square or torch.abs
PATCH_ELEMENTS = 2**24  # of patches at once: 64 MiB in float32


def is_known(layer: nn.Module) -> bool:
    """Whether `sums` can be used for a layer: a Linear layer, a convolution in one group, or a normalisation.

    >>> per_example_layers.is_known(torch.nn.Conv2d(1, 2, 3))
    True
    >>> per_example_layers.is_known(torch.nn.Conv2d(2, 2, 3, groups=2))
    False
    """
    if is_plain(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if is_plain(layer, nn.BatchNorm1d) or is_plain(layer, nn.BatchNorm2d):
        return layer.running_mean is not None  # else examples see each other
    if is_plain(layer, nn.LayerNorm):
        return len(layer.normalized_shape) == 1
    return is_plain(layer, nn.Linear) or is_plain(layer, nn.GroupNorm)


def takes_vectors(layer: nn.Module) -> bool:
    """Whether a known layer must be called on one vector an example.

    >>> [
    ...     per_example_layers.takes_vectors(each)
    ...     for each in (torch.nn.Linear(2, 3), torch.nn.Conv2d(1, 2, 3))
    ... ]
    [True, False]
    """
    return isinstance(layer, nn.Linear | nn.LayerNorm)


def sums(layer: Any, given: Tensor, flows: Tensor, weights: Tensor, magnitude: Magnitude) -> list[Tensor]:
    """The sums over examples and scalars by the weight and the bias of one layer.

        sum_n sum_s weight_ns m(d scalar_s(f(x_n)) / d theta)

    Args:
        layer: one that `is_known`, called once, in eval mode.
        given: what came in, [B, ...].
        flows: what flows back to its outputs, for each scalar, [S, B, ...].
        weights: of each example and scalar, [B, S].
        magnitude: m, `torch.square` or `torch.abs`.

    Returns:
        The sum by the weight, and that by the bias where there is one, each of its shape.

    >>> layer = torch.nn.Conv2d(1, 1, 1, bias=False)
    >>> images = torch.tensor([1.0, 2.0]).view(1, 1, 1, 2)  # two places, whose gradients add up to 3
    >>> per_example_layers.sums(
    ...     layer, images, torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1), torch.square
    ... )
    [tensor([[[[9.]]]])]
    """
    if isinstance(layer, nn.Linear):  # one outer product an example: its square is that of the squares
        flow = torch.einsum("ns,sno->no", weights, magnitude(flows))
        found = [flow.T @ magnitude(given)]
        return found if layer.bias is None else [*found, flow.sum(dim=0)]
    by_weight: Any = 0.0
    by_bias: Any = 0.0
    size = max(1, PATCH_ELEMENTS // _patch_elements(layer, given))
    for part in torch.arange(len(given), device=given.device).split(size):
        inputs = _inputs(layer, given[part])
        for flow, weight in zip(flows, weights.T, strict=True):
            back = flow[part].flatten(2) if flow.dim() > 2 else flow[part].unsqueeze(-1)  # [b, O, P]
            gradient = _by_weight(layer, inputs, back)
            by_weight = by_weight + torch.einsum("n,n...->...", weight[part], magnitude(gradient))
            if layer.bias is not None:
                by_bias = by_bias + weight[part] @ magnitude(back.sum(dim=-1))
    found = [by_weight.view_as(layer.weight)]
    return found if layer.bias is None else [*found, by_bias]


def _by_weight(layer: nn.Module, inputs: Tensor, back: Tensor) -> Tensor:
    """The gradient of each example by the weight, [b, O, Q], or [b, C] of a scale."""
    if isinstance(layer, nn.Conv2d):
        return torch.bmm(back, inputs.transpose(1, 2))
    return (back * inputs).sum(dim=-1)


def _inputs(layer: Any, given: Tensor) -> Tensor:
    """What the weight is multiplied with: patches [b, Q, P], or normalised channels [b, C, P]."""
    if isinstance(layer, nn.Conv2d):
        padding: Any = layer.padding
        return F.unfold(given, layer.kernel_size, layer.dilation, padding, layer.stride)
    if isinstance(layer, nn.GroupNorm):
        normal = F.group_norm(given, layer.num_groups, eps=layer.eps)
    elif isinstance(layer, nn.LayerNorm):
        normal = F.layer_norm(given, layer.normalized_shape, eps=layer.eps)
    else:
        normal = F.batch_norm(given, layer.running_mean, layer.running_var, eps=layer.eps)
    return normal.flatten(2) if normal.dim() > 2 else normal.unsqueeze(-1)


def _patch_elements(layer: Any, given: Tensor) -> int:
    """Estimate how many numbers `_inputs` has for one example."""
    places = given[0].numel()
    return places * (layer.kernel_size[0] * layer.kernel_size[1] if isinstance(layer, nn.Conv2d) else 1)
