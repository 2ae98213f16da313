"""Normalisation by name, for real and for binary weights: the one place that holds their numbers.

| name  | vectors [B, F]                        | images [B, C, H, W]               |
|-------|---------------------------------------|-----------------------------------|
| batch | BatchNorm1d                           | BatchNorm2d                       |
| layer | LayerNorm                             | GroupNorm of one group            |
| group | GroupNorm, CHANNELS_PER_GROUP or more | the same                          |
| none  | nothing; a fixed scale if binary      | the same                          |

Binary networks have no affine parameters here: every parameter is a weight of +-1 (BayesBiNN; Meng, Bachmann
and Khan 2020). Such weights make sums of scale sqrt(fan-in), so that their `none` is a constant:
1/sqrt(fan-in), times the sqrt(2) of He et al. (2015) before a ReLU. It holds no statistics and
mixes no examples.
"""

from math import sqrt

from torch import Tensor, nn

NORMALISATIONS = ("batch", "layer", "group", "none")
WEIGHTS = ("real", "binary")

# BayesBiNN's published code; for real weights torch's own values hold
BINARY_BATCH_EPSILON = 1e-4
BINARY_BATCH_MOMENTUM = 0.15

# Wu and He (2018) find 16 a group about as good as 32 groups. A group must not get small: where the image is
# one pixel, or the features are a vector, a group of one is always 0 and a group of two always +-1
CHANNELS_PER_GROUP = 16


class Scale(nn.Module):
    """Multiplication by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply inputs of any shape by the factor."""
        return inputs * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor:.4g}"


def check_names(normalisation: str, weights: str) -> None:
    """Raise ValueError unless both names are known."""
    if normalisation not in NORMALISATIONS:
        raise ValueError(f"normalisation must be one of {', '.join(NORMALISATIONS)}, got {normalisation=}")
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, got {weights=}")


def num_groups(width: int) -> int:
    """Return the most equal groups, of CHANNELS_PER_GROUP or more, that `width` channels make; else 1."""
    most = max(1, width // CHANNELS_PER_GROUP)
    return next(groups for groups in range(most, 0, -1) if width % groups == 0)


def normalise_vectors(width: int, *, fan_in: int, normalisation: str, weights: str) -> nn.Module:
    """Make a module [B, width] -> [B, width] that stands between `fan_in` linear inputs and a ReLU."""
    if normalisation == "batch":
        return batch_norm(nn.BatchNorm1d, width, weights)
    if normalisation == "layer":
        return nn.LayerNorm(width, elementwise_affine=weights == "real")
    return _group_or_none(width, fan_in, normalisation, weights)


def normalise_images(channels: int, *, fan_in: int, normalisation: str, weights: str) -> nn.Module:
    """Make a module [B, channels, H, W] -> the same shape, to stand between a convolution and a ReLU."""
    if normalisation == "batch":
        return batch_norm(nn.BatchNorm2d, channels, weights)
    if normalisation == "layer":
        return nn.GroupNorm(1, channels, affine=weights == "real")
    return _group_or_none(channels, fan_in, normalisation, weights)


def batch_norm(
    kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d], width: int, weights: str
) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """Batch norm as torch has it, or as BayesBiNN has it."""
    if weights == "real":
        return kind(width)
    return kind(width, eps=BINARY_BATCH_EPSILON, momentum=BINARY_BATCH_MOMENTUM, affine=False)


def _group_or_none(width: int, fan_in: int, normalisation: str, weights: str) -> nn.Module:
    check_names(normalisation, weights)
    if normalisation == "group":
        return nn.GroupNorm(num_groups(width), width, affine=weights == "real")
    return nn.Identity() if weights == "real" else Scale(sqrt(2 / fan_in))
