"""Multilayer perceptrons for flattened images."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from cl_bench.models.activation import make_activation
from cl_bench.models.dropout import check_dropout, dropout_layers
from cl_bench.models.layers import make_layers
from cl_bench.models.network import Network


def mlp(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_heads: int,
    hidden: Sequence[int],
    normalisation: str,
    weights: str,
    activation: str = "relu",
    dropout: float = 0.0,
) -> Network:
    """Linear layers of the `hidden` widths on flattened images, each with the activation; linear without any.

    `dropout` is the probability that a hidden unit is 0 in training.
    Two layers of 100 are the network for permuted MNIST of VCL (Nguyen et al. 2018) and of BayesBiNN (Meng
    et al. 2020).
    """
    layers = make_layers(input_shape=input_shape, normalisation=normalisation, weights=weights, hidden=hidden)
    check_dropout(dropout)
    widths = [prod(input_shape), *hidden]
    body = nn.Sequential(nn.Flatten())
    for fan_in, width in pairwise(widths):
        body.extend([*layers.linear(fan_in, width), make_activation(activation), *dropout_layers(dropout)])
    return Network(body, layers.heads(widths[-1], num_classes=num_classes, num_heads=num_heads))
