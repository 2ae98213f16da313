"""Layers whose weights are Gaussian, put in the place of a network's own.

A step draws one sample of whole weights (`whole`), or each output by its own mean and variance (`local`, the
local reparameterisation). The two have the same expected loss where a weight acts once on an example, as in a
dense layer. A convolution's weight acts at P places. There `local` draws a noise for each place, which later
layers average away. Where an input is alike at all places, the output's mean over them has a deviation
sqrt(P) times smaller than under whole weights: 16 times at 16 x 16 places. So `local` trains another
posterior than the one that tests sample.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from cl_bench.learner.drawn_like import DrawnLike
from cl_bench.learner.noise import Noise
from cl_bench.models.parameters import is_plain, tied, trainable
from cl_bench.posteriors import fisher, gaussian
from cl_bench.posteriors.gaussian import Gaussian

CONV_SAMPLING = ("local", "whole")


class GaussianLayer(nn.Module):
    """A linear map with independent Gaussian weights: draws its outputs or its weights in training, uses its
    means in testing. A frozen weight or bias has variance 0, and stays as it is.

    Args:
        layer: Linear, Conv2d or a normalisation with an affine part; its weights become the means.
        log_variance: at the start, of every weight.
        noise: draws outputs and weights.
        conv_sampling: of a layer whose weights act at many places of an example, as a convolution's do.
            `local` draws each place's output on its own. `whole` draws one sample of the weights a step, for
            all examples of the batch. A normalisation always draws its weights.
    """

    def __init__(
        self, layer: nn.Module, *, log_variance: float, noise: Noise, conv_sampling: str = "local"
    ) -> None:
        super().__init__()
        self.apply_weight, self.normalise = _linear_map(layer)
        # a scale a channel acts on very many outputs: to draw the few scales is exact, and far cheaper
        self.draws_weights = not isinstance(self.normalise, nn.Identity)
        self.whole = conv_sampling == "whole"
        self.convolves = isinstance(layer, nn.Conv2d)
        self.noise = noise
        self.mean = nn.ParameterList(_weight_and_bias(layer))
        self.kind = (layer,)  # as it was given; in a tuple, so that it is no part of this one
        self.log_variance = nn.ParameterList(
            nn.Parameter(torch.full_like(mean, log_variance))
            if mean.requires_grad
            else nn.Parameter(torch.full_like(mean, -torch.inf), requires_grad=False)
            for mean in self.mean
        )

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = self.normalise(inputs)
        if not self.training:
            return self._map(inputs, list(self.mean))
        # a dense layer may act at many places, too: on each row of [B, T, I]
        if self.draws_weights or (self.whole and (self.convolves or inputs.dim() > 2)):
            drawn = [
                gaussian.sample(Gaussian(mean, log_variance), self._draw(mean))
                for mean, log_variance in zip(self.mean, self.log_variance, strict=True)
            ]
            return self._map(inputs, drawn)
        variances = [log_variance.exp() for log_variance in self.log_variance]
        return gaussian.local_reparameterisation(self._map, inputs, list(self.mean), variances, self._draw)

    @property
    def scales(self) -> list[nn.Parameter]:
        """The means of a normalisation's scales; none of a layer that mixes its inputs."""
        return [self.mean[0]] if self.draws_weights else []

    def at_means(self) -> nn.Module:
        """The layer as it was given, with the present means as its weights."""
        layer = copy.copy(self.kind[0])
        names = [name for name, part in layer._parameters.items() if part is not None]
        layer._parameters = layer._parameters | dict(zip(names, self.mean, strict=True))
        layer._buffers = layer._buffers | self.normalise._buffers
        return layer

    def _map(self, inputs: Tensor, weights: list[Tensor]) -> Tensor:
        return self.apply_weight(inputs, weights[0], weights[1] if len(weights) > 1 else None)

    def _draw(self, like: Tensor) -> Tensor:
        draw = self.noise.normal_like
        return DrawnLike.apply(like, draw) if self.noise.stacked else draw(like)


