"""Layers whose weights are Gaussian, put in the place of a network's own."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cl_bench.posteriors import gaussian
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.training.noise import Noise


class GaussianLayer(nn.Module):
    """A linear map with independent Gaussian weights: draws its outputs in training (a normalisation its
    weights), uses its means in testing.

    Args:
        layer: Linear, Conv2d or a normalisation with an affine part; its weights become the means.
        log_variance: at the start, of every weight.
        noise: draws the outputs of the local reparameterisation.
    """

    def __init__(self, layer: nn.Module, *, log_variance: float, noise: Noise) -> None:
        super().__init__()
        self.apply_weight, self.normalise = _linear_map(layer)
        # a scale a channel acts on very many outputs: to draw the few scales is exact, and far cheaper
        self.draws_outputs = isinstance(self.normalise, nn.Identity)
        self.noise = noise
        self.mean = nn.ParameterList(_weight_and_bias(layer))
        self.log_variance = nn.ParameterList(
            nn.Parameter(torch.full_like(mean, log_variance)) for mean in self.mean
        )

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = self.normalise(inputs)
        if not self.training:
            return self._map(inputs, list(self.mean))
        if not self.draws_outputs:
            drawn = [
                gaussian.sample(Gaussian(mean, log_variance), self._draw(mean))
                for mean, log_variance in zip(self.mean, self.log_variance, strict=True)
            ]
            return self._map(inputs, drawn)
        variances = [log_variance.exp() for log_variance in self.log_variance]
        return gaussian.local_reparameterisation(self._map, inputs, list(self.mean), variances, self._draw)

    def _map(self, inputs: Tensor, weights: list[Tensor]) -> Tensor:
        return self.apply_weight(inputs, weights[0], weights[1] if len(weights) > 1 else None)

    def _draw(self, like: Tensor) -> Tensor:
        return NormalLike.apply(like, self.noise)


class NormalLike(torch.autograd.Function):
    """Standard normal noise like a tensor, a constant for gradients.

    Under `vmap` over stacked seeds, each seed's comes from its own generator.
    """

    @staticmethod
    def forward(like: Tensor, noise: Noise) -> Tensor:
        return noise.normal_like(like)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple, like: Tensor, noise: Noise) -> tuple[Tensor, int]:
        return NormalLike.apply(like.movedim(in_dims[0], 0), noise), 0


def make_gaussian(network: nn.Module, *, log_variance: float, noise: Noise) -> list[GaussianLayer]:
    """Replace every layer of `network` that has weights, in place; returns the new layers.

    Raises:
        TypeError: for a layer with weights of its own that is no linear map known here.
    """
    if list(network.parameters(recurse=False)):
        raise _unknown(network)
    layers = []
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, GaussianLayer) or not list(child.parameters(recurse=False)):
                continue
            layer = GaussianLayer(child, log_variance=log_variance, noise=noise)
            setattr(parent, name, layer)
            layers.append(layer)
    return layers


def _weight_and_bias(layer: nn.Module) -> list[Tensor]:
    return [part for part in (layer.weight, layer.bias) if isinstance(part, Tensor)]


def _linear_map(layer: nn.Module) -> tuple[Callable[..., Tensor], nn.Module]:
    """f(inputs, weight, bias), and what happens to the inputs before."""
    if isinstance(layer, nn.Linear):
        return F.linear, nn.Identity()
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            raise TypeError(
                f"VCL knows convolutions padded with zeros, got padding_mode={layer.padding_mode!r}"
            )
        settings = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
        return lambda inputs, weight, bias: F.conv2d(inputs, weight, bias, **settings), nn.Identity()
    if isinstance(layer, nn.LayerNorm):
        return _scale_last, nn.LayerNorm(layer.normalized_shape, eps=layer.eps, elementwise_affine=False)
    if isinstance(layer, nn.GroupNorm):
        return _scale_channels, nn.GroupNorm(
            layer.num_groups, layer.num_channels, eps=layer.eps, affine=False
        )
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        plain = type(layer)(layer.num_features, eps=layer.eps, momentum=layer.momentum, affine=False)
        plain._buffers.update(layer._buffers)  # the same running statistics, stacked where the layer's are
        return _scale_channels, plain
    raise _unknown(layer)


def _unknown(layer: nn.Module) -> TypeError:
    return TypeError(
        "VCL knows Gaussian forms of Linear, Conv2d and affine normalisation layers, "
        f"got {type(layer).__name__} with weights of its own"
    )


def _scale_last(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return inputs * weight if bias is None else torch.addcmul(bias, inputs, weight)


def _scale_channels(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    shape = (-1,) + (1,) * (inputs.dim() - 2)
    return _scale_last(inputs, weight.view(shape), None if bias is None else bias.view(shape))
