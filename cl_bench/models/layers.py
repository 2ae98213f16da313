"""The layers that networks are built from: weights and their normalisation, chosen once for a network."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from cl_bench.models.heads import Heads, normalise_heads
from cl_bench.models.normalisation import check_names, normalise_images, normalise_vectors


class Layers(NamedTuple):
    """A maker of linear layers, convolutions and heads of one kind.

    A layer has a bias only if the weights are real and no normalisation follows, which would bring its own.
    """

    normalisation: str
    weights: str

    @property
    def bias(self) -> bool:
        """Whether hidden layers have biases."""
        return self.weights == "real" and self.normalisation == "none"

    def linear(self, in_features: int, out_features: int) -> nn.Sequential:
        """Make a layer [B, in_features] -> [B, out_features], normalised."""
        return nn.Sequential(
            nn.Linear(in_features, out_features, bias=self.bias),
            normalise_vectors(out_features, fan_in=in_features, **self._asdict()),
        )

    def convolution(
        self, in_channels: int, out_channels: int, *, size: int = 3, stride: int = 1
    ) -> nn.Sequential:
        """Make a layer [B, in_channels, H, W] -> [B, out_channels, H / stride, W / stride]; size is odd."""
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, size, stride=stride, padding=size // 2, bias=self.bias),
            normalise_images(out_channels, fan_in=in_channels * size**2, **self._asdict()),
        )

    def heads(self, in_features: int, *, num_classes: int, num_heads: int) -> Heads:
        """Make the heads [B, in_features] -> [B, num_classes]; they have a bias if the weights are real."""
        normalisation = normalise_heads(
            in_features, num_classes=num_classes, num_heads=num_heads, **self._asdict()
        )
        return Heads(in_features, num_classes, num_heads, self.weights == "real", normalisation)


def check_images(network: str, input_shape: tuple[int, int, int]) -> None:
    """Refuse rows of features, and images of one pixel, which convolutions cannot look at.

    Raises:
        ValueError: that says which network takes them.
    """
    if tuple(input_shape[1:]) == (1, 1):
        raise ValueError(
            f"{network} needs images, got rows of {input_shape[0]} features ({input_shape=}); set model=mlp, "
            "or a network of your own"
        )


def make_layers(
    *, input_shape: tuple[int, int, int], normalisation: str, weights: str, **widths: int | Sequence[int]
) -> Layers:
    """Check what all builders take, and the widths by their names; return the layers to build from."""
    check_names(normalisation, weights)
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(f"input_shape must be three positive sizes (C, H, W), got {input_shape=}")
    for name, value in widths.items():
        if any(width < 1 for width in (value if isinstance(value, Sequence) else [value])):
            raise ValueError(f"{name} must be positive, got {name}={value!r}")
    return Layers(normalisation, weights)