def make_gaussian(
    network: nn.Module, *, log_variance: float, noise: Noise, conv_sampling: str = "local"
) -> list[GaussianLayer]:
    """Replace every layer of `network` that has weights to train, in place; returns the new layers.

    The settings are those of `GaussianLayer`.

    Raises:
        ValueError: for a layer with weights of its own that is no linear map known here, or shares them with
            another layer.
    """
    if _is_trained(network):
        raise _unknown(network)
    for name, parameter in trainable(network).items():
        if parameter in tied(network):
            raise ValueError(
                "VCL draws the outputs of each layer on their own, so that two layers cannot share a weight, "
                f"got {name} in several places: give each layer its own, or freeze it (requires_grad=False)"
            )
    layers = []
    for parent, name, child in _children(network):
        if isinstance(child, GaussianLayer) or not _is_trained(child):
            continue
        layer = GaussianLayer(child, log_variance=log_variance, noise=noise, conv_sampling=conv_sampling)
        setattr(parent, name, layer)
        layers.append(layer)
    return layers


def fisher_of_means(
    network: nn.Module, batches: Iterable[Sequence[Any]], *, generator: torch.Generator
) -> Tensor:
    """The exact diagonal Fisher information of a network's means, in the order of `make_gaussian`'s layers.

    Args:
        network: with Gaussian layers, in eval mode.
        batches, generator: as `fisher.diagonal` has them.

    Returns:
        F [P], one for each mean that is trained.
    """
    network = copy.deepcopy(network)
    layers = [layer for _, _, layer in _children(network) if isinstance(layer, GaussianLayer)]
    for parent, name, layer in list(_children(network)):
        if isinstance(layer, GaussianLayer):
            setattr(parent, name, layer.at_means())
    network.eval()
    information = fisher.diagonal(network, batches, estimator="exact", generator=generator)
    trained = list(trainable(network).values())
    parts = dict(zip(map(id, trained), information.split([each.numel() for each in trained]), strict=True))
    means = [mean for layer in layers for mean in layer.mean if mean.requires_grad]
    return torch.cat([parts[id(mean)] for mean in means])


def _children(network: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Every module of a network with its parent and its name there."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            yield parent, name, child


def _is_trained(layer: nn.Module) -> bool:
    """Tell whether a module has, beside those of its parts, parameters to train."""
    own = list(layer.parameters(recurse=False))
    if parametrize.is_parametrized(layer):
        own += layer.parametrizations.parameters()  # type: ignore[union-attr]
    return any(parameter.requires_grad for parameter in own)


def _weight_and_bias(layer: nn.Module) -> list[nn.Parameter]:
    return [part for part in (layer.weight, layer.bias) if isinstance(part, nn.Parameter)]


def _linear_map(layer: nn.Module) -> tuple[Callable[..., Tensor], nn.Module]:
    """The map f(inputs, weight, bias) of a layer, and what happens to the inputs before."""
    if is_plain(layer, nn.Linear):
        return F.linear, nn.Identity()
    if is_plain(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            raise ValueError(
                f"VCL knows convolutions padded with zeros, got padding_mode={layer.padding_mode!r}"
            )
        settings = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
        return lambda inputs, weight, bias: F.conv2d(inputs, weight, bias, **settings), nn.Identity()
    if is_plain(layer, nn.LayerNorm):
        return _scale_last, nn.LayerNorm(layer.normalized_shape, eps=layer.eps, elementwise_affine=False)
    if is_plain(layer, nn.GroupNorm):
        return _scale_channels, nn.GroupNorm(
            layer.num_groups, layer.num_channels, eps=layer.eps, affine=False
        )
    if isinstance(layer, nn.modules.batchnorm._BatchNorm) and not parametrize.is_parametrized(layer):
        plain = type(layer)(layer.num_features, eps=layer.eps, momentum=layer.momentum, affine=False)
        plain._buffers.update(layer._buffers)  # the same running statistics, stacked where the layer's are
        return _scale_channels, plain
    raise _unknown(layer)


def _unknown(layer: nn.Module) -> ValueError:
    return ValueError(
        "VCL knows Gaussian forms of Linear, Conv2d and affine normalisation layers as torch has them, got "
        f"{type(layer).__name__} with weights of its own or made by a parametrization: take another layer, "
        "or freeze this one (requires_grad=False)"
    )


def _scale_last(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return inputs * weight if bias is None else torch.addcmul(bias, inputs, weight)


def _scale_channels(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    shape = (-1,) + (1,) * (inputs.dim() - 2)
    return _scale_last(inputs, weight.view(shape), None if bias is None else bias.view(shape))
