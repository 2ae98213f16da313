"""Residual networks in the form used on CIFAR."""

from torch import Tensor, nn

from cl_bench.models.activation import make_activation
from cl_bench.models.layers import Layers, check_images, make_layers
from cl_bench.models.network import Network


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, a 1x1 convolution where the shape changes (He et al. 2016)."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, layers: Layers, activation: str
    ) -> None:
        super().__init__()
        self.activation = make_activation(activation)
        self.first = layers.convolution(in_channels, out_channels, stride=stride)
        self.second = layers.convolution(out_channels, out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = layers.convolution(in_channels, out_channels, size=1, stride=stride)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, in_channels, H, W] to [B, out_channels, H / stride, W / stride], rounded up."""
        return self.activation(self.second(self.activation(self.first(images))) + self.shortcut(images))


def resnet18(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_heads: int,
    width: int,
    normalisation: str,
    weights: str,
    activation: str = "relu",
) -> Network:
    """ResNet-18 for small images: a 3x3 stem without pooling, four stages of two blocks, the mean of pixels.

    The stages have 1, 2, 4 and 8 times width channels, and strides 1, 2, 2, 2. Width 64 is the standard one
    (He et al. 2016, in the CIFAR form of kuangliu/pytorch-cifar). Width 20 is the "reduced" one of Lopez-Paz
    and Ranzato (2017, GEM).
    """
    layers = make_layers(input_shape=input_shape, normalisation=normalisation, weights=weights, width=width)
    check_images("resnet18", input_shape)
    body = nn.Sequential(*layers.convolution(input_shape[0], width), make_activation(activation))
    fan_in = width
    for fan_out, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
        body.append(BasicBlock(fan_in, fan_out, stride=stride, layers=layers, activation=activation))
        body.append(BasicBlock(fan_out, fan_out, stride=1, layers=layers, activation=activation))
        fan_in = fan_out
    body.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    return Network(body, layers.heads(fan_in, num_classes=num_classes, num_heads=num_heads))
