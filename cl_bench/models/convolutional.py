"""Small convolutional networks."""

from collections.abc import Sequence

from torch import nn

from cl_bench.models.activation import make_activation
from cl_bench.models.dropout import check_dropout, dropout_layers
from cl_bench.models.layers import check_images, make_layers
from cl_bench.models.network import Network


def cnn(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_heads: int,
    channels: Sequence[int],
    hidden: int,
    normalisation: str,
    weights: str,
    activation: str = "relu",
    dropout: float = 0.0,
) -> Network:
    """3x3 convolutions of the given channels with 2x2 max pooling after every second, then a linear layer.

    It is in the manner of VGG (Simonyan and Zisserman 2015). Pooling stops where it would leave less than 2
    pixels. With channels 32, 32, 64, 64 it resembles the network of Zenke et al. (2017) for split CIFAR.
    `dropout` is the probability that a unit of the linear layer is 0 in training.
    """
    layers = make_layers(
        input_shape=input_shape,
        normalisation=normalisation,
        weights=weights,
        channels=channels,
        hidden=hidden,
    )
    check_images("cnn", input_shape)
    check_dropout(dropout)
    fan_in, height, width = input_shape
    body = nn.Sequential()
    for index, fan_out in enumerate(channels):
        body.extend([*layers.convolution(fan_in, fan_out), make_activation(activation)])
        fan_in = fan_out
        if index % 2 == 1 and min(height, width) >= 4:
            body.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    body.extend([nn.Flatten(), *layers.linear(fan_in * height * width, hidden), make_activation(activation)])
    body.extend(dropout_layers(dropout))
    return Network(body, layers.heads(hidden, num_classes=num_classes, num_heads=num_heads))
